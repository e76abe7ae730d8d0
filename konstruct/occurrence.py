"""Does this word or phrase occur in that text: whole words, whatever the case, in any script."""

import re
import unicodedata

# Scripts written without spaces: there a word begins and ends anywhere.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_APOSTROPHES = str.maketrans("\u2019\u2018\u02bc\u00b4`", "'''''")


def folded(text: str) -> str:
    """Text as it is compared: one form for equal letters, no case, single spaces, one apostrophe."""
    plain = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def occurs(phrase: str, text: str) -> bool:
    """Whether the phrase stands in the text as whole words; both are folded already. A blank phrase never does."""
    at = text.find(phrase) if phrase else -1
    while at >= 0:
        end = at + len(phrase)
        if not _joined(text[at - 1 : at], phrase[0]) and not _joined(phrase[-1], text[end : end + 1]):
            return True
        at = text.find(phrase, at + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """Whether a word goes on from one character to the next."""
    return _in_word(left) and _in_word(right) and not _UNSPACED.match(left) and not _UNSPACED.match(right)


def _in_word(character: str) -> bool:
    return bool(character) and (character == "_" or unicodedata.category(character)[0] in "LMN")
