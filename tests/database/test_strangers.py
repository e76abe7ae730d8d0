"""What strangers can make us do: nothing is parsed, looked up or hashed for them that can be refused before."""

import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from deployments.doors import unproven
from konstruct import tenant_file
from konstruct.channels import slack, whatsapp
from konstruct.channels.slack.signature import REPLAY_WINDOW_SECONDS
from konstruct.database import tenants
from konstruct.vault import Vault
from simulator.slack.event import envelope, new_event_id, signed
from simulator.whatsapp.notifier import signed as signed_by_meta
from tests.rig import APP, TENANT, Rig, apply, rig
from tests.whatsapp_rig import ACME, GLOBEX, WhatsAppRig, whatsapp_rig

CHALLENGE = json.dumps({"type": "url_verification", "token": "x", "challenge": "c"}).encode()
FORGED = replace(APP, signing_secret="somebody-elses")
Parsed = Callable[[], int]


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path, hosts=0) as whole:
        yield whole


@pytest_asyncio.fixture
async def w(database_url: str, tmp_path: Path) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp_rig(database_url, tmp_path) as whole:
        yield whole


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    """How many bodies were parsed."""
    bodies: list[bytes] = []

    def counted(parse: Callable[[bytes], object], body: bytes) -> object:
        bodies.append(body)
        return parse(body)

    for module, name in ((slack, "parse"), (slack, "interaction"), (slack, "command"), (whatsapp, "parse")):
        monkeypatch.setattr(module, name, partial(counted, getattr(module, name)))
    return lambda: len(bodies)


async def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_slacks_check_of_the_url_is_answered_however_many_apps_there_are(k: Rig, database_url: str) -> None:
    for number in range(60):
        app = replace(APP, team=f"T{number}", app=f"A9{number:03}", signing_secret=f"secret-of-app-{number}")
        await apply(k, f"tenant{number}", app)
    answers = [
        await post(f"{k.url}/slack/events", body, signed(replace(APP, signing_secret=f"secret-of-app-{number}"), body))
        for number in (0, 49, 50, 59)
        for body in (CHALLENGE, b"not json")
    ]
    assert set(answers) == {200}
    with psycopg.connect(database_url) as owner:
        assert owner.execute("select count(*) from malformed_events").fetchone() == (4,)
    assert await post(f"{k.url}/slack/events", CHALLENGE, signed(FORGED, CHALLENGE)) == 401


@pytest.mark.parametrize("door", ["events", "interactivity", "commands"])
async def test_slacks_doors_parse_nothing_that_no_secret_of_ours_can_have_signed(
    k: Rig, parsed: Parsed, door: str
) -> None:
    small, big = CHALLENGE + b" " * 3000, CHALLENGE + b" " * unproven.BIG_BYTES
    stale = signed(APP, small) | {"X-Slack-Request-Timestamp": "1793000000"}
    for headers in ({}, stale, signed(APP, small) | {"X-Slack-Signature": "v0=00"}):
        assert await post(f"{k.url}/slack/{door}", small, headers) == 401
    assert await post(f"{k.url}/slack/{door}", big, signed(FORGED, big)) == 401
    assert parsed() == 0
    assert await post(f"{k.url}/slack/{door}", big, signed(APP, big)) == 200
    assert parsed() == 1


