"""The replica that holds vLLM. Imported only where vLLM is wanted: the import takes seconds and 500 MB."""

from collections.abc import AsyncGenerator
from typing import Any

from pydantic import ValidationError
from ray.llm._internal.serve.engines.vllm.vllm_engine import VLLMEngine
from ray.serve.llm import LLMConfig, LLMServer
from ray.serve.llm.openai_api_models import ChatCompletionRequest

from konstruct.priority import THINKING, give_way


class Engine(LLMServer):
    """LLMServer that takes plain dicts, so that its callers need no vLLM."""

    async def __init__(self, llm_config: LLMConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        """Start the engine and warm it up."""
        engine: Any = llm_config.get_engine_config()
        on_cpu = not engine.accelerator.requires_remote_initialization
        await super().__init__(llm_config, engine_cls=OneProcess if on_cpu else None)
        # The first answer is slower than all that follow, so nobody should be waiting for it.
        messages = [{"role": "user", "content": "Hello"}]
        async for _ in self.complete({"model": llm_config.model_id, "messages": messages, "max_tokens": 2}):
            pass

    async def complete(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any] | str]:
        """Yield {"status", "message"} first; then, if status is 200, the response's text in pieces."""
        begun = False
        try:
            async for part in self._parts(ChatCompletionRequest(**body)):
                if hasattr(part, "error"):
                    yield f"data: {part.model_dump_json()}\n\n" if begun else _refusal(part.error)
                    return
                if not begun:
                    begun = True
                    yield {"status": 200, "message": ""}
                yield part if isinstance(part, str) else part.model_dump_json()
        except (ValidationError, TypeError) as error:
            yield {"status": 400, "message": str(error)[:500]}
        except Exception as error:  # noqa: BLE001
            # vLLM's exceptions must not travel: unpickling one imports vLLM (0.4 GB) into the caller. After
            # `begun` the stream just ends, without its end mark.
            if not begun:
                yield {"status": 503, "message": f"the engine failed: {type(error).__name__}"}

    async def _parts(self, request: ChatCompletionRequest) -> AsyncGenerator[Any]:
        item: Any
        async for item in await self.chat(request):
            for part in item if isinstance(item, list) else [item]:
                yield part


class OneProcess(VLLMEngine):
    """vLLM with scheduler and worker in one process; on CPUs, Ray's choice of two costs 0.5 GB more."""

    def _start_async_llm_engine(self, engine_args: Any, engine_config: Any, *others: Any) -> Any:
        if engine_config.parallel_config.world_size == 1:
            engine_config.parallel_config.distributed_executor_backend = "uni"
        give_way(THINKING)  # inherited by the engine's process; this one only passes text through
        return super()._start_async_llm_engine(engine_args, engine_config, *others)


def _refusal(error: Any) -> dict[str, Any]:
    # Any: vLLM and Ray each have a class of their own for it.
    return {"status": error.code if isinstance(error.code, int) else 400, "message": error.message}
