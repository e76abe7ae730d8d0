"""Whatever a batch that Meta signed holds, it is answered 200 and handled or kept: never 500, never 503."""

import io
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from simulator.whatsapp.notifier import signed
from tests.mutation import mutated, objects
from tests.whatsapp_rig import ACME, WhatsAppRig, whatsapp_rig

PAYLOADS = [json.loads(path.read_text()) for path in
            sorted((Path(__file__).parents[1] / "payloads" / "whatsapp").glob("*.json"))]  # fmt: skip


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp_rig(database_url, tmp_path) as whole:
        whole.rig.deaf = True
        yield whole


def body_of(payload: Any, n: int) -> bytes:
    """The payload with message ids of its own, so that it is nothing that was heard before."""
    return json.dumps(payload).replace("wamid.", f"wamid.{n}.").encode()


async def refused(k: WhatsAppRig, bodies: list[bytes]) -> list[tuple[int, bytes]]:
    """What is not answered with 200."""
    found = []
    async with aiohttp.ClientSession() as session:
        for body in bodies:
            headers = signed(ACME.app_secret, body)
            async with session.post(f"{k.rig.url}/whatsapp/webhook", data=io.BytesIO(body), headers=headers) as answer:
                if answer.status != 200:
                    found.append((answer.status, body[:300]))
    return found


async def test_every_payload_with_anything_in_it_replaced_is_acknowledged(k: WhatsAppRig) -> None:
    dice = random.Random(9)
    bodies = [body_of(mutated(payload, dice), n) for n, payload in enumerate(PAYLOADS * 12)]
    assert await refused(k, bodies) == []
    heard, kept = k.rows("select (select count(*) from inbox), (select count(*) from malformed_events)")[0]
    assert heard >= 300
    assert kept >= 100


async def test_every_payload_cut_anywhere_is_acknowledged_and_kept(k: WhatsAppRig) -> None:
    dice, bodies = random.Random(10), []
    for payload in PAYLOADS:
        whole = json.dumps(payload).encode()
        bodies += [whole[:cut] for cut in (0, 1, len(whole) - 1, *(dice.randrange(len(whole)) for _ in range(3)))]
    assert await refused(k, bodies) == []
    assert k.rows("select count(*) from malformed_events") == [(len(bodies),)]
    assert k.rows("select from inbox") == []


async def test_five_megabytes_of_text_are_cut_and_kept(k: WhatsAppRig) -> None:
    long = "x\0" + "y" * 5_000_000
    contents: list[dict[str, Any]] = [
        {"type": "text", "text": {"body": long}},
        {"type": "image", "image": {"id": "1", "mime_type": "image/png", "sha256": "x", "caption": long}},
        {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": long}},
    ]
    bodies = []
    for n, content in enumerate(contents):
        metadata = {"display_phone_number": ACME.display_phone_number, "phone_number_id": ACME.phone_number_id}
        message = {"from": "491", "id": f"wamid.{n}", "timestamp": "1793000000", **content}
        value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": [message]}
        entry = {"id": "waba", "changes": [{"field": "messages", "value": value}]}
        bodies.append(json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())
    assert await refused(k, bodies) == []
    lengths = [length for (length,) in k.rows("select length(body ->> 'text') from inbox")]
    assert len(lengths) == 3
    assert max(lengths) <= 40_000


async def test_the_businesss_own_number_is_nobodys_contact_in_any_payload(k: WhatsAppRig) -> None:
    bodies = []
    for payload in PAYLOADS:
        told = json.loads(json.dumps(payload))
        for value in objects(told):
            if "metadata" in value and isinstance(value.get("messages"), list):
                for message in objects(value["messages"]):
                    message["from"] = ACME.display_phone_number
        bodies.append(body_of(told, len(bodies)))
    assert await refused(k, bodies) == []
    echoes = "body ->> 'kind' = 'operator'"
    assert k.rows(f"select count(*) > 0 from inbox where {echoes}") == [(True,)]
    assert k.rows(f"select body from inbox where not {echoes}") == []
