"""Named places where a crash test may kill or stop the process; off unless KONSTRUCT_FAILPOINTS is on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

# Of Stripe's webhook.
STRIPE_NAMES = ("before_stripe_event", "after_stripe_event")
# Only of turns with a budget.
BUDGET_NAMES = ("before_reserve", "after_reserve")
NAMES = ("before_c1", "after_c1", "during_model", "before_c2", "after_c2", "after_send", "before_c3")
SEALING = ("seal_read", "seal_written", "seal_committed", "seal_remembered")
BILLING_NAMES = ("meter_derived", "meter_claimed", "meter_sent", "meter_marked")

Failpoint = Callable[[str], None]


def armed(folder: Path) -> Failpoint:
    """A failpoint for processes under test.

    Where a file named after it lies in `folder`, reaching it uses the file up and ends the process with kill -9;
    if the file says "stop", the process is stopped instead, as a zombie that may come back.
    """

    def reach(name: str) -> None:
        path = folder / name
        try:
            wish = path.read_text().strip()
            path.unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGSTOP if wish == "stop" else signal.SIGKILL)

    return reach


def disarmed(_name: str) -> None:
    """Nothing happens."""
