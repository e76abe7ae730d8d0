"""What the documents tell people to write works as it stands there."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from konstruct import tenant_file
from konstruct.channels.web_chat import verify
from konstruct.settings import Settings

ROOT = Path(__file__).parents[2]
EMPLOYEE = "tenant: acme\nemployee: {name: Ada, instructions: Be kind., model: local/smollm2}\n"


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def test_a_site_that_signs_as_documented_is_believed() -> None:
    names: dict[str, Any] = {}
    exec(blocks("docs/web-chat.md", "python")[0], names)
    link = names["chat_link"]("https://here.example", "acme-shop", "0123456789abcdef", "anna")
    token = link.removeprefix("https://here.example/web/acme-shop#token=")
    now = int(token.split(".")[1]) - 60
    assert verify(token, "acme-shop", ["0123456789abcdef"], now) == "anna"


def test_every_setting_is_documented() -> None:
    names = {field.name.upper() for field in fields(Settings)} | {"HTTP_HOST", "SERVE_CONFIG"}
    table = (ROOT / "docs/operating.md").read_text()
    # What `up` itself sets is none of the operator's.
    assert {name for name in names if f"`{name}`" not in table} == {"VERSION_HASH"}


def test_tenant_files_in_documents_are_accepted() -> None:
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", (ROOT / "README.md").read_text()), "0123456789abcdef")
    ours = tenant_file.parse(blocks("README.md", "yaml")[0], environment | {"WEB_SECRET": "0123456789abcdef"})
    assert ours.escalation.rules and ours.operators.slack_channel
    for document in ("docs/web-chat.md", "docs/escalation.md", "docs/budgets.md"):
        read = tenant_file.parse(EMPLOYEE + blocks(document, "yaml")[0], {"WEB_SECRET": "0123456789abcdef"})
        assert read.escalation.rules or read.channels.web or read.budgets.limited


def test_the_slack_entry_that_is_documented_is_accepted_with_all_its_options() -> None:
    secrets = {name: f"xapp-{name}" for name in ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN")}
    read = tenant_file.parse(blocks("docs/slack.md", "yaml")[0], secrets)
    assert read.channels.slack is not None
    options = read.channels.slack.connection["options"]
    assert options.pop("signed_sha256")
    assert options == {"agent_view": True, "socket_mode": True}
    assert [prompt.title for prompt in read.employee.suggested_prompts] == ["When do you open?", "Menu"]
