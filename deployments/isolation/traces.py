"""Logs: whether anything that a tenant said stands in a file beside the database."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from deployments.isolation.trial import Trial

PIECE_BYTES = 4 * 1024 * 1024


def search(folders: Iterable[Path], words: Iterable[str]) -> list[Trial]:
    """One trial per folder, and one more for each file in which a canary's words stand."""
    sought = [word.encode() for word in words]
    return [trial for folder in folders for trial in _search(folder, sought)]


def _search(folder: Path, sought: list[bytes]) -> Iterator[Trial]:
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if _is_log(path))
    size, found = 0, []
    for path in files:
        try:
            size += path.stat().st_size
            if _holds(path, sought):
                found.append(path)
        except OSError:
            continue  # rotated away, or somebody else's
    saw = f"{len(files)} files, {size / 1e6:.1f} MB, {len(found)} with what a canary said"
    yield Trial("log", str(folder), "searched for what the canaries said", saw)
    for path in found:
        yield Trial("log", str(path), "searched", "the canary", f"The log {path} holds what a contact said.")


def _is_log(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _holds(path: Path, sought: list[bytes]) -> bool:
    longest, kept = max(map(len, sought), default=0), b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            if any(word in kept + piece for word in sought):
                return True
            kept = piece[-longest:]
    return False
