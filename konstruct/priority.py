"""Who goes first where processors are short: whoever acknowledges, then whoever answers, then the model."""

import os
from contextlib import suppress
from pathlib import Path

# Nicenesses: a provider waits three seconds for its 200; an answer can wait longer than what it is for.
WORKING = 0  # Ray's own choice for all of its workers would be 15: behind its dashboard
ANSWERING = 10
THINKING = 15
# Nobody waits for numbers.
TELLING = 10


def give_way(niceness: int) -> None:
    """For the calling thread and those that it starts."""
    os.nice(niceness)


def calm(pid: int, niceness: int) -> None:
    """Another process gives way, with all of its threads; nothing happens where it has ended."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
