"""The doors of the installation, knocked at with what belongs to another tenant, and with nothing."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp

from deployments.isolation.bird import Bird
from deployments.isolation.trial import Trial

MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that must be refused."""

    tried: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def path(self) -> str:
        """Without the machine."""
        return "/" + self.url.split("/", 3)[3]


def attempts(url: str, foreign: Bird, mine: Bird) -> list[Attempt]:
    """Everything that `mine` and nobody try on what is the other's."""
    chat, posted = f"{url}/web/{foreign.name}/events", f"{url}/web/{foreign.name}/messages"
    admin, slack = f"{url}/admin/v1/tenants/{foreign.name}", f"{url}/slack/events"
    message = json.dumps({"id": str(uuid4()), "text": "let me in"}).encode()
    event = _event(foreign)
    forged, own = _bearer(mine.token(foreign.name)), _bearer(mine.token(mine.name))
    return [
        Attempt("read the chat, as nobody", chat),
        Attempt("read the chat, with a token that another tenant signed", chat, forged),
        Attempt("read the chat, with another tenant's own token", chat, own),
        Attempt("write into the chat, as nobody", posted, {}, message),
        Attempt("write into the chat, with a token that another tenant signed", posted, forged, message),
        Attempt("send a Slack event, as nobody", slack, {}, event),
        Attempt("send a Slack event, signed with another tenant's secret", slack, _signed(mine.secret, event), event),
        Attempt("send a WhatsApp batch, as nobody", f"{url}/whatsapp/webhook", {}, b"{}"),
        Attempt("read the tenant, as nobody", admin),
        Attempt("read the tenant, with another tenant's web token", admin, own),
        Attempt("list the models, as nobody", f"{url}/models/v1/models"),
    ]


async def knock(session: aiohttp.ClientSession, attempt: Attempt, foreign: Bird) -> Trial:
    """What the door says; anything but a refusal is a hole, and so are the other's words."""
    method = "POST" if attempt.body else "GET"
    try:
        async with session.request(method, attempt.url, data=attempt.body, headers=attempt.headers) as got:
            status, answered = got.status, (await got.content.read(MOST_BYTES)).decode(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        saw = f"not reached: {type(error).__name__}"
        return Trial("door", attempt.path, attempt.tried, saw, f"{attempt.path} could not be tried.")
    hole = ""
    if foreign.canary.is_in(answered):
        hole = f"{attempt.path} shows a tenant's words ({attempt.tried})."
    elif status < 400:
        hole = f"{attempt.path} answers {status} ({attempt.tried})."
    return Trial("door", attempt.path, attempt.tried, f"{status}, {len(answered)} bytes, none of the tenant's", hole)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _event(bird: Bird) -> bytes:
    said = {"type": "message", "channel_type": "im", "channel": "D1", "user": "U1", "text": "hi", "ts": "1.1"}
    ids = {"team_id": f"T{bird.mark}", "api_app_id": f"A{bird.mark}", "event_id": "Ev1"}
    return json.dumps({"type": "event_callback", "event": said} | ids).encode()


def _signed(secret: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"}
