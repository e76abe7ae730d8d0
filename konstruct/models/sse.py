"""Server-sent events, as far as OpenAI-compatible servers use them: `data:` lines, one JSON document each."""

from collections.abc import AsyncIterator

MAX_EVENT_BYTES = 1_000_000


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the payload of each `data:` line. Raises ValueError for a line over MAX_EVENT_BYTES."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_EVENT_BYTES:
            raise ValueError(f"an event is larger than {MAX_EVENT_BYTES} bytes")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if rest.startswith(b"data:"):
        yield rest[5:].strip()
