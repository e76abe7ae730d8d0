"""The chat's page: one document with its style and script in it, allowed by their hashes and nothing else."""

import html
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.responses import Response

_FOLDER = Path(__file__).parent


def page(employee: str, origins: Iterable[str]) -> Response:
    """The document for one employee; `origins` may show it in a frame."""
    document, policy = _document()
    text = document.replace("{{employee}}", html.escape(employee)).replace("{{initial}}", html.escape(employee[:1]))
    framed_by = " ".join(["'self'", *origins])
    headers = {
        "Content-Security-Policy": f"{policy}; frame-ancestors {framed_by}",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return Response(text, 200, headers, "text/html")


@cache
def _document() -> tuple[str, str]:
    style, script = ((_FOLDER / name).read_text() for name in ("page.css", "page.js"))
    document = (_FOLDER / "page.html").read_text().replace("{{style}}", style).replace("{{script}}", script)
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )
    return document, policy


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
