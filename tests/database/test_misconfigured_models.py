"""A model that fails is in the log and counted, also where another answers; operators hear of what they must mend.

So is an answer that was cut, which its reader sees.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.metrics import Unmeasured
from konstruct.vault import Vault
from tests.rig import APP, TENANT, Rig, rig
from tests.stub_model import StubModel

MODELS = """
models: [{{name: gpt, litellm: openai/stub, api_base: "{url}", api_key: sk-very-secret}}]
operators: {{slack_channel: C0OPS}}
"""
SECONDS = 60.0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()

    def count(_: Unmeasured, name: str, label: str = "", by: float = 1) -> None:
        counts[name, label] += int(by)

    monkeypatch.setattr(Unmeasured, "count", count)
    return counts


@pytest_asyncio.fixture
async def hosted() -> AsyncIterator[StubModel]:
    async with StubModel() as server:
        yield server


@pytest_asyncio.fixture
async def town(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        yield under_test


async def employ(town: Rig, hosted: StubModel, models: str) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0).replace("model: local/stub", models)
    parsed = tenant_file.parse(text + MODELS.format(url=hosted.url), {})
    assert await tenants.apply_tenant(town.database, parsed, Vault(town.settings.master_keys))


async def test_a_revoked_key_is_told_once_though_the_fallback_answers(
    town: Rig, hosted: StubModel, counted: Counter[tuple[str, str]]
) -> None:
    hosted.fault("401", times=9)
    await employ(town, hosted, "model: gpt, fallback_model: local/stub")
    with capture_logs() as logged:
        for said in range(2):
            await town.slack.say(f"hello {said}")
            assert (await town.replies(said + 1, timeout=SECONDS))[said] == f"You said: hello {said}"
        (notice,) = await town.replies(1, "C0OPS", timeout=SECONDS)
        await town.crash_host(town.hosts[0])
        await town.start_host()  # which knows of no notice
        await town.slack.say("hello 2")
        await town.replies(3, timeout=SECONDS)
        await asyncio.sleep(2)
    assert await town.texts("C0OPS") == [notice]
    assert "gpt" in notice and "401" in notice and "stub answers instead" in notice
    failures = [line for line in logged if line["event"] == "a model failed"]
    assert [(line["model"], "401" in line["reason"]) for line in failures] == [("gpt", True)] * 3
    assert counted["konstruct_model_failures_total", "openai"] == 3
    assert "sk-very-secret" not in str(logged) + notice


async def test_without_a_fallback_they_are_told_as_well(town: Rig, hosted: StubModel) -> None:
    hosted.fault("404", times=9)
    await employ(town, hosted, "model: gpt")
    await town.slack.say("hello")
    assert (await town.replies(1, timeout=SECONDS))[0].startswith("I'm sorry")
    assert "404" in (await town.replies(1, "C0OPS", timeout=SECONDS))[0]


@pytest.mark.parametrize("kind", ["400", "503"])
async def test_what_nobody_has_to_mend_is_in_the_log_only(
    kind: str, town: Rig, hosted: StubModel, counted: Counter[tuple[str, str]]
) -> None:
    hosted.fault(kind, times=3)
    await employ(town, hosted, "model: gpt, fallback_model: local/stub")
    await town.slack.say("hello")
    assert await town.replies(1, timeout=SECONDS) == ["You said: hello"]
    await asyncio.sleep(2)
    assert await town.texts("C0OPS") == []
    assert counted["konstruct_model_failures_total", "openai"] == 1


async def test_a_model_that_answers_when_it_is_asked_again_has_not_failed(
    town: Rig, hosted: StubModel, counted: Counter[tuple[str, str]]
) -> None:
    hosted.fault("503")
    await employ(town, hosted, "model: gpt")
    await town.slack.say("hello")
    assert await town.replies(1, timeout=SECONDS) == ["You said: hello"]
    assert not any(name == "konstruct_model_failures_total" for name, _ in counted)


@pytest.mark.parametrize("channel", ["D0ALICE", "C0SHOP"], ids=["edited", "streamed"])
@pytest.mark.parametrize("word_seconds", [0.0, 0.004], ids=["at once", "growing"])
async def test_a_cut_answer_ends_the_same_wherever_it_is_read(
    channel: str, word_seconds: float, town: Rig, counted: Counter[tuple[str, str]]
) -> None:
    town.model.reply = lambda _: " ".join(f"word{number}" for number in range(600))
    town.model._word_seconds = word_seconds
    with capture_logs() as logged:
        said = await town.slack.say("tell me", channel=channel)
        thread = said.ts if channel == "C0SHOP" else None
        await town.slack.expect(lambda entry: entry.by_app and entry.kind != "status" and "…" in entry.text)
    (read,) = await town.texts(channel, thread)
    told = town.model.requests[0]["max_tokens"]
    assert read.endswith(f" word{told - 1}…") and read.count("…") == 1
    town.model.reply, town.model._word_seconds = lambda _: "That is all.", 0.0
    await town.slack.say("go on", channel=channel, thread_ts=thread)
    await town.slack.expect(lambda entry: entry.by_app and entry.text == "That is all.")
    assert [m["content"] for m in town.model.requests[1]["messages"] if m["role"] == "assistant"] == [read]
    assert await town.texts(channel, thread) == [read, "That is all."]
    with psycopg.connect(town.settings.database_url or "") as owner:
        stored = owner.execute("select text from messages where role = 'employee' union all select text from outbox")
        assert [text for (text,) in stored].count(read) == 2
    assert [line["model"] for line in logged if line["event"].startswith("an answer is cut")] == ["stub"]
    assert counted["konstruct_model_cut_answers_total", "local"] == 1
