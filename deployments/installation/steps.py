"""What `up` and `down` show while they work: one line a step, what it waits for, how long it took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

Tell = Callable[[str], None]


class Steps:
    """Prints steps; on a terminal the running one spins, in a pipe each is printed once done."""

    def __init__(self, console: Console | None = None) -> None:
        """Without a console, to standard output."""
        self.console = console or Console(highlight=False)
        self.seconds: dict[str, float] = {}
        self._begun = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the first step could begin."""
        return time.monotonic() - self._begun

    @contextmanager
    def step(self, title: str) -> Iterator[Tell]:
        """Show `title` while the block runs; what the block tells is shown beside it."""
        begun = time.monotonic()
        told = ""
        with self.console.status(escape(title)) as status:

            def tell(words: str) -> None:
                nonlocal told
                told = words
                note = f" [dim]{escape(words)}[/]" if words else ""
                status.update(f"{escape(title)}{note} [dim]{time.monotonic() - begun:.0f} s[/]")

            try:
                yield tell
            except BaseException:
                self.console.print(f"[red]✗[/] {escape(title)}")
                raise
        seconds = time.monotonic() - begun
        self.seconds[title] = seconds
        note = f"  [dim]{escape(told)}[/]" if told else ""
        self.console.print(f"[green]✓[/] {escape(title):<28} [dim]{seconds:5.1f} s[/]{note}")

    def say(self, text: str) -> None:
        """A line of its own, with Rich markup."""
        self.console.print(text)
