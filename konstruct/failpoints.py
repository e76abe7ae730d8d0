"""Named places where a crash test may kill the process; off unless KONSTRUCT_FAILPOINTS is on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

NAMES = ("before_c1", "after_c1", "during_model", "before_c2", "after_c2", "after_send", "before_c3")

Failpoint = Callable[[str], None]


def armed(folder: Path) -> Failpoint:
    """A failpoint that ends this process with kill -9 when a file named after it lies in `folder` (used up by it)."""

    def reach(name: str) -> None:
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return reach


def disarmed(_name: str) -> None:
    """Nothing happens."""
