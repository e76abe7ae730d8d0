"""What a new user does: up, chat, apply, look."""

import asyncio
import json
import time

import aiohttp

from deployments.installation.layout import Layout
from konstruct.prompt import APOLOGY
from simulator import SlackSimulator, WhatsAppSimulator
from tests.acceptance.conftest import GLOBEX, Installation
from tests.stub_model import StubModel


async def test_the_shipped_model_answers_over_the_real_path(installation: Installation, slack: SlackSimulator) -> None:
    said = await asyncio.to_thread(installation.konstruct, "chat", "--once", "What is the capital of France?")
    answer = " ".join(said.stdout.split())
    assert answer
    assert APOLOGY not in answer
    assert any(entry.kind == "message" and entry.by_app for entry in slack.log)


async def test_an_applied_tenant_with_a_hosted_model_answers(
    installation: Installation, slack: SlackSimulator, model: StubModel
) -> None:
    again = installation.konstruct("apply", "-f", str(installation.home / "globex.yaml"))
    assert "already" in again.stdout or "unchanged" in again.stdout or "nothing" in again.stdout.lower()
    await slack.say("hello", team=GLOBEX.team)
    answer = await slack.expect(lambda entry: entry.kind == "message" and bool(entry.by_app), seconds=60)
    assert answer.text == "You said: hello"
    assert model.headers[-1]["Authorization"] == "Bearer sk-planted-model-key"


async def test_a_whatsapp_message_is_answered_over_the_real_path(
    installation: Installation, whatsapp: WhatsAppSimulator, model: StubModel
) -> None:
    assert (await whatsapp.admin.verify_webhook(challenge="4711"))["answer"] == "4711"
    assert (await whatsapp.admin.verify_webhook(token="guessed"))["status"] == 403
    said = await whatsapp.say("hello")
    assert said.status == 200
    answer = await whatsapp.expect(lambda entry: entry.kind == "message" and entry.by_app, seconds=60)
    assert (answer.text, answer.channel) == ("You said: hello", said.channel)
    assert answer.client_msg_id is not None
    await whatsapp.settle()
    assert [delivery.acknowledged for delivery in whatsapp.deliveries] == [True] * 4


async def test_health_and_readiness_are_told(installation: Installation) -> None:
    report = await installation.ready()
    assert report["ready"]
    assert all(check["ok"] for check in report["checks"].values()), report
    assert [host["host"] for host in sorted(report["hosts"], key=lambda host: host["host"])] == [0, 1]


async def test_status_and_doctor_find_nothing_to_mend(installation: Installation) -> None:
    status = installation.konstruct("status").stdout
    assert "acme" in status
    assert "globex" in status
    doctor = installation.konstruct("doctor", check=False)
    assert doctor.returncode == 0, doctor.stdout


async def test_our_metrics_are_on_rays_prometheus_endpoint(installation: Installation, slack: SlackSimulator) -> None:
    discovery = Layout(installation.home).ray / "prom_metrics_service_discovery.json"
    wanted = {
        "ray_konstruct_ack_seconds_bucket_total",
        "ray_konstruct_ack_seconds_sum_total",
        "ray_konstruct_turn_seconds_count_total",
        "konstruct_active_conversations",
        "konstruct_inbox_waiting",
    }
    deadline = time.monotonic() + 40
    text = ""
    while time.monotonic() < deadline and not all(name in text for name in wanted):
        await asyncio.sleep(2)
        text = await _scrape(discovery.read_text())
    assert [name for name in wanted if name not in text] == []


async def _scrape(discovery: str) -> str:
    text = ""
    async with aiohttp.ClientSession() as session:
        for address in json.loads(discovery)[0]["targets"]:
            async with session.get(f"http://{address}/metrics") as answer:
                text += await answer.text()
    return text


async def test_no_tenant_sees_another_on_the_running_system(installation: Installation) -> None:
    checked = await asyncio.to_thread(installation.konstruct, "isolation-check", "--json", check=False)
    trials = json.loads(checked.stdout)
    assert [trial["hole"] for trial in trials if trial["hole"]] == []
    assert checked.returncode == 0
    assert {"catalogue", "table", "query", "sequence", "chat", "door", "cache", "actor", "log", "erasure"} <= {
        trial["area"] for trial in trials
    }
    assert "canary" not in installation.konstruct("status").stdout
