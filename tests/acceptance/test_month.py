"""An operator's month, through the operators' API and the simulators only: from a new tenant to a forgotten person."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deployments.installation import running
from deployments.installation.layout import Layout
from konstruct.settings import Settings
from simulator import App, SlackSimulator, StripeSimulator
from tests.acceptance.conftest import CHECKOUT, Installation
from tests.billing import sdk
from tests.database.forgotten import dump
from tests.metering import EVENT_NAME, meter, prices
from tests.stub_model import StubModel

INITECH = App(
    tenant="initech", name="Mia", team="T0INITECH", app="A0INITECH", bot_user="U0MIA", bot="B0MIA",
    bot_token="xoxb-initech", signing_secret="initech-signing",
)  # fmt: skip
KEY = "sk-planted-initech-key-7781"
PETRA, DESK, OPERATORS = "U0PETRA", "D0PETRA", "C0OPS"
PHRASE = "marmot-called-wolpertinger"
ANSWER = "one two three four five six seven eight nine ten"
MANY_TURNS = 60
DAY = 86_400
# A thousandth of a dollar for each token of an answer, which has at most twenty.
MODEL = {"litellm": "openai/stub", "max_answer_tokens": 20, "price": {"input": "0", "output": "1000"}}
PLANS = """
plans:
  - {{name: month, monthly_fee_micros: 49000000, unit: micros, included: 50000, overage_micros: 1250000,
     overage_per: 1000000, event_name: {event_name}, fee_price: {fee}, usage_price: {usage}}}
"""


@dataclass
class Month:
    """An installation, its operator, and the world around it."""

    installation: Installation
    session: aiohttp.ClientSession
    slack: SlackSimulator
    stripe: StripeSimulator
    model: StubModel
    token: str

    async def ask(self, path: str, method: str = "GET", body: Any = None, status: int = 200) -> Any:
        """One request to the operators' API about initech."""
        url = f"{self.installation.url}/admin/v1/tenants/initech{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == status, (method, path, answer.status, text)
            return json.loads(text) if answer.content_type == "application/json" else text

    async def say(self, text: str) -> str:
        """What Petra is answered."""
        before = len(self.answers())
        await self.slack.say(text, channel=DESK, user=PETRA, team=INITECH.team)
        await until(lambda: len(self.answers()) > before)
        return self.answers()[-1]

    def answers(self, channel: str = DESK) -> list[str]:
        """What the employee said there."""
        there = self.slack.messages(channel, team=INITECH.team)
        return [message.text for message in there if message.user == INITECH.bot_user]


@asynccontextmanager
async def month(installation: Installation, model: StubModel) -> AsyncIterator[Month]:
    async with (
        SlackSimulator(
            [INITECH], port=installation.slack_port, webhook=f"{installation.url}/slack/events"
        ) as slack,
        StripeSimulator(port=installation.stripe_port, webhook=f"{installation.url}/stripe/webhook") as stripe,
        aiohttp.ClientSession() as session,
    ):  # fmt: skip
        token = (installation.home / "secrets" / "admin_token").read_text().strip()
        yield Month(installation, session, slack, stripe, model, token)


async def test_an_operators_month(installation: Installation, model: StubModel, tmp_path: Path) -> None:
    async with month(installation, model) as k:
        await bring_online(k)
        await spend(k)
        await subscribe(k, tmp_path)
        await have_the_bill_explained(k)
        await verify_the_audit(k, tmp_path)
        await forget_petra(k)


async def bring_online(k: Month) -> None:
    """A tenant, its channel, its own key: nothing of that is shown again."""
    employee = {"name": "Mia", "instructions": "You answer.", "model": "local/smollm2"}
    file = {"tenant": "initech", "employee": employee, "operators": {"slack_channel": OPERATORS}}
    assert (await k.ask("", "PUT", file))["changed"]
    # A price, and an address in this network, are for the installation's owner to give.
    await k.ask("/models/hosted", "PUT", MODEL | {"api_base": k.model.url, "api_key": KEY})
    k.token = (await k.ask("/tokens", "POST", {"name": "the operator", "role": "owner"}, 201))["token"]
    slack = {
        "team_id": INITECH.team, "app_id": INITECH.app, "bot_user_id": INITECH.bot_user,
        "bot_token": INITECH.bot_token, "signing_secret": INITECH.signing_secret,
    }  # fmt: skip
    await k.ask("/channels", "POST", {"slack": slack}, 201)
    mia = (await k.ask("/employees"))["items"][0]
    await k.ask(
        f"/employees/{mia['id']}", "PUT", {key: mia[key] for key in ("name", "instructions")} | {"model": "hosted"}
    )
    shown = json.dumps(await k.ask(""))
    assert "…7781" in shown or "7781" in shown
    assert KEY not in shown
    assert INITECH.bot_token not in shown


