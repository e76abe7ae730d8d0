"""Choices that an answer offers: `[[First | Second | Third]]` as its last line."""

MAX_CHOICES = 10


def split_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """What is said, and the choices offered; the text untouched and no choices where its last line is not that.

    At least two and at most MAX_CHOICES, none empty; what is offered twice is offered once.
    """
    said, _, line = text.rstrip().rpartition("\n")
    line = line.strip()
    if not said.strip() or not (line.startswith("[[") and line.endswith("]]")):
        return text, ()
    inner = line[2:-2]
    choices = tuple(dict.fromkeys(choice.strip() for choice in inner.split("|")))
    if "[" in inner or "]" in inner or not all(choices) or not 2 <= len(choices) <= MAX_CHOICES:
        return text, ()
    return said.rstrip(), choices
