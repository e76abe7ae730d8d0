"""The running installation: its doors, its caches and its actors, tried with what belongs to another tenant."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

import aiohttp

from actors.wiring import build_roster
from deployments.isolation.bird import Bird, birds, left_of
from deployments.isolation.canary import Canary
from deployments.isolation.doors import attempts, knock
from deployments.isolation.trial import Trial
from konstruct.database.pool import Database
from konstruct.errors import KonstructError
from konstruct.media.store import open_store
from konstruct.settings import Settings
from konstruct.vault import Vault

ANSWER_SECONDS = 60.0
REQUEST_SECONDS = 10.0
ANSWERED = '"role":"employee"'


async def examine(settings: Settings, database: Database, url: str, canaries: tuple[Canary, Canary]) -> list[Trial]:
    """Every trial over HTTP at `url`; the canaries are gone afterwards, which is the last one."""
    trials: list[Trial] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS)) as session:
        async with birds(database, open_store(settings), Vault(settings.master_keys), canaries) as (foreign, mine):
            trials.append(await _talk(session, url, foreign))
            trials += [await knock(session, attempt, foreign) for attempt in attempts(url, foreign, mine)]
            trials.append(await _roster(settings, database, session, foreign, mine))
    for bird in (foreign, mine):
        left = await left_of(database, bird)
        hole = f"Rows of an erased tenant are left: {left}." if left else ""
        trials.append(Trial("erasure", bird.name, "looked for what is left of it", f"{sum(left.values())} rows", hole))
    return trials


async def _talk(session: aiohttp.ClientSession, url: str, bird: Bird) -> Trial:
    """Its own visitor says its words, so that they pass through hosts, models, memories and logs."""
    site, own = f"{url}/web/{bird.name}", {"Authorization": f"Bearer {bird.token(bird.name)}"}
    message = {"id": str(uuid4()), "text": bird.canary.said}
    async with session.post(f"{site}/messages", json=message, headers=own) as got:
        status = got.status
    shown = await _shown(session, f"{site}/events", own)
    seen = status == 200 and bird.canary.said in shown
    blind = "" if seen else "The check is blind: a visitor does not see their own chat."
    saw = f"{status}, " + ("answered" if ANSWERED in shown else "not answered yet")
    return Trial("chat", f"/web/{bird.name}", "talked with by its own visitor", saw, blind)


async def _shown(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> str:
    """What the chat shows until its answer is there."""
    seen = ""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(ANSWER_SECONDS), session.get(
            url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
        ) as feed:  # fmt: skip
            async for piece in feed.content.iter_any():
                seen += piece.decode(errors="replace")
                if ANSWERED in seen and '"final":true' in seen.rsplit(ANSWERED, 1)[1]:
                    break
    return seen


async def _roster(
    settings: Settings, database: Database, session: aiohttp.ClientSession, foreign: Bird, mine: Bird
) -> Trial:
    roster = build_roster(settings, database, session)
    await roster.assignment(foreign.tenant, "slack", f"T{foreign.mark}")
    tried = "asked for the other's workspace while it is kept"
    try:
        found = await roster.assignment(mine.tenant, "slack", f"T{foreign.mark}")
    except KonstructError as refused:
        told = f"The roster's refusal tells of another tenant: {refused}" if foreign.canary.is_in(refused) else ""
        return Trial("cache", "roster", tried, "refused", told)
    return Trial("cache", "roster", tried, "an employee", f"The roster gives {found.name} of another tenant.")
