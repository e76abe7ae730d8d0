"""Ray below the installation: whether nobody may ask it, and whether what it shows names a tenant."""

import json
from collections.abc import Iterable
from urllib.error import HTTPError, URLError
from urllib.request import Request

from deployments.installation.unproxied import OPENER
from deployments.isolation.trial import Trial

ADDRESSES = ("/api/v0/actors?limit=10000", "/api/serve/applications/", "/api/jobs/")


def examine(port: int, token: str, words: Iterable[str]) -> list[Trial]:
    """Ray's dashboard without its token; and with it, the names and states of all actors."""
    url = f"http://127.0.0.1:{port}"
    return [*(_as_nobody(url, path) for path in ADDRESSES), _actors(url, token, list(words))]


def _as_nobody(url: str, path: str) -> Trial:
    status, _ = _ask(url + path, "")
    hole = f"Ray answers {path} to anybody ({status}); set RAY_AUTH_MODE=token." if status < 400 else ""
    return Trial("actor", path, "asked of Ray as nobody", str(status), hole)


def _actors(url: str, token: str, words: list[str]) -> Trial:
    status, answered = _ask(url + ADDRESSES[0], token)
    if status >= 400:
        return Trial("actor", "names", "asked of Ray with its token", f"{status}: not tried")
    rows = json.loads(answered).get("data", {}).get("result", {}).get("result", [])
    named = [word for word in words if word in answered]
    hole = "Names or states of Ray's actors name tenants." if named else ""
    return Trial("actor", "names", "searched for tenants", f"{len(rows)} actors, {len(named)} with a tenant", hole)


def _ask(url: str, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with OPENER.open(Request(url, headers=headers), timeout=10) as answer:  # noqa: S310 - http on loopback
            return answer.status, answer.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, ""
    except (URLError, TimeoutError):
        return 599, ""
