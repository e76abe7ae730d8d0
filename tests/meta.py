"""Two businesses in the simulated WhatsApp, what their webhook was told, and how they send."""

from typing import Any

import aiohttp

from simulator import Number, WhatsAppSimulator
from simulator.whatsapp.people.acting import ANNA
from tests.hook import Hook

ACME = Number()
GLOBEX = Number("globex", "Globex", "206500000000002", "15550000002", "202290129340398", "EAAG-globex", "globex")


def values(hook: Hook) -> list[dict[str, Any]]:
    return [change["value"] for body in hook.bodies for entry in body["entry"] for change in entry["changes"]]


def messages(hook: Hook) -> list[dict[str, Any]]:
    return [message for value in values(hook) for message in value.get("messages", ())]


def statuses(hook: Hook) -> list[dict[str, Any]]:
    return [status for value in values(hook) for status in value.get("statuses", ())]


async def send(whatsapp: WhatsAppSimulator, number: Number = ACME, **body: Any) -> dict[str, Any]:
    whole = {"messaging_product": "whatsapp", "to": ANNA, "type": "text", "text": {"body": "x"}, **body}
    url, headers = (
        f"{whatsapp.url}{number.phone_number_id}/messages",
        {"Authorization": f"Bearer {number.access_token}"},
    )
    async with aiohttp.ClientSession() as session, session.post(url, json=whole, headers=headers) as answer:
        sent = dict(await answer.json())
    await whatsapp.settle()
    return sent
