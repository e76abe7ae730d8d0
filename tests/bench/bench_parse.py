"""What verifying and parsing a webhook costs on one core, before anything is stored."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

from konstruct.channels import slack, whatsapp
from tests.bench.asked import Asked
from tests.bench.figure import Figure, at_most
from tests.bench.percentile import median

PAYLOADS = Path(__file__).parents[1] / "payloads"
SECRET = "0123456789abcdef0123456789abcdef"
BATCH_MESSAGES = 10


async def measure(asked: Asked) -> list[Figure]:
    """Medians of several rounds of many calls each."""
    calls = int(asked.scaled(2_000, 200))
    return [
        _figure("verify and parse a Slack event", _slack(), calls, asked.rounds, 150),
        _figure(f"verify and parse {BATCH_MESSAGES} WhatsApp messages", _whatsapp(), calls, asked.rounds, 500),
    ]


def _figure(name: str, call: Callable[[], object], calls: int, rounds: int, limit: float) -> Figure:
    call()
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(calls):
            call()
        seconds.append((time.process_time() - begun) / calls)
    return Figure(name, median(seconds) * 1e6, "µs", goal=at_most(limit))


def _slack() -> Callable[[], object]:
    body = (PAYLOADS / "slack" / "message__im.json").read_bytes()
    stamp = str(int(time.time()))
    signature = "v0=" + _signed(f"v0:{stamp}:".encode() + body)

    def call() -> object:
        slack.verify(body, slack.check_form(stamp, signature, float(stamp)), [SECRET])
        return slack.parse(body)

    return call


def _whatsapp() -> Callable[[], object]:
    whole = json.loads((PAYLOADS / "whatsapp" / "text__plain.json").read_text())
    value = whole["entry"][0]["changes"][0]["value"]
    value["messages"] = [value["messages"][0] | {"id": f"wamid.{n}"} for n in range(BATCH_MESSAGES)]
    body = json.dumps(whole).encode()
    signature = "sha256=" + _signed(body)

    def call() -> object:
        whatsapp.verify(body, whatsapp.check_form(signature), [SECRET])
        records = whatsapp.parse(body)
        assert len(records) == BATCH_MESSAGES
        return records

    return call


def _signed(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
