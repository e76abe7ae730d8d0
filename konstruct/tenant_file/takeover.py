"""When a human takes over, and where the humans are."""

from pydantic import Field

from konstruct import triage
from konstruct.tenant_file.strict import Strict


class EscalationEntry(Strict):
    """When a human must take over, what the contact is told then, and when the employee goes on by itself."""

    rules: tuple[str, ...] = Field(default=(), max_length=50)
    message: str = Field(default=triage.HANDED_OVER, min_length=1, max_length=1000)
    web_message: str | None = Field(default=None, min_length=1, max_length=1000)
    resume_after_minutes: int = Field(default=240, ge=1, le=43_200)


class OperatorEntry(Strict):
    """Where the humans are who take over."""

    slack_channel: str | None = Field(default=None, pattern=r"^[CG][A-Z0-9]{2,20}$")