async def spend(k: Month) -> None:
    """Half the budget, four fifths of it, all of it: the operators are told each time, and Petra at the end."""
    k.model.reply = lambda _: ANSWER
    await k.ask("/budgets", "PUT", {"tenant": {"usd": "0.2"}, "message": "Mia has no budget left this month."})
    assert await k.say(f"Hello, here is my {PHRASE}.") == ANSWER
    assert k.model.headers[-1]["Authorization"] == f"Bearer {KEY}"
    for turn in range(MANY_TURNS):
        if await k.say(f"And then? {turn}") != ANSWER:
            break
    assert k.answers()[-1] == "Mia has no budget left this month."
    assert k.answers().count(k.answers()[-1]) == 1
    alerts = (await k.ask("/budgets/alerts"))["items"]
    assert sorted(alert["percent"] for alert in alerts if alert["unit"] == "micros") == [50, 80, 100]
    await until(lambda: len(k.answers(OPERATORS)) >= 3)
    spent = next(row for row in (await k.ask("/budgets"))["spending"] if row["scope"] == "tenant")
    used = await k.ask("/usage?by=model")
    assert spent["spent_micros"] == sum(row["cost_micros"] for row in used["items"]) <= 200_000
    assert spent["reserved_micros"] == 0


async def subscribe(k: Month, folder: Path) -> None:
    """A bigger budget, paid for on Stripe's own page."""
    client = sdk(k.stripe)
    fee, usage = await prices(client, await meter(client), 50_000, "0.000125")
    file = folder / "plans.yaml"
    file.write_text(PLANS.format(event_name=EVENT_NAME, fee=fee, usage=usage))
    await asyncio.to_thread(k.installation.konstruct, "bill", "plans", "-f", str(file))
    page = (await k.ask("/subscription/checkout", "POST", {"plan": "month"}, 201))["url"]
    async with k.session.get(page) as opened:
        assert opened.status == 200
    [session] = k.stripe.objects("checkout.session")
    k.stripe.admin.complete_checkout(session["id"])
    await k.stripe.settle()
    [subscription] = (await k.ask("/subscription"))["subscriptions"]
    assert (subscription["plan"], subscription["status"]) == ("month", "active")
    await k.ask("/budgets", "PUT", {"tenant": {"usd": "5"}})
    await asyncio.sleep(6)  # a host may go by what it read before, for five seconds
    for turn in range(10):
        assert await k.say(f"Once more: {turn}") == ANSWER


async def have_the_bill_explained(k: Month) -> None:
    """Stripe is told what was used since; its invoice adds up to the micro."""
    async with asyncio.timeout(120):
        # Usage becomes a movement, and a movement is told, some seconds after the answer.
        while (bill := await k.ask("/bill"))["movements"]["unsent"] or bill["movements"]["told"] < 10 * 10_000:
            await asyncio.sleep(1)
    assert bill["movements"]["told"] == 10 * 10_000
    assert bill["usage"]["over"] == 50_000
    k.stripe.clock.advance(32 * DAY)
    lines = [line for invoice in k.stripe.objects("invoice") for line in invoice["lines"]["data"]]
    usage = [line for line in lines if line["pricing"]["price_details"]["price"] == bill["plan"]["usage_price"]]
    [line] = [line for line in usage if line["amount"]]
    explained = await k.ask(f"/bill?invoice_line={line['id']}")
    assert explained["difference_micros"] == explained["difference_units"] == 0
    assert explained["usage"]["invoiced_micros"] == line["amount"] * 10_000


async def verify_the_audit(k: Month, folder: Path) -> None:
    """By us, and by somebody who has the export and the recipe only."""
    async with asyncio.timeout(90):
        while any(event["place"] is None for event in (await k.ask("/audit?limit=200"))["items"]):
            await asyncio.sleep(2)
    verified = await k.ask("/audit/verification")
    assert verified["findings"] == []
    assert verified["rows"] > 50
    actions = {event["action"] for event in (await k.ask("/audit?limit=200"))["items"]}
    assert {"model.called", "reply.sent", "key.used"} <= actions
    export = await k.ask("/audit/export")
    for planted in (KEY, INITECH.bot_token, PHRASE, PETRA, ANSWER):
        assert planted not in export
    recipe = (CHECKOUT / "docs" / "audit.md").read_text().split("```python\n")[1].split("```")[0]
    for name, text in (("verify.py", recipe), ("good.jsonl", export), ("bad.jsonl", export.replace("hosted", "cheap"))):
        (folder / name).write_text(text)

    def run(file: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "verify.py", file, *verified["public_keys"]]
        return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)

    assert run("good.jsonl").stdout.startswith("GENUINE")
    assert run("bad.jsonl").stderr.startswith("NOT GENUINE")


async def forget_petra(k: Month) -> None:
    """Nothing of her is anywhere: not in the database, not in a log."""
    runs = running.recall(Layout(k.installation.home))
    assert runs is not None
    url = Settings.from_environment(runs.environment).database_url or ""
    assert PHRASE in await asyncio.to_thread(dump, url)
    await erase(k)
    left = await asyncio.to_thread(dump, url)
    logs = [path for path in Layout(k.installation.home).ray.rglob("*") if path.is_file() and "logs" in path.parts]
    written = "".join(path.read_text(errors="replace") for path in logs)
    assert "turn committed" in written
    for trace in (PHRASE, PETRA, DESK):
        assert trace not in left
        assert trace not in written
    assert KEY not in left + written


async def erase(k: Month) -> None:
    await k.ask(f"/contacts/slack/{PETRA}", "DELETE", status=204)


async def until(so: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not so():
            await asyncio.sleep(0.05)
