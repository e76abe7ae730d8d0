"""The models that a tenant brings."""

from pydantic import Field

from konstruct.tenant_file.strict import Strict


class ModelEntry(Strict):
    """A hosted model: any LiteLLM model string, with the tenant's own key."""

    name: str = Field(min_length=1)
    litellm: str = Field(min_length=1)
    api_base: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    vision: bool = False  # it may be given pictures
    transcription: bool = False  # it writes down recordings, and answers nobody
