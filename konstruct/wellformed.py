"""Text as others will take it: PostgreSQL refuses NUL, JSON encoders refuse lone surrogates."""

import json
from typing import Any

import orjson


def well_formed(text: str) -> str:
    """Drop NUL; surrogate pairs are joined, lone surrogates become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Some servers cut an emoji in two between stream chunks: UTF-16 joins the halves again.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "")


def parsed(document: bytes) -> Any:
    """JSON, also where it is not quite: with half an emoji, an infinite number or in UTF-16. Raises ValueError."""
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError:
        return json.loads(document)
