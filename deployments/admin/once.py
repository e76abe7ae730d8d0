"""Writes that may be repeated: the answer is kept in the transaction of its effect, encrypted, for a day."""

import json
from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from starlette.responses import Response

from deployments.admin.access import Access, shown
from deployments.admin.problem import KeyReused, Problem
from konstruct.database import idempotency
from konstruct.database.pool import TenantConnection
from konstruct.errors import SecretUnreadable

Effect = Callable[[TenantConnection], Awaitable[BaseModel | None]]


async def once(access: Access, effect: Effect, status: int = 200) -> Response:
    """Run `effect` in one transaction and answer with what it answers (None: 204); repeated, the answer only.

    What `effect` raises undoes it, and is not kept: the request may be repeated under the same key.
    """
    async with access.transaction() as connection:
        before = await _before(connection, access)
        if before is not None:
            return before
        response = _response(await effect(connection), status)
        await _keep(connection, access, response)
    return response


async def once_elsewhere(access: Access, effect: Callable[[str], Awaitable[BaseModel]], status: int) -> Response:
    """As `once`, where another service does it, with no transaction open meanwhile.

    Repeated, it is asked again: under the key that `effect` is given it finds what it did, or says why that is over.
    """
    async with access.transaction() as connection:
        before = await _before(connection, access)
    key = f"{access.principal.actor}:{access.key or access.request_id}:{access.asked.hex()}"
    response = _response(await effect(key), status)
    if before is not None:
        response.headers["Idempotent-Replayed"] = "true"
        return response
    async with access.transaction() as connection:
        if await _before(connection, access) is None:
            await _keep(connection, access, response)
    return response


async def _before(connection: TenantConnection, access: Access) -> Response | None:
    if access.key is None:
        return None
    kept = await idempotency.recall(connection, access.principal.actor, access.key)
    return None if kept is None else _replayed(access, *kept)


async def _keep(connection: TenantConnection, access: Access, response: Response) -> None:
    if access.key is not None:
        sealed = _sealed(access, response)
        await idempotency.remember(connection, access.principal.actor, access.key, access.asked, sealed)


def _response(content: BaseModel | None, status: int) -> Response:
    return Response(status_code=204) if content is None else shown(content, status)


def _sealed(access: Access, response: Response) -> bytes:
    kept = [response.status_code, response.headers.get("ETag"), bytes(response.body).decode()]
    return access.parts.vault.encrypt(access.tenant, json.dumps(kept))


def _replayed(access: Access, request: bytes, answer: bytes) -> Response:
    if request != access.asked:
        raise KeyReused
    try:
        status, tag, body = json.loads(access.parts.vault.decrypt(access.tenant, answer))
    except SecretUnreadable:
        raise Problem(
            "This was done already, but what was answered cannot be read with today's master keys; read it again.",
            status=409,
        ) from None
    headers = {"Idempotent-Replayed": "true"} | ({"ETag": tag} if tag else {})
    return Response(body or None, status, headers, "application/json" if body else None)
