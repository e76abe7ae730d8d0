"""Slack, as the installation under test knows it: in this process, beside the people who talk."""

from collections.abc import Sequence

from simulator import SlackSimulator
from tests.bench import place


def slack_for(webhook: str, port: int, *, honour: bool = True, retry_seconds: Sequence[float] = ()) -> SlackSimulator:
    """All of the benchmark's apps in one simulator."""
    return SlackSimulator(
        place.APPS, webhook=webhook, port=port, honour_client_msg_id=honour, retry_seconds=retry_seconds
    )  # fmt: skip
