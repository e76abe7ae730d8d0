"""Markdown on WhatsApp: what it can show it shows, of the rest it shows the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.channels.whatsapp.formatting import formatted


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("We open at **nine**.", "We open at *nine*."),
        ("We open at __nine__.", "We open at *nine*."),
        ("*Perhaps* at nine, _perhaps_ not", "_Perhaps_ at nine, _perhaps_ not"),
        ("***Never*** on Sunday", "*_Never_* on Sunday"),
        ("~~50~~ 40 euros", "~50~ 40 euros"),
        ("## Opening hours\nNine to five", "*Opening hours*\nNine to five"),
        ("# **All** of it #", "*All of it*"),
        ("* one\n* two\n  + three", "- one\n- two\n  - three"),
        ("1. one\n2. two", "1. one\n2. two"),
        ("See [our shop](https://acme.example/a_b) now", "See our shop (https://acme.example/a_b) now"),
        ("[https://acme.example](https://acme.example)", "https://acme.example"),
        ('![A cat](https://acme.example/cat.png "Tom")', "A cat (https://acme.example/cat.png)"),
        ("Use `**kwargs` here", "Use `**kwargs` here"),
        ("```python\nx = a ** b\n```\n", "```\nx = a ** b\n```\n"),
        ("| Size | Price |\n|---|---|\n| S | **5** |\n", "Size | Price\nS | *5*\n"),
        ("2 * 3 * 4 = 24 and snake_case_name", "2 * 3 * 4 = 24 and snake_case_name"),
        (r"5 \* 3 and \_x\_", "5 * 3 and _x_"),
        ("> quoted", "> quoted"),
        ("", ""),
    ],
)
def test_markdown_is_shown_in_whatsapps_own_marks(markdown: str, shown: str) -> None:
    assert formatted(markdown) == shown


@given(st.text(st.sampled_from("ab *_~`#[]()|-\n\\>!.:1\ue000"), max_size=60))
def test_nothing_gets_longer_and_no_letter_is_lost(markdown: str) -> None:
    shown = formatted(markdown)
    assert len(shown) <= len(markdown) + 2
    assert "\ue000" not in shown
