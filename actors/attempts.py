"""Which message crashes its turn? Attempts are counted once for every crash, see decisions/0006-suspects.md."""

from collections.abc import Sequence

import structlog

from actors.office import Knowledge, Office
from konstruct.database import turns
from konstruct.messages import Heard

log = structlog.get_logger()


def survivors(known: Knowledge, heard: Sequence[Heard], calm_epoch: int) -> list[Heard]:
    """Messages that met a crash of an earlier host which is not on record yet; others of their turn are innocent."""
    return [message for message in heard if message.epoch < calm_epoch and message.id not in known.counted]


async def count(office: Office, known: Knowledge, heard: Sequence[Heard], epoch: int, error: str | None) -> set[int]:
    """Count one more attempt, `error` None: a crash; answers the ids that are dead letters now. Raises Fenced."""
    if not heard:
        return set()
    dead = await turns.count_attempt(office.database, heard, epoch=epoch, error=error)
    if error is None:
        known.counted.update(message.id for message in heard)
    if dead:
        log.error("dead letter", tenant=heard[0].tenant, conversation=heard[0].conversation, inbox=sorted(dead))
    return dead
