"""Asked directly, the employee says that it is an AI: a promise that must not depend on how good its model is."""

import re

_KINDS = r"(?:human(?: being)?|person|man|woman|guy|robot|bot|chat ?bot|ai|a\.i\.|machine|computer|program|real)"
_ASKED = re.compile(
    rf"\b(?:are|r) (?:you|u|ya)\b[^.?!\n]{{0,24}}\b{_KINDS}\b"
    rf"|\bam i (?:talking|speaking|chatting|writing) (?:to|with)\b[^.?!\n]{{0,24}}\b{_KINDS}\b"
    r"|\b(?:is|was) this (?:an? )?(?:human|person|bot|robot|ai|machine)\b"
    r"|\bbist du\b[^.?!\n]{0,24}\b(?:mensch|person|bot|roboter|ki|maschine|echt)\b"
    r"|\b(?:es-tu|êtes-vous|tu es|vous êtes)\b[^.?!\n]{0,24}\b(?:humaine?|robot|ia|machine|une personne)\b"
    r"|\b(?:eres|es usted)\b[^.?!\n]{0,24}\b(?:human[oa]|robot|ia|máquina|persona)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\bI(?:['\u2019]m| am)(?: \w+)? (?:an? )?(?:real |actual |living )?(?:human|person|man|woman)\b(?! resources)"
    r"|\bI(?:['\u2019]m| am) not (?:an? )?(?:ai|bot|robot|machine|computer)\b",
    re.IGNORECASE,
)
_NOT_HUMAN = re.compile(
    r"\bI(?:['\u2019]m| am) not (?:an? )?(?:real |actual )?(?:human|person|man|woman)\b", re.IGNORECASE
)
_SAID = re.compile(r"\b(?:AI|KI|IA|artificial intelligence)\b", re.IGNORECASE)


def asked(text: str) -> bool:
    """Whether somebody asks what they are talking to (English, German, French, Spanish)."""
    return _ASKED.search(text) is not None


def disclosed(answer: str, name: str) -> str:
    """The answer to such a question: replaced if it denies being an AI, completed if it evades."""
    plain = f"I'm {name}, an AI employee, not a human."
    if _DENIED.search(_NOT_HUMAN.sub("", answer)):
        return plain
    return answer if _SAID.search(answer) else f"{plain} {answer}"
