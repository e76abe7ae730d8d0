"""The AI employee."""

from typing import Any

from pydantic import Field, model_validator

from konstruct.tenant_file.strict import Strict


class PromptEntry(Strict):
    """What a contact could ask; a text alone is its own title."""

    title: str = Field(min_length=1, max_length=75)
    message: str = Field(min_length=1, max_length=2_000)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"title": value[:75], "message": value} if isinstance(value, str) else value


class EmployeeEntry(Strict):
    """The AI employee: its model is `local/<id>` or a name from `models`."""

    name: str = Field(min_length=1, max_length=80)
    instructions: str = Field(min_length=1, max_length=20_000)
    model: str = Field(min_length=1)
    fallback_model: str | None = None
    offer_choices: bool = False
    suggested_prompts: tuple[PromptEntry, ...] = Field(default=(), max_length=4)

    @property
    def options(self) -> dict[str, Any]:
        """What is not a column of its own."""
        return self.model_dump(mode="json", exclude={"name", "instructions", "model", "fallback_model"})
