"""The `models` application: vLLM behind our gateway, on CPUs by default, on GPUs by its arguments."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.installation.serve_apps import GATEWAY, GATEWAY_CPUS
from deployments.model_gateway import ModelGateway
from deployments.weights import SMOLLM_FOLDER
from konstruct.errors import SettingsInvalid
from konstruct.settings import Settings
from konstruct.vault import local_model_token

# Concurrent requests per vLLM replica at which Serve adds another; ray.serve.llm's own default never scales.
TARGET_ONGOING_REQUESTS = 16
MAX_QUEUED_REQUESTS = 256
# 22,000 tokens of SmolLM2, whose cache takes 23 kB a token.
KV_CACHE_BYTES = 512 * 1024 * 1024


class LocalModelArgs(BaseModel):
    """`args` of the application in serve.yaml; the defaults suit a small machine without a GPU."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_id: str = "smollm2"
    model_source: str | None = None
    accelerator_type: str | None = None
    placement: dict[str, Any] | None = None
    engine_kwargs: dict[str, Any] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(1, ge=1)
    target_ongoing_requests: int = Field(TARGET_ONGOING_REQUESTS, ge=1)
    gateway_replicas: int = Field(1, ge=1)


def build(args: dict[str, Any]) -> serve.Application:
    """Build it for Serve. Raises SettingsInvalid when the model's files are missing."""
    asked, settings = LocalModelArgs(**args), Settings.from_environment()
    source = asked.model_source or str(settings.home / SMOLLM_FOLDER)
    if asked.model_source is None and not Path(source).is_dir():
        raise SettingsInvalid(f"The local model is not in {source}; run `python -m deployments.weights`.")
    gateway: Any = serve.deployment(
        serve.ingress()(ServedGateway),
        name=GATEWAY,
        num_replicas=asked.gateway_replicas,
        max_ongoing_requests=1000,
        ray_actor_options={"num_cpus": GATEWAY_CPUS},
    )
    application: serve.Application = gateway.bind(asked.model_id, _engine(asked, source))
    return application


class ServedGateway:
    """ModelGateway as Serve wants it: built in the replica, in front of a handle."""

    def __init__(self, model_id: str, engine: DeploymentHandle[Any]) -> None:
        """Read the token here, so that it never travels in the application's arguments."""
        complete: Any = engine.options(stream=True, method_name="complete")

        def ask(body: dict[str, Any]) -> AsyncIterator[Any]:
            return aiter(complete.remote(body))

        token = local_model_token(Settings.from_environment().master_keys)
        self._gateway = ModelGateway(model_id, token, ask, complete.running_replicas_populated)

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Give Serve an application that exists only in the replica."""
        return self._gateway.routes()


def _engine(asked: LocalModelArgs, source: str) -> serve.Application:
    # vLLM costs seconds and 500 MB to import, which only this builder and the engine's replicas should pay.
    from ray.serve.llm import LLMConfig, build_llm_deployment  # noqa: PLC0415

    from deployments.engine import Engine  # noqa: PLC0415

    on_cpu = asked.accelerator_type is None and asked.placement is None
    config = LLMConfig(
        model_loading_config={"model_id": asked.model_id, "model_source": source},
        accelerator_type=asked.accelerator_type,
        engine_kwargs=(_cpu_engine() if on_cpu else {}) | asked.engine_kwargs,
        placement_group_config={"bundles": [{"CPU": 0.5}]} if on_cpu else asked.placement,
        runtime_env={"env_vars": (_cpu_environment() if on_cpu else {}) | asked.env},
        deployment_config={
            "autoscaling_config": {
                "min_replicas": asked.min_replicas,
                "max_replicas": max(asked.min_replicas, asked.max_replicas),
                "target_ongoing_requests": asked.target_ongoing_requests,
            },
            "max_ongoing_requests": asked.target_ongoing_requests * 2,
            "max_queued_requests": MAX_QUEUED_REQUESTS,
            "ray_actor_options": {"num_cpus": 0.2} if on_cpu else {},
        },
        log_engine_metrics=False,
    )
    return build_llm_deployment(config, deployment_cls=Engine)


def _cpu_engine() -> dict[str, Any]:
    return {
        "dtype": "bfloat16",
        "enforce_eager": True,
        "max_model_len": 8192,
        "max_num_seqs": 16,
        "kv_cache_memory_bytes": KV_CACHE_BYTES,
    }


def _cpu_environment() -> dict[str, str]:
    # One core stays free for webhooks and conversations; where there is only one, it is shared.
    threads = str(max(1, (os.cpu_count() or 1) - 1))
    return {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": threads,
        # vLLM's sampler would else call a C++ compiler on the first request: 16 s, and it may be missing.
        "TORCHDYNAMO_DISABLE": "1",
        "TQDM_DISABLE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_NO_USAGE_STATS": "1",
    }
