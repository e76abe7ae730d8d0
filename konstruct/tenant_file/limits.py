"""How much a tenant and its contacts may ask for."""

from typing import Any

from pydantic import Field

from konstruct.limits import TOO_FAST
from konstruct.tenant_file.strict import Strict


class LimitsEntry(Strict):
    """`null` = no limit; what is not named is as the installation has it."""

    answers_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    answers_at_once: int | None = Field(default=None, ge=1, le=10_000)
    contact_messages_per_minute: int | None = Field(default=None, ge=1, le=10_000)
    contact_message: str = Field(default=TOO_FAST, min_length=1, max_length=1000)

    @property
    def stored(self) -> dict[str, Any]:
        """What the file says, and nothing that it does not."""
        return self.model_dump(mode="json", exclude_unset=True)
