"""What an installation keeps and asks: database, master keys, applications, model."""

import asyncio
import time
from pathlib import Path
from urllib.parse import unquote

import psycopg

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from deployments.installation import running
from deployments.installation.tenants import open_database
from konstruct.database import migrate
from konstruct.errors import DatabaseUnavailable, KonstructError, SettingsInvalid
from konstruct.key_rotation import Kept, examine
from konstruct.settings import Settings
from konstruct.vault import Vault

# Slack refuses what is five minutes old, and so do we.
MOST_CLOCK_SECONDS = 60.0
_START = "run `konstruct up` with its settings"


def database(patient: Patient) -> list[Finding]:
    """Reachable, new enough, migrated, our role unable to pass row-level security, clocks alike."""
    url = patient.settings.database_url
    if url is None:
        return [odd("database", running.absence(patient.layout, "KONSTRUCT_DATABASE_URL"), _START)]
    try:
        asyncio.run(_check_role(patient.settings))
        missing = migrate.pending(url)
        off = _clock_difference(url)
    except DatabaseUnavailable as error:
        embedded = str(patient.layout.pgdata.resolve()) in unquote(url)
        mend = "run `konstruct up`" if embedded else "start PostgreSQL, or correct KONSTRUCT_DATABASE_URL"
        return [wrong("database", str(error), mend)]
    except KonstructError as error:
        return [wrong("database", str(error), "correct the role or run `konstruct migrate`")]
    findings = [well("database", "answers; role konstruct_app cannot pass row-level security")]
    if missing:
        said = f"{len(missing)} migrations are missing"
        findings.append(wrong("schema", said, "run `konstruct migrate`"))
    if abs(off) > MOST_CLOCK_SECONDS:
        findings.append(wrong("clock", f"PostgreSQL's clock is {off:.0f} s ahead", "let NTP keep both clocks"))
    return findings


def master_keys(patient: Patient) -> list[Finding]:
    """Whether there are any, whether they open what is stored, and whether all of them are needed."""
    if patient.running is None and not patient.settings.master_keys:
        return [odd("master keys", running.absence(patient.layout, "KONSTRUCT_MASTER_KEYS"), _START)]
    try:
        vault = Vault(patient.settings.master_keys)
        kept = asyncio.run(_kept(patient.settings, vault))
    except SettingsInvalid as error:
        return [wrong("master keys", str(error), "correct KONSTRUCT_MASTER_KEYS, then run `konstruct up`")]
    except KonstructError as error:
        return [odd("master keys", f"not tried, for the database fails: {error}", "mend that first")]
    return [opened(kept, len(patient.settings.master_keys))]


def opened(kept: list[Kept], keys: int) -> Finding:
    """What is to be said of `keys` master keys and the secrets they keep."""
    locked = [f"{one.what.removeprefix('The ')} of {one.tenant}" for one in kept if one.locked]
    if locked:
        mend = "add the earlier key to KONSTRUCT_MASTER_KEYS, or apply these tenants again"
        return wrong("master keys", f"these do not open: {', '.join(locked)}", mend)
    older = sum(bool(one.key) for one in kept)
    if older:
        said = f"{keys} in use; {older} of {len(kept)} secrets still need an older key than the first"
        return odd("master keys", said, "run `konstruct keys rotate`; until then keep every key")
    if keys > 1:
        said = f"{keys} in use, but the first alone opens all {len(kept)} secrets"
        return odd("master keys", said, "take the others out of KONSTRUCT_MASTER_KEYS and run `konstruct up`")
    return well("master keys", f"one in use, and it opens all {len(kept)} secrets")


def applications(patient: Patient) -> list[Finding]:
    """What Ray Serve says of our applications, the local model among them."""
    if patient.running is None:
        return [odd("applications", "Konstruct is down", "run `konstruct up`")]
    try:
        found = running.serve(patient.layout, patient.settings.dashboard_port).applications()
    except KonstructError as error:
        return [wrong("applications", str(error), "run `konstruct up`, which ends the rest and starts anew")]
    logs = patient.layout.logs / "serve"
    mend = f"look into Ray's dashboard and {logs}, then run `konstruct up`"
    return [
        well(f"application {name}", "runs")
        if application["status"] == "RUNNING"
        else wrong(f"application {name}", f"{application['status'].lower()}: {application.get('message', '')}", mend)
        for name, application in sorted(found.items())
    ]


def weights(patient: Patient) -> list[Finding]:
    """Whether the model files are there."""
    wanted = ["minilm-int8.onnx", *(["smollm2"] if patient.settings.local_model else [])]
    folder: Path = patient.layout.home / "models"
    missing = [name for name in wanted if not (folder / name).exists()]
    if missing:
        return [odd("model files", f"{', '.join(missing)} not prepared yet", "run `konstruct up`")]
    return [well("model files", f"{', '.join(wanted)} in {folder}")]


async def _check_role(settings: Settings) -> None:
    async with open_database(settings) as opened:
        await opened.check_health()


async def _kept(settings: Settings, vault: Vault) -> list[Kept]:
    async with open_database(settings) as opened_database:
        return await examine(opened_database, vault)


def _clock_difference(url: str) -> float:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error}") from error
    return float(row[0]) - time.time() if row else 0.0
