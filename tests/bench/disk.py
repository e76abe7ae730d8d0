"""The disk itself meanwhile: no acknowledgement can be faster than a page that is written and made durable."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY_SECONDS = 0.02
PAGE = bytes(8192)
PAGES = 128


@contextmanager
def watched(folder: Path) -> Iterator[list[float]]:
    """Fifty times a second a page is written in `folder` and made durable; the list learns how many seconds it took."""
    took: list[float] = []
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(folder, took, over))
    watching.start()
    try:
        yield took
    finally:
        over.set()
        watching.join()


def _watch(folder: Path, took: list[float], over: threading.Event) -> None:
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(PAGE * PAGES)
        os.fsync(file.fileno())
        while not over.wait(EVERY_SECONDS):
            begun = time.perf_counter()
            os.pwrite(file.fileno(), PAGE, len(took) % PAGES * len(PAGE))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
