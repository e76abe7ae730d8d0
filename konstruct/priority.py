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


def gives_way() -> bool:
    """Whether the calling thread does."""
    return os.getpriority(os.PRIO_PROCESS, 0) > WORKING


def take_along(backend: int) -> None:
    """A PostgreSQL process of this machine that works for the calling thread gives way as that does.

    `backend`: its pid. Nothing happens where that is no PostgreSQL, or is not ours to change.
    """
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError):
        if Path(f"/proc/{backend}/comm").read_text().startswith("postgres"):
            rank(backend, niceness)  # every backend is a session of its own


def rank(pid: int, niceness: int) -> None:
    """A process, by its main thread and by its session: where Linux groups threads by session, sessions share first.

    Raises OSError where it is not ours to change, or Linux does not group.
    """
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def calm(pid: int, niceness: int) -> None:
    """Another process gives way, with all of its threads; nothing happens where it has ended."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
