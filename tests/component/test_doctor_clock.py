"""The doctor compares this machine's clock with Slack's: one that is minutes off refuses every event."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deployments.examinations.finding import Finding, Patient
from deployments.examinations.machine import clock
from deployments.installation.layout import Layout
from konstruct.settings import Settings


@contextmanager
def slack(date: str | None, status: int = 200) -> Iterator[str]:
    """A server whose answers say that it is `date`."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", date)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/"
        server.shutdown()


def examined(url: str, home: Path) -> Finding:
    settings = Settings.from_environment({"KONSTRUCT_HOME": str(home), "KONSTRUCT_SLACK_API_URL": url})
    [finding] = clock(Patient(settings, Layout(home), None))
    return finding


@pytest.mark.parametrize("status", [200, 404])
def test_a_clock_as_slacks_is_well(status: int, tmp_path: Path) -> None:
    with slack(formatdate(usegmt=True), status) as url:
        found = examined(url, tmp_path)
    assert found.state == "well"
    assert "as Slack's" in found.said


@pytest.mark.parametrize(("seconds", "side"), [(600, "behind"), (-600, "ahead of")])
def test_a_clock_that_is_minutes_off_is_wrong(seconds: int, side: str, tmp_path: Path) -> None:
    with slack(formatdate(time.time() + seconds, usegmt=True)) as url:
        found = examined(url, tmp_path)
    assert found.state == "wrong"
    assert side in found.said
    assert "NTP" in found.mend


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_who_does_not_say_what_time_it_is_is_not_compared_with(date: str | None, tmp_path: Path) -> None:
    with slack(date) as url:
        assert "nobody's" in examined(url, tmp_path).said


def test_without_slack_nothing_is_compared(own_port: int, tmp_path: Path) -> None:
    assert "nobody's" in examined(f"http://127.0.0.1:{own_port}/api/", tmp_path).said
