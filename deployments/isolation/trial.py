"""What was tried and what was seen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was opened; `hole` is a sentence where it showed what it must not."""

    area: str
    subject: str
    tried: str
    saw: str
    hole: str = ""


def holes(trials: list[Trial]) -> list[str]:
    """The sentences, each once."""
    return list(dict.fromkeys(trial.hole for trial in trials if trial.hole))
