"""What the command line asks for."""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

PARTS = ("parse", "rls", "up", "idle", "ack", "overhead", "turns", "budget", "audit", "flood", "warm", "crash")


@dataclass(frozen=True, slots=True)
class Asked:
    """`home`: the state folder of the installations under test; kept, because the model files in it are."""

    parts: tuple[str, ...]
    rounds: int
    kills: int
    quick: bool
    home: Path

    @property
    def official(self) -> bool:
        """Whether this run may replace the table in docs/."""
        return not self.quick and self.parts == PARTS

    def scaled(self, full: float, quick: float) -> float:
        """A duration or count, depending on --quick."""
        return quick if self.quick else full


def read_arguments(arguments: list[str] | None = None) -> Asked:
    """Parse; exits with a sentence where the arguments make no sense."""
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, help="rounds of each measurement (5, quick: 2)")
    parser.add_argument("--kills", type=int, help="kills of the crash part (320, quick: 16)")
    parser.add_argument("--quick", action="store_true", help="see that everything works; the figures mean little")
    parser.add_argument(
        "--home", type=Path, default=Path(tempfile.gettempdir()) / "kb", help="state folder; keep it short"
    )
    given = parser.parse_args(arguments)
    return Asked(
        parts=tuple(part for part in PARTS if part in (given.only or PARTS)),
        rounds=given.rounds or (2 if given.quick else 5),
        kills=given.kills or (16 if given.quick else 320),
        quick=given.quick,
        home=given.home,
    )
