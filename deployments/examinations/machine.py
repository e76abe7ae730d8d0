"""The machine below an installation: versions, ports, disk, clock, files with secrets."""

import shutil
import sys
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from deployments.installation import ports, postgres, processes
from konstruct.settings import SAFE_TOKEN_CHARACTERS

LEAST_FREE_BYTES = 2 * 1024**3
MOST_AHEAD_SECONDS = 60.0
CLOCK_SECONDS = 3.0
# No clock is right that shows a time before this code was written.
EARLIEST = time.mktime((2026, 6, 1, 0, 0, 0, 0, 0, 0))


def versions(_patient: Patient) -> list[Finding]:
    """Whether the packages are of versions that pyproject.toml allows."""
    wrongs = []
    try:
        wanted = [Requirement(line) for line in requires("konstruct") or []]
    except PackageNotFoundError:
        return [odd("versions", "Konstruct is not installed in this environment", "run `make up`")]
    for requirement in wanted:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrongs.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrongs.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if wrongs:
        return [wrong("versions", "; ".join(wrongs), "remove .venv and run `make up`")]
    python = ".".join(map(str, sys.version_info[:3]))
    return [well("versions", f"Python {python}, Ray {version('ray')}, {len(wanted)} packages as wanted")]


def open_ports(patient: Patient) -> list[Finding]:
    """Whether our ports are ours, and nothing of ours can be reached from other machines."""
    ours = processes.find(patient.layout) + postgres.tree(patient.layout.pgdata)
    listeners = processes.listeners(ours)
    asked = ports.asked_for(patient.settings)
    findings = [_own_port(port, name, listeners, patient) for port, name in asked.items()]
    wide = [listener for listener in listeners if not listener.on_loopback]
    for listener in wide:
        whose = processes.describe(listener.process)
        said = f"port {listener.port} can be reached from other machines ({whose})"
        if listener.port == _widened_port(patient):
            said += ", as KONSTRUCT_HTTP_HOST asks"
            findings.append(odd("reach", said, "put a proxy with TLS before it"))
        else:
            mend = "run `konstruct down` and `konstruct up`; until then close the port in the firewall"
            findings.append(wrong("reach", said, mend))
    if listeners and not wide:
        findings.append(well("reach", f"all {len(listeners)} ports of ours listen on loopback only"))
    return findings


def room(patient: Patient) -> list[Finding]:
    """Free disk."""
    home = patient.layout.home
    usage = shutil.disk_usage(home if home.exists() else "/")
    said = f"{usage.free / 1024**3:.0f} GiB free at {home}"
    if usage.free < LEAST_FREE_BYTES:
        return [wrong("disk", said, "make room, or move KONSTRUCT_HOME to a larger disk")]
    return [well("disk", said)]


def secret_files(patient: Patient) -> list[Finding]:
    """Whether files with secrets are for their owner only."""
    folder = patient.layout.secrets
    if not folder.exists():
        return [odd("secrets", "there are none yet", "run `konstruct up`")]
    readable = [path for path in [folder, *folder.iterdir()] if path.stat().st_mode & 0o077]
    if readable:
        names = ", ".join(str(path) for path in readable)
        mend = f"run `chmod -R go= {folder}`, and replace what may be known"
        return [wrong("secrets", f"others may read {names}", mend)]
    return [well("secrets", f"{folder} is for its owner only")]


def admin_token(patient: Patient) -> list[Finding]:
    """Whether the token of the operators' API could be guessed."""
    token = patient.settings.admin_token
    if token is None or len(token) >= SAFE_TOKEN_CHARACTERS:
        return []
    said = f"KONSTRUCT_ADMIN_TOKEN has {len(token)} characters and could be guessed"
    mend = f"take one of {SAFE_TOKEN_CHARACTERS} or more (`openssl rand -hex 32` makes one), then run `konstruct up`"
    return [odd("admin token", said, mend)]


def clock(patient: Patient) -> list[Finding]:
    """Slack's signatures carry a time: a clock that is minutes off rejects every webhook."""
    said, mend = time.strftime("%Y-%m-%d %H:%M:%S %Z"), "set the clock, and let NTP keep it"
    if time.time() < EARLIEST:
        return [wrong("clock", f"the clock says {said}", mend)]
    theirs = _time_at(patient.settings.slack_api_url)
    if theirs is None:
        return [well("clock", f"{said}; Slack's API does not answer, so that it was compared with nobody's")]
    ahead = time.time() - theirs
    if abs(ahead) > MOST_AHEAD_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        return [
            wrong("clock", f"{said}: {abs(ahead):.0f} s {side} Slack's; from 300 s on every event is refused", mend)
        ]
    return [well("clock", f"{said}, as Slack's")]


def _time_at(url: str) -> float | None:
    """What time it is for whoever answers at `url`, whatever the answer is."""
    asking = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the operator's own setting
    try:
        try:
            with urllib.request.urlopen(asking, timeout=CLOCK_SECONDS) as answer:  # noqa: S310
                date = answer.headers["Date"]
        except urllib.error.HTTPError as refused:
            date = refused.headers["Date"]
        return parsedate_to_datetime(date).timestamp()
    except (OSError, ValueError, TypeError, HTTPException):
        return None


def _widened_port(patient: Patient) -> int | None:
    running = patient.running
    return None if running is None or running.http_host == "127.0.0.1" else running.http_port


def _own_port(port: int, name: str, ours: list[processes.Listener], patient: Patient) -> Finding:
    if any(listener.port == port for listener in ours):
        return well("ports", f"{port} is ours ({name})")
    if not ports.is_free(port):
        whose = processes.describe(processes.owner_of(port))
        return wrong("ports", f"{port} is taken by {whose}", f"stop it, or set {name} to another port")
    if patient.running is not None:
        return wrong("ports", f"nothing listens on {port}, though Konstruct should", "run `konstruct up`")
    return well("ports", f"{port} is free ({name})")
