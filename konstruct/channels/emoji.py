"""Answers that are nothing but one emoji: a channel shows them as a reaction."""

import re

_JOINER, _VARIATION, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_TONE = "[\U0001f3fb-\U0001f3ff]"
_TAGS = "[\U000e0020-\U000e007f]"
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170-\U0001f19a\U0001f201-\U0001f251"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7f0\U0001f900-\U0001faff]"
)
_ONE = f"{_PICTURE}{_VARIATION}?{_TONE}?{_TAGS}*"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_EMOJI = re.compile(f"(?:{_FLAG}|[0-9#*]{_VARIATION}?{_KEYCAP}|{_ONE}(?:{_JOINER}{_ONE})*)")


def lone_emoji(text: str) -> str:
    """The emoji if the text is exactly one, else nothing."""
    stripped = text.strip()
    return stripped if len(stripped) <= 32 and _EMOJI.fullmatch(stripped) else ""
