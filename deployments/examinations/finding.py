"""What an examination is given, and what it answers."""

from dataclasses import dataclass
from typing import Literal

from deployments.installation.layout import Layout
from deployments.installation.running import Running
from konstruct.settings import Settings


@dataclass(frozen=True, slots=True)
class Patient:
    """The installation to examine; `running` is None while it is down."""

    settings: Settings
    layout: Layout
    running: Running | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's; `mend` says what to do where it is not well."""

    subject: str
    state: Literal["well", "worth a look", "wrong"]
    said: str
    mend: str = ""


def well(subject: str, said: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, "well", said)


def odd(subject: str, said: str, mend: str) -> Finding:
    """Works, but should not stay so."""
    return Finding(subject, "worth a look", said, mend)


def wrong(subject: str, said: str, mend: str) -> Finding:
    """Keeps the installation from working."""
    return Finding(subject, "wrong", said, mend)
