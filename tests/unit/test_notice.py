"""What operators read, and where it leads them."""

from uuid import UUID

import pytest

from konstruct.messages import Address, Spoken
from konstruct.notice import handed_over, link_to


@pytest.mark.parametrize(
    ("channel", "address", "shown"),
    [
        ("slack", Address("T0ACME", "C0SHOP", "1.5"), "https://app.slack.com/client/T0ACME/C0SHOP/thread/C0SHOP-1.5"),
        ("whatsapp", Address("106", "4915100000001"), "https://wa.me/4915100000001"),
        ("whatsapp", Address("106", "US.123"), "US.123 (no number shown)"),
        ("web", Address("shop", "anna"), "visitor anna of the site shop; nobody can write to them"),
    ],
)
def test_a_link_leads_to_where_a_human_can_answer_or_says_that_none_can(
    channel: str, address: Address, shown: str
) -> None:
    assert shown in link_to(channel, address)


def test_a_notice_says_how_long_the_employee_is_silent_and_how_to_end_that() -> None:
    text = handed_over("Ada", "billing", [Spoken("contact", "my bill?")], "there", UUID(int=7), seconds=5400.0)
    assert "> Contact: my bill?" in text
    assert "90 minutes" in text
    assert f"`/konstruct resume {UUID(int=7)}`" in text