@pytest.mark.parametrize("door", ["events", "interactivity", "commands"])
async def test_what_grows_old_only_while_it_is_looked_at_is_taken(
    k: Rig, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    times = itertools.count(time.time(), REPLAY_WINDOW_SECONDS * 2)
    monkeypatch.setattr("deployments.doors.slack.time", SimpleNamespace(time=lambda: next(times)))
    body = b"not json"
    assert await post(f"{k.url}/slack/{door}", body, signed(APP, body)) == 200


async def test_while_the_signing_secret_is_changed_both_are_believed(k: Rig) -> None:
    both = ["the-new-one", "the-old-one"]
    # Tenants whose files still name the old one alone share the app.
    for tenant, team in (("globex", "T00"), ("initech", "T99")):
        await apply(k, tenant, replace(APP, team=team, signing_secret=both[1]))
    entry = TENANT.format(tenant="acme", quiet=0, app=APP).replace(f'"{APP.signing_secret}"', str(both))
    await tenants.apply_tenant(k.database, tenant_file.parse(entry, {}), Vault(k.settings.master_keys))
    for secret, status in ((both[0], 200), (both[1], 200), (APP.signing_secret, 401)):
        app = replace(APP, signing_secret=secret)
        body = envelope(APP, {"type": "app_home_opened", "user": "U0ALICE", "channel": "D0ALICE"}, new_event_id())
        assert await post(f"{k.url}/slack/events", body, signed(app, body)) == status
        assert await post(f"{k.url}/slack/events", CHALLENGE, signed(app, CHALLENGE)) == status
        opened = {"type": "app_home_opened", "user": "U0", "channel": "D0"}
        elsewhere = envelope(replace(APP, team="T0NEW"), opened, new_event_id())
        assert await post(f"{k.url}/slack/events", elsewhere, signed(app, elsewhere)) == status


async def test_metas_door_parses_nothing_that_no_secret_of_ours_can_have_signed(w: WhatsAppRig, parsed: Parsed) -> None:
    url, big = f"{w.rig.url}/whatsapp/webhook", b"{}" + b" " * unproven.BIG_BYTES
    for headers in ({}, {"X-Hub-Signature-256": "sha256=00"}, signed_by_meta("somebody-elses", big)):
        assert await post(url, big, headers) == 401
    assert parsed() == 0
    assert await post(url, big, signed_by_meta(ACME.app_secret, big)) == 200
    assert parsed() == 1


async def test_no_more_of_a_strangers_body_is_looked_at_than_is_parsed_of_one(
    w: WhatsAppRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def glimpse(body: bytes, most: int) -> list[str]:
        looked.append(len(body))
        return []

    monkeypatch.setattr(whatsapp, "glimpse", glimpse)
    big = b"{}" + b" " * unproven.BIG_BYTES * 3
    assert await post(f"{w.rig.url}/whatsapp/webhook", big, signed_by_meta("somebody-elses", big)) == 401
    assert looked == [unproven.BIG_BYTES]


async def test_where_there_is_no_time_to_try_every_secret_meta_is_asked_again_and_known_numbers_are_heard(
    w: WhatsAppRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify, quick = whatsapp.verify, ""

    def slow(body: bytes, signature: bytes, secrets: Iterable[str]) -> str:
        return verify(body, signature, (secret for secret in secrets if secret == quick or not time.sleep(3)))

    monkeypatch.setattr(whatsapp, "verify", slow)
    url = f"{w.rig.url}/whatsapp/webhook"
    for number in (ACME, GLOBEX):
        quick = number.app_secret
        said = {"from": "49", "id": "wamid.1", "type": "text", "text": {"body": "x" * unproven.BIG_BYTES}}
        value = {"metadata": {"phone_number_id": number.phone_number_id}, "messages": [said]}
        entry = {"id": "waba", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry] * 3}).encode()
        assert await post(url, body, signed_by_meta(number.app_secret, body)) == 200
    unnamed = b"{}" + b" " * unproven.BIG_BYTES * 3
    assert await post(url, unnamed, signed_by_meta("somebody-elses", unnamed)) == 503


async def test_an_app_that_is_not_ours_is_looked_up_without_everybodys_secrets(k: Rig, database_url: str) -> None:
    await apply(k, "globex", replace(APP, team="T0GLOBEX", app="A0GLOBEX", signing_secret="another-one"))
    with psycopg.connect(database_url) as owner:
        for app, team, found in (("", "", 2), ("A0EVIL", "T0", 0), ("", "T0EVIL", 0), ("A0ACME", "T0", 1)):
            rows = owner.execute("select * from find_channels('slack', %s, %s)", [app, team]).fetchall()
            assert len(rows) == found, app
