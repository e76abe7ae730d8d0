"""Which message crashes its turn? Attempts are counted once for every crash, see decisions/0006-suspects.md."""

import time
from collections.abc import Sequence

import structlog

from actors.office import Knowledge, Office
from konstruct import notice
from konstruct.database import operators, turns
from konstruct.messages import Heard, requests_of

# A fault that crashes every turn of a tenant is told now and then, not with every message.
TELL_EVERY_SECONDS = 600.0

log = structlog.get_logger()


def survivors(known: Knowledge, heard: Sequence[Heard], calm_epoch: int) -> list[Heard]:
    """Messages that met a crash of an earlier host which is not on record yet; others of their turn are innocent."""
    return [message for message in heard if message.epoch < calm_epoch and message.id not in known.counted]


async def count(office: Office, known: Knowledge, heard: Sequence[Heard], epoch: int, error: str | None) -> set[int]:
    """Count one more attempt, `error` None: a crash; answers the ids that are dead letters now. Raises Fenced."""
    if not heard:
        return set()
    first, place = heard[0], await office.roster.operators_of(heard[0].tenant)
    async with office.database.tenant(first.tenant) as connection:
        dead = await turns.count_attempt(connection, heard, epoch=epoch, error=error)
        if dead:
            # In the commit that sets them aside. What follows soon is not told: it is in the same list.
            text = notice.set_aside(sorted(dead), first.channel)
            await operators.tell(connection, f"dead-letter:{time.time() // TELL_EVERY_SECONDS}", text, place)
    if error is None:
        known.counted.update(message.id for message in heard)
    if dead:
        requests = requests_of(message for message in heard if message.id in dead)
        log.error("dead letter", inbox=sorted(dead), request=requests)
    return dead
