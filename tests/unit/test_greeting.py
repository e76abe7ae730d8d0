"""What `up` says when everything runs."""

import io
import time

from rich.console import Console

from deployments.installation import greeting, keys, ports
from deployments.installation.greeting import greet
from deployments.installation.running import Running
from deployments.installation.steps import Steps
from konstruct.channels import web_chat
from konstruct.settings import Settings
from tests.unit.laid_out import environment_of


def test_the_greeting_names_the_version_of_whatsapp_that_is_the_default(layout):
    greeted = greeting._whatsapp(Settings.from_environment(environment_of(layout)))
    assert f"KONSTRUCT_WHATSAPP_API_URL={Settings.from_environment({}).whatsapp_api_url})" in greeted


def test_who_starts_it_is_told_where_logs_and_metrics_are(layout):
    said = io.StringIO()
    chosen = ports.choose(layout.ports_file)
    runs = Running(environment_of(layout), "127.0.0.1", 8000, 8265, local_model=True)
    greet(Steps(Console(file=said, soft_wrap=True, width=200)), runs)
    assert str(layout.ray / "session_latest" / "logs") in said.getvalue()
    assert f"http://127.0.0.1:{chosen.metrics}/metrics" in said.getvalue()


def test_links_and_paths_of_the_greeting_are_whole_on_a_narrow_terminal(layout):
    said = io.StringIO()
    runs = Running(environment_of(layout), "127.0.0.1", 8000, 8265, local_model=True)
    greet(Steps(Console(file=said, soft_wrap=True, width=40)), runs)
    link = next(word for word in said.getvalue().split() if "#token=" in word)
    assert web_chat.verify(
        link.partition("#token=")[2], "acme", [keys.demo_web_secret(layout).read_text()], time.time()
    )
    assert str(layout.ray / "session_latest" / "logs") in said.getvalue().split()
