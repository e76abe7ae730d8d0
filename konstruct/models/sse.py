"""Server-sent events, as far as OpenAI-compatible servers use them: `data:` lines, one JSON document each."""

from collections.abc import AsyncIterator

MAX_EVENT_BYTES = 1_000_000


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield the payloads of the `data:` lines that each chunk ends. Raises ValueError for one over MAX_EVENT_BYTES."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_EVENT_BYTES:
            raise ValueError(f"an event is larger than {MAX_EVENT_BYTES} bytes")
        yield _payloads(lines)
    yield _payloads([rest])


def _payloads(lines: list[bytes]) -> list[bytes]:
    return [line[5:].strip() for line in lines if line.startswith(b"data:")]
