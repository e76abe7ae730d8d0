"""What is to be said of a tenant file before it is applied, beyond what the file itself shows."""

from konstruct.tenant_file import TenantFile


def warnings(wanted: TenantFile) -> list[str]:
    """What is allowed, and hardly meant."""
    if not wanted.escalation.rules or wanted.operators.slack_channel is not None:
        return []
    unheard = (
        f"{wanted.tenant} has escalation rules and no operators: contacts are told that a colleague takes over, and "
        "nobody learns of it. Add `operators: {slack_channel: C…}`; until then `konstruct paused "
        f"{wanted.tenant}` lists who waits."
    )
    return [unheard]
