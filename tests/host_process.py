"""A ConversationHost in a bare process, to be killed, stopped and continued; settings come from the environment.

    python -m tests.host_process NUMBER HOSTS [MUTANT]

A mutant is a planted fault that the history checker must catch.
"""

import asyncio
import sys
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import actors.turn
from actors.wiring import build_host
from konstruct.channels.slack import SlackChannel
from konstruct.messages import Reply
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings
from tests.rig import pretend_embedding


def plant(mutant: str) -> None:
    """Break the product on purpose."""
    if mutant == "no-outbox-id":
        send = SlackChannel.send

        async def send_under_a_random_id(self: SlackChannel, reply: Reply, text: str, *, partial: bool = False) -> str:
            return await send(self, replace(reply, id=uuid.uuid4()), text, partial=partial)

        SlackChannel.send = send_under_a_random_id  # type: ignore[method-assign]
    if mutant == "no-fence":
        # The other half of this fault is planted in SQL by the test: ids alone would still save the day.
        actors.turn.turn_id = lambda *_: uuid.uuid4()


async def main(number: int, hosts: int) -> None:
    """Host until killed."""
    parts = await build_host(Settings.from_environment(), number, pretend_embedding, Unmeasured())
    await parts.host.start(hosts, there=timedelta(seconds=time.monotonic() - actors.LOADED))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    plant(sys.argv[3] if len(sys.argv) > 3 else "")
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
