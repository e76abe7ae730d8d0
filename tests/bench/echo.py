"""The reference for the acknowledgement: a FastAPI echo on Ray Serve that keeps nothing."""

from typing import Any

from fastapi import FastAPI, Request, Response
from ray import serve

app = FastAPI(openapi_url=None)


@app.post("/")
async def echo(request: Request) -> Response:
    """The body again."""
    return Response(await request.body(), media_type="application/json")


class Echo:
    """Holds the routes."""


def build(_: dict[str, Any]) -> serve.Application:
    """The same options as our ingress has."""
    return serve.deployment(
        serve.ingress(app)(Echo), name="Echo", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.2}
    ).bind()  # fmt: skip
