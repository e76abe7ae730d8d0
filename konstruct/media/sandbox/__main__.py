"""Reads a file from standard input, writes what a model can use to standard output, as JSON."""

import json
import resource
import sys

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 10
OUTPUT_BYTES = 8 * 1024 * 1024
OPEN_FILES = 32


def main() -> None:
    """First line: JSON with `name` and `media_type`; the rest is the file. Answers what `extract` does, or why not."""
    _limit()
    header, _, content = sys.stdin.buffer.read().partition(b"\n")
    asked = json.loads(header)
    json.dump(_read(content, asked["name"], asked["media_type"]), sys.stdout)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _read(content: bytes, name: str, media_type: str) -> dict[str, str]:
    from konstruct.media.sandbox.unreadable import Unreadable  # noqa: PLC0415 - only under the limits

    try:
        from konstruct.media.sandbox.extract import extract  # noqa: PLC0415

        return extract(content, name, media_type)
    except Unreadable as unreadable:
        return {"unreadable": str(unreadable)}
    except MemoryError:
        return {"unreadable": "it needs too much memory"}
    except Exception:  # noqa: BLE001 - decoders raise whatever damaged files make them
        return {"unreadable": "it is damaged"}


if __name__ == "__main__":
    main()
