"""What a turn tells operators, beside its answer."""

from collections.abc import Sequence
from dataclasses import replace

from actors.office import NOTICE_PART
from konstruct import notice
from konstruct.identity import reply_id
from konstruct.messages import Reply, Spoken
from konstruct.roster import Assignment
from konstruct.triage import Decision


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
