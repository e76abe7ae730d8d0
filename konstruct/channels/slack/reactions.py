"""An answer that is nothing but one emoji, under the names that Slack may know it by."""

import re

import emoji

_NAME = re.compile(r":([a-z0-9_+'-]{1,100}):\Z")
_VARIATION = "\ufe0f"
_TONES = {"\U0001f3fb": 2, "\U0001f3fc": 3, "\U0001f3fd": 4, "\U0001f3fe": 5, "\U0001f3ff": 6}
# Below are signs of writing, such as © and ™.
_FIRST_PICTURE = "\u2190"
_FLAG_A = ord("\U0001f1e6")


def reaction_names(text: str) -> tuple[str, ...]:
    """Names to try in turn; none where the text is anything but one emoji or :name:."""
    text = text.strip()
    if match := _NAME.match(text):
        return (match[1],)
    if not emoji.is_emoji(text) or text < _FIRST_PICTURE:
        return ()
    tones = [_TONES[sign] for sign in text if sign in _TONES]
    plain = "".join(sign for sign in text if sign not in _TONES)
    suffix = f"::skin-tone-{tones[0]}" if tones else ""
    names = [name.strip(":") for name in _known(plain)]
    # Slack's names are the short ones: thumbsup, not thumbs_up.
    return tuple(f"{name.lower()}{suffix}" for name in dict.fromkeys(names))


def reaction_sign(name: str) -> str:
    """A reaction as people see it; a workspace's own emoji stays `:name:`."""
    plain, _, _tone = name.partition("::skin-tone-")
    if plain.startswith("flag-"):
        return "".join(chr(_FLAG_A + ord(letter) - ord("a")) for letter in plain[5:] if "a" <= letter <= "z")
    return emoji.emojize(f":{plain}:", language="alias")


def _known(sign: str) -> list[str]:
    if len(sign) == 2 and all(0 <= ord(letter) - _FLAG_A < 26 for letter in sign):
        return ["flag-" + "".join(chr(ord(letter) - _FLAG_A + ord("a")) for letter in sign)]
    entry = emoji.EMOJI_DATA.get(sign) or emoji.EMOJI_DATA.get(sign + _VARIATION) or {}
    return [*entry.get("alias", ()), *filter(None, [entry.get("en")])]
