"""The operators' API, as commands ask it: on this machine's port, or at PUBLIC_URL, with the installation's token."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from deployments.installation import running
from konstruct.errors import KonstructError, SettingsInvalid
from konstruct.settings import Settings

CALL_SECONDS = 30.0
# What runs here is reached directly.
_OPENER = build_opener(ProxyHandler({}))


class Refused(KonstructError):
    """The operators' API refused this."""


class ApiClient:
    """Asks the API of the installation that an environment means."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises SettingsInvalid if there is no token."""
        settings = Settings.from_environment(environment)
        if not settings.admin_token:
            raise SettingsInvalid("KONSTRUCT_ADMIN_TOKEN is not set; run `konstruct up`, which makes one.")
        here = running.recall(running.layout_of(environment))
        self._root = f"http://127.0.0.1:{here.http_port}" if here else settings.public_url.rstrip("/")
        self._token = settings.admin_token

    def ask(self, method: str, *path: str, body: object = None, **query: str) -> Any:
        """What the API answers; `path` in parts. Raises Refused with what the API says, or that nobody answers."""
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        url = f"{self._root}/admin/v1/{'/'.join(quote(part, safe='') for part in path)}{'?' if asked else ''}{asked}"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        try:
            request = Request(url, content, headers, method=method)  # noqa: S310 - our own address
            with _OPENER.open(request, timeout=CALL_SECONDS) as answer:
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            raise Refused(_detail(error)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise Refused(f"Konstruct does not answer at {self._root} ({error}); run `konstruct up`.") from error


def _detail(error: HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"The operators' API answered with status {error.code}."
