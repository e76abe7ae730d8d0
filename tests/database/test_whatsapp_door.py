"""WhatsApp's door: whose batch it is, what of it is kept, and that nothing is acknowledged that is not stored."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from konstruct.database import amendments
from konstruct.errors import Unstorable
from simulator import Number
from simulator.whatsapp.notifier import signed
from simulator.whatsapp.people.acting import ANNA
from tests.whatsapp_rig import ACME, GLOBEX, WhatsAppRig, whatsapp_rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp_rig(database_url, tmp_path) as whole:
        yield whole


def batch(*messages: dict[str, Any], number: str = ACME.phone_number_id, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "1", "phone_number_id": number}
    told = {"messaging_product": "whatsapp", "metadata": metadata, **({"messages": messages} if messages else {})}
    return {"id": "waba", "changes": [{"field": "messages", "value": told | value}]}


def text(body: str, n: int = 1, sender: str = ANNA) -> dict[str, Any]:
    return {"from": sender, "id": f"wamid.{n}", "timestamp": "1793000000", "type": "text", "text": {"body": body}}


def whole(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def pieces(people: list[str], begin: int) -> list[dict[str, Any]]:
    """Five messages of each person, a second apart, everybody's first before anybody's second."""
    said = [(n, person) for n in range(5) for person in people]
    return [text(f"{n}", place, person) | {"timestamp": str(begin + n)} for place, (n, person) in enumerate(said)]


async def post(k: WhatsAppRig, body: bytes, secret: str = ACME.app_secret) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{k.rig.url}/whatsapp/webhook", data=body, headers=signed(secret, body)) as answer,
    ):
        return answer.status


async def test_a_message_delivered_many_times_at_once_is_answered_once(k: WhatsAppRig) -> None:
    statuses = await asyncio.gather(*(post(k, whole(batch(text("hello")))) for _ in range(50)))
    assert set(statuses) == {200}
    await k.becomes("select count(*), min(state) from inbox", [(1, "answered")])
    await asyncio.sleep(0.3)
    assert k.rig.model.calls == 1
    assert await post(k, whole(batch(text("hello")))) == 200
    assert k.rows("select count(*) from inbox") == [(1,)]


async def test_a_mixed_batch_is_stored_whole_and_its_broken_part_kept(k: WhatsAppRig) -> None:
    body = whole(
        batch(text("one", 1, "491"), {"id": "wamid.x", "type": "text"}, text("two", 2, "492")),
        batch(statuses=[{"id": "wamid.unknown", "status": "read", "timestamp": "1"}]),
        batch(text("three", 3, "491")),
    )
    assert await post(k, body) == 200
    assert k.rows("select count(*) from inbox") == [(3,)]
    assert k.rows("select count(*) from malformed_events") == [(1,)]
    await k.becomes("select count(*) from conversations", [(2,)])


async def test_of_a_batch_with_a_status_that_postgresql_refuses_only_the_status_is_kept_aside(
    k: WhatsAppRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise Unstorable

    monkeypatch.setattr(amendments, "record", refuse)
    read = {"id": "wamid.sent", "status": "read", "timestamp": "1793000000"}
    assert await post(k, whole(batch(text("a secret"), statuses=[read]))) == 200
    assert k.rows("select count(*) from inbox") == [(1,)]
    [(kept,)] = k.rows("select convert_from(body, 'UTF8') from malformed_events")
    assert "wamid.sent" in kept
    assert "a secret" not in kept


async def test_a_batch_of_two_tenants_reaches_only_whose_secret_signed_it(k: WhatsAppRig) -> None:
    mixed = whole(batch(text("for acme", 1)), batch(text("for globex", 2), number=GLOBEX.phone_number_id))
    assert await post(k, mixed, GLOBEX.app_secret) == 200
    assert k.rows("select t.name, i.event from inbox i join tenants t on t.id = i.tenant_id") == [("globex", "wamid.2")]
    assert await post(k, mixed, ACME.app_secret) == 200
    assert len(k.rows("select from inbox")) == 2


async def test_while_the_app_secret_is_changed_both_are_believed(k: WhatsAppRig) -> None:
    await k.apply(replace(ACME, app_secret="[the-new-one, the-old-one]"))
    for n, secret in enumerate(("the-new-one", "the-old-one")):
        # Also what names no number, and what is large.
        for body in (whole(batch(text("hello", n))), b"not json", whole(batch(text("x" * 300_000, 10 + n)))):
            assert await post(k, body, secret) == 200
    assert k.rows("select count(*) from inbox") == [(4,)]
    assert await post(k, whole(batch(text("hello", 3)))) == 401


async def test_a_batch_of_two_tenants_of_one_app_reaches_both(k: WhatsAppRig) -> None:
    await k.apply(replace(GLOBEX, app_secret=ACME.app_secret))
    await asyncio.sleep(0)
    mixed = whole(batch(text("for acme", 1)), batch(text("for globex", 2), number=GLOBEX.phone_number_id))
    assert await post(k, mixed) == 200
    assert k.rows("select count(distinct tenant_id), count(*) from inbox") == [(2, 2)]


@pytest.mark.parametrize("number", [ACME.phone_number_id, "999"])
async def test_what_nobodys_secret_signed_is_rejected(k: WhatsAppRig, number: str) -> None:
    assert await post(k, whole(batch(text("x"), number=number)), "another-secret") == 401
    assert await post(k, b"not json", "another-secret") == 401
    assert k.rows("select from inbox") == []
    assert k.rows("select from malformed_events") == []


async def test_what_is_signed_but_not_ours_or_not_readable_is_no_reason_to_repeat_it(k: WhatsAppRig) -> None:
    assert await post(k, whole(batch(text("x"), number="999"))) == 200
    assert await post(k, b"not json") == 200
    assert (await k.whatsapp.admin.update_account("ACCOUNT_RESTRICTION")).status == 200
    assert k.rows("select from inbox") == []
    assert k.rows("select reason from malformed_events") == [("the body is not JSON",)]


async def test_what_is_not_readable_is_kept_for_eight_days(k: WhatsAppRig) -> None:
    assert await post(k, whole(batch({"from": "491", "text": {"body": "my iban"}}))) == 200
    assert k.rows("select count(*) from malformed_events where convert_from(body, 'UTF8') like '%my iban%'") == [(1,)]
    [host] = [parts.host for parts in k.rig.hosts]
    for age, kept in (("7 days", 1), ("8 days", 0)):
        k.rows(f"update malformed_events set received_at = now() - interval '{age}' returning 1")
        await host.tidy()
        assert k.rows("select count(*) from malformed_events") == [(kept,)]


async def test_a_shuffled_batch_that_comes_again_shuffled_anew_is_heard_once_and_in_order(k: WhatsAppRig) -> None:
    people, dice = [f"4915100000{n:02}" for n in range(4)], random.Random(3)
    said = pieces(people, int(time.time()) - 100)
    for n in range(3):
        bodies = dice.sample(said, len(said))
        entries = [batch(*bodies[:7], number=ACME.phone_number_id), batch(*bodies[7:])]
        assert await post(k, whole(*entries)) == 200, n
    await k.becomes("select state, count(*) from inbox group by 1", [("answered", 20)])
    heard = k.rows(
        "select c.external_id, string_agg(m.text, '' order by m.id) from messages m"
        " join contacts c on c.id = m.contact_id where m.role = 'contact' group by 1 order by 1"
    )
    assert heard == [(person, "01234") for person in people]


async def test_what_is_taken_back_in_the_second_in_which_it_was_said_is_not_answered(k: WhatsAppRig) -> None:
    revoke = {"type": "revoke", "revoke": {"original_message_id": "wamid.1"}}
    assert await post(k, whole(batch(text("x", 2) | revoke, text("my password is hunter2", 1)))) == 200
    await k.becomes("select count(*) from inbox where state = 'waiting'", [(0,)])
    await asyncio.sleep(0.3)
    assert "hunter2" not in str(k.rig.model.requests)
    assert k.rows("select from messages") == []


async def test_a_batch_of_very_many_numbers_is_believed_only_if_it_is_signed(k: WhatsAppRig) -> None:
    entries = [batch(text("hello", n), number=str(5000 + n)) for n in range(200)]
    body = whole(*entries, batch(text("for globex", 900), number=GLOBEX.phone_number_id))
    assert await post(k, body, "another-secret") == 401
    assert await post(k, body, GLOBEX.app_secret) == 200
    assert k.rows("select t.name, i.event from inbox i join tenants t on t.id = i.tenant_id") == [
        ("globex", "wamid.900")
    ]


async def test_news_of_an_account_is_believed_whichever_of_many_apps_signed_it(k: WhatsAppRig) -> None:
    for n in range(60):
        number = Number(
            f"t{n:02}",
            f"T{n}",
            f"20{n:02}",
            f"15560000{n:02}",
            "2022",
            f"EAAG-{n}",
            f"app-secret-{n}",
            f"verify-token-{n}",
        )
        await k.apply(number)
    news = {"field": "account_update", "value": {"event": "ACCOUNT_RESTRICTION"}}
    body = whole({"id": "waba", "changes": [news]})
    answers = [await post(k, body, f"app-secret-{n}") for n in range(60)]
    assert answers == [200] * 60
    assert await post(k, body, "another-secret") == 401


async def test_what_the_business_itself_said_is_no_contacts_message(k: WhatsAppRig) -> None:
    own = {"metadata": {"display_phone_number": "+1 555-000-0009", "phone_number_id": ACME.phone_number_id}}
    assert await post(k, whole(batch(text("an echo", 1, "15550000009"), text("hello", 2), **own))) == 200
    assert k.rows("select event from inbox") == [("wamid.2",)]


async def test_metas_check_of_the_url_is_passed_with_the_verify_token_only(k: WhatsAppRig) -> None:
    passed = await k.whatsapp.admin.verify_webhook()
    assert (passed["status"], passed["answer"]) == (200, passed["challenge"])
    for token in ("", "wrong", ACME.app_secret):
        refused = await k.whatsapp.admin.verify_webhook(token=token)
        assert refused["status"] == 403
        assert refused["challenge"] not in refused["answer"]
    async with aiohttp.ClientSession() as session, session.get(f"{k.rig.url}/whatsapp/webhook") as answer:
        assert answer.status == 403


async def test_everything_that_meta_documents_is_acknowledged(k: WhatsAppRig) -> None:
    payloads = sorted((Path(__file__).parents[1] / "payloads" / "whatsapp").glob("*.json"))
    assert len(payloads) > 80
    for path in payloads:
        assert await post(k, path.read_bytes()) == 200, path.stem
    assert k.rows("select count(*) > 20 from malformed_events") == [(True,)]


HOSTILE: list[dict[str, Any]] = [
    {"text": {"body": "a\0b\ud800"}}, {"text": {"body": "' or 1=1 --"}}, {"text": {"body": "x" * 100_000}},
    {"id": "w" * 5000}, {"id": "a\0b"}, {"from": "4" * 300}, {"from": "\ud800"}, {"from_user_id": "DE.\0"},
    {"timestamp": "9" * 400}, {"timestamp": -1}, {"timestamp": "99999999999"}, {"type": "reaction", "reaction": []},
    {"type": "image", "image": {"id": "../../me", "sha256": "\0", "file_size": -5}},
    {"type": "edit", "edit": {"original_message_id": "\0", "message": {"type": "text", "text": {"body": "\0"}}}},
    {"context": {"id": "\0"}}, {"context": {"id": ["x"]}},
    {"type": "system", "system": {"type": "user_changed_number"}},
    {"type": "system", "system": {"type": "user_changed_number", "wa_id": "49\0", "user_id": "\ud800" * 9}},
]  # fmt: skip


async def test_hostile_but_signed_messages_never_fail_the_request(k: WhatsAppRig) -> None:
    for n, changes in enumerate(HOSTILE):
        assert await post(k, whole(batch(text("hello", n) | changes), batch(text("good", 1000 + n)))) == 200, changes
    assert k.rows("select count(*) from inbox where event ~ '^wamid.10[0-9]{2}$'") == [(len(HOSTILE),)]
