"""Writes that may be repeated: under one key there is one effect and one answer, for a day."""

from konstruct.database.pool import Database, TenantConnection


async def recall(connection: TenantConnection, actor: str, key: str) -> tuple[bytes, bytes] | None:
    """The request and the encrypted answer under this key; whoever else uses it waits until we are done."""
    await connection.run("lock_idempotency_key", actor=actor, key=key)
    row = await connection.run("idempotent_answer", actor=actor, key=key)
    return (row["request"], row["answer"]) if row else None


async def forget_old(database: Database) -> None:
    """Forget, in all tenants, what was answered more than a day ago."""
    for row in await database.run("answered_long_ago"):
        async with database.tenant(row["tenant"]) as connection:
            await _forget(connection)


async def remember(connection: TenantConnection, actor: str, key: str, request: bytes, answer: bytes) -> None:
    """From now on this is the answer; `answer` is encrypted."""
    await _forget(connection)
    await connection.run("save_idempotent_answer", actor=actor, key=key, request=request, answer=answer)


async def _forget(connection: TenantConnection) -> None:
    await connection.run("forget_idempotency_keys")
