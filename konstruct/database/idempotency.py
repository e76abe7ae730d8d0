"""Writes that may be repeated: under one key there is one effect and one answer, for a day."""

from konstruct.database.pool import TenantConnection


async def recall(connection: TenantConnection, actor: str, key: str) -> tuple[bytes, bytes] | None:
    """The request and the encrypted answer under this key; whoever else uses it waits until we are done."""
    await connection.run("lock_idempotency_key", actor=actor, key=key)
    row = await connection.run("idempotent_answer", actor=actor, key=key)
    return (row["request"], row["answer"]) if row else None


async def remember(connection: TenantConnection, actor: str, key: str, request: bytes, answer: bytes) -> None:
    """From now on this is the answer; `answer` is encrypted."""
    await connection.run("forget_idempotency_keys")
    await connection.run("save_idempotent_answer", actor=actor, key=key, request=request, answer=answer)
