"""Meta's error codes and what each means for a reply: https://developers.facebook.com/docs/whatsapp (error codes)."""

from dataclasses import dataclass
from typing import Any, Literal

import orjson

from konstruct.channels.whatsapp.fields import detail, mapping
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused, KonstructError

# busy: nothing was sent, send later. never: this message to this person. reconnect: nothing at all goes until an
# operator acts, and replies wait for that. wait: a day must pass, and by then the answer is stale: as never. closed:
# only a template would go.
Fate = Literal["busy", "never", "reconnect", "wait", "closed"]
# What it is about: this recipient, everything the number sends, or only what goes as this template.
Scope = Literal["recipient", "number", "template"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a message, and why, for the operator."""

    fate: Fate
    sentence: str
    scope: Scope = "recipient"


_RECONNECT = "connect the number again with a new access token in the tenant file"
_PERMISSION = Verdict("reconnect", f"The access token lacks a permission; {_RECONNECT}.")
_TOKEN = Verdict("reconnect", f"The access token is not valid any more; {_RECONNECT}.")
_TEMPLATE = "ask for it to be approved again, or name another template in the tenant file"

VERDICTS: dict[int, Verdict] = {
    2: Verdict("busy", "Meta's API is down for a while.", "number"),
    4: Verdict("busy", "The app's rate limit is reached.", "number"),
    80007: Verdict("busy", "The account's rate limit is reached.", "number"),
    130429: Verdict("busy", "The number's throughput is reached.", "number"),
    131056: Verdict("busy", "Too many messages to this contact in a short time."),
    131016: Verdict("busy", "Meta's messaging is overloaded.", "number"),
    131000: Verdict("busy", "Meta could not send the message, without saying why."),
    131057: Verdict("busy", "The account is in maintenance.", "number"),
    133016: Verdict("busy", "The number was registered too often; Meta asks to wait.", "number"),
    131026: Verdict("never", "The contact cannot be reached: no WhatsApp, an old version, or terms not accepted."),
    131021: Verdict("never", "The contact is the business number itself."),
    131047: Verdict("closed", "The contact last wrote more than 24 hours ago, so only a template may be sent."),
    131050: Verdict("never", "The contact has opted out of such messages."),
    131051: Verdict("never", "WhatsApp does not take this type of message."),
    131052: Verdict("never", "WhatsApp could not fetch the file."),
    131053: Verdict("never", "WhatsApp could not take the file."),
    131062: Verdict("never", "This message needs a phone number, and the contact shows only a user id."),
    130472: Verdict("never", "The contact is part of an experiment of Meta's and gets no such message."),
    131049: Verdict("wait", "Meta holds this message back to keep the number healthy; wait at least 24 hours."),
    0: _TOKEN,
    190: _TOKEN,
    10: _PERMISSION,
    131005: _PERMISSION,
    3: _PERMISSION,
    368: Verdict("reconnect", "The account is blocked for a policy violation; appeal in Meta's Business Manager."),
    131031: Verdict("reconnect", "The account is locked; see Meta's Business Manager, then connect it again."),
    131042: Verdict("reconnect", "Meta cannot charge the account; add a valid way of payment in Business Manager."),
    131048: Verdict("reconnect", "Too many people reported the number as spam; see its quality in Business Manager."),
    131045: Verdict("reconnect", "The phone number is not registered; register it, then connect it again."),
    133010: Verdict("reconnect", "The phone number is not registered; register it, then connect it again."),
    132000: Verdict("never", "The template wants another number of parameters; see `template` in the tenant file."),
    132001: Verdict("never", "There is no such template in that language; see `template` in the tenant file."),
    132005: Verdict("never", "The template filled in is too long."),
    132015: Verdict("reconnect", f"The template is paused for its low quality; {_TEMPLATE}.", "template"),
    132016: Verdict("reconnect", f"The template is disabled for its low quality; {_TEMPLATE}.", "template"),
}
_PERMISSION_CODES = range(200, 300)
_TOO_MANY_REQUESTS = 429
_UNAUTHORISED = 401
_SERVER_ERROR = 500


def verdict(code: int) -> Verdict | None:
    """What the table says about a code."""
    return _PERMISSION if code in _PERMISSION_CODES else VERDICTS.get(code)


def answered(status: int, body: bytes) -> dict[str, Any]:
    """Meta's answer if it is one of success; else raises Refusal, or ChannelOutcomeUnknown where it tells nothing."""
    try:
        answer = mapping(orjson.loads(body))
    except ValueError:
        answer = {}
    error = mapping(answer.get("error"))
    if status < 300 and answer and not error:
        return answer
    code = error.get("code")
    known = verdict(code) if isinstance(code, int) else None
    if known is None:
        known = _by_status(status, code)
    if known is None:
        raise ChannelOutcomeUnknown(f"WhatsApp answered with status {status} and nothing to go by.")
    told = detail(mapping(error.get("error_data")).get("details")) or detail(error.get("message"))
    raise Refusal(known, code if isinstance(code, int) else -1, told)


def _by_status(status: int, code: Any) -> Verdict | None:
    if status == _TOO_MANY_REQUESTS:
        return Verdict("busy", "WhatsApp asks to slow down.", "number")
    if status == _UNAUTHORISED:
        return _TOKEN
    if status < 300 or status >= _SERVER_ERROR:
        return None
    if code is None:
        # Not Meta's words: somebody between us and Meta refused, and nothing was sent.
        return Verdict("busy", f"The way to WhatsApp is blocked: status {status} without Meta's explanation.", "number")
    return Verdict("never", "WhatsApp refused the message.")


class Refusal(Exception):
    """Meta said no; what follows from that depends on what was asked."""

    def __init__(self, ruling: Verdict, code: int, told: str) -> None:
        """`told`: Meta's own words."""
        super().__init__(ruling.sentence)
        self.verdict = ruling
        self.code = code
        self.told = told

    def as_error(self, retry_after: float) -> KonstructError:
        """In the words that all channels share."""
        if self.verdict.fate == "busy":
            return ChannelBusy(retry_after, str(self))
        refused = ChannelRefused(f"{self} (WhatsApp error {self.code}: {self.told or 'no details'})")
        refused.disconnected = self.verdict.fate == "reconnect" and self.verdict.scope != "template"
        return refused
