"""Who goes first where processors are short: whoever acknowledges, then whoever answers, then the model."""

import os

# Nicenesses: a provider waits three seconds for its 200; an answer can wait longer than what it is for.
ANSWERING = 3
THINKING = 6


def give_way(niceness: int) -> None:
    """For the calling thread and those that it starts."""
    os.nice(niceness)
