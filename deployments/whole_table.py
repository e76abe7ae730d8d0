"""Tables whose ids can be copied: as wide as what is in them, whatever the terminal's width."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

WIDEST = 10_000


def print_whole(table: Table, console: Console) -> None:
    """Print it with no cell cropped or broken; a terminal that is narrower breaks the lines."""
    table.width = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
    console.print(table, soft_wrap=True)
