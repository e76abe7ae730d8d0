"""What delivery waits for: late reports of what was sent, and connections that an operator must mend."""

from typing import cast

from konstruct.channels.whatsapp import WhatsAppChannel
from konstruct.database.outbox import Outbox
from konstruct.delivery import Delivery
from konstruct.errors import ChannelOutcomeUnknown
from konstruct.failpoints import disarmed
from konstruct.metrics import Unmeasured
from tests.unit.test_delivery import fresh, reply
from tests.unit.wall import Claims, Wall


async def test_where_the_channel_reports_late_it_is_asked_after_several_times_before_anything_is_sent_again() -> None:
    outbox, wall = Claims(), Wall()
    delivery = Delivery(cast("Outbox", outbox), Unmeasured(), disarmed)
    wall.reconciles_seconds = (0.02, 0.04, 0.08)
    wall.faults = [("send", ChannelOutcomeUnknown())]
    outbox.answers = [0.0, 0.0, None, None]  # the third look finds that it is out
    await delivery.deliver(fresh(reply()), wall)
    assert wall.calls == ["send"]
    wall.faults = [("send", ChannelOutcomeUnknown())]
    await delivery.deliver(fresh(reply(2)), wall)
    assert wall.calls == ["send", "send", "find", "send"]
    assert outbox.claimed == 4 + 3


def test_whatsapp_is_looked_at_after_five_ten_and_twenty_seconds() -> None:
    assert WhatsAppChannel.reconciles_seconds == (5.0, 10.0, 20.0)
