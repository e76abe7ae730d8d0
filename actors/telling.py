"""What a turn tells operators, beside its answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from actors.office import NOTICE_PART, Office
from konstruct import notice
from konstruct.database import operators
from konstruct.errors import KonstructError, ModelMisconfigured
from konstruct.identity import reply_id
from konstruct.messages import Reply, Spoken
from konstruct.models import Answer
from konstruct.models.policy import Failure
from konstruct.roster import Assignment
from konstruct.triage import Decision

DAY_SECONDS = 86_400

log = structlog.get_logger()


def told_of_handover(
    assignment: Assignment, decision: Decision, window: Sequence[Spoken], answer: Reply
) -> list[Reply]:
    """That a human must take over from `answer` on; nothing where none is needed or nobody can be told."""
    if not (decision.rule and assignment.operators):
        return []
    told = notice.handed_over(
        assignment.name, decision.rule, window, notice.link_to(answer.channel, answer.address),
        answer.conversation, seconds=decision.pause.seconds if decision.pause else 0.0,
    )  # fmt: skip
    notices = replace(answer, channel="slack", address=assignment.operators, source_id="", last=False)
    parts = enumerate(assignment.channel.split(told), NOTICE_PART)
    return [
        replace(notices, id=reply_id(answer.tenant, answer.turn, part), part=part, text=text) for part, text in parts
    ]


async def tell_of_models(
    office: Office, assignment: Assignment, answer: Reply, result: Answer | None, failed: Mapping[str, Failure]
) -> None:
    """Models that will fail until somebody mends what is configured: each once a day, whichever host meets it."""
    day, instead = int(time.time() // DAY_SECONDS), result.model_name if result and result.calls else None
    for name, failure in failed.items():
        key = f"model:{name}:{day}"
        if not isinstance(failure, ModelMisconfigured) or (answer.tenant, key) in office.told:
            continue
        text = notice.model_misconfigured(assignment.name, name, str(failure), instead)
        try:
            async with office.database.tenant(answer.tenant) as connection:
                await operators.tell(connection, key, text, assignment.operators)
        except KonstructError as error:
            # The turn itself is done. The next one that meets this tells it.
            log.warning("operators not told", reason=str(error))
        else:
            office.told.add((answer.tenant, key))
