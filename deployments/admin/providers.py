"""Whether the models that a request names are ones that LiteLLM can ask."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from konstruct.errors import TenantFileInvalid
from konstruct.models.hosted import unknown_provider
from konstruct.tenant_file import ModelEntry

# Not those of `apart`: who exports for minutes must not hold up everybody's tenant files.
THREAD = ThreadPoolExecutor(1, thread_name_prefix="providers")


async def check_providers(wanted: Iterable[ModelEntry]) -> None:
    """Raise TenantFileInvalid where a model's provider is unknown. No transaction is open: it may take seconds."""
    loop = asyncio.get_running_loop()
    for model in wanted:
        nearest = await loop.run_in_executor(THREAD, unknown_provider, model.litellm, model.api_base)
        if nearest is not None:
            said = _unknown(model.litellm, nearest)
            raise TenantFileInvalid(f"models.{model.name}.litellm is {model.litellm}, {said}")


def _unknown(litellm: str, nearest: list[str]) -> str:
    if nearest:
        return f"whose provider is unknown; did you mean {' or '.join(nearest)}?"
    provider, slash, _ = litellm.partition("/")
    if not slash:
        return "whose provider is unknown; write it as `provider/model`."
    return (
        f"but LiteLLM knows no provider {provider}; where a server of your own speaks OpenAI's API, write "
        f"openai/{litellm} and its `api_base`."
    )
