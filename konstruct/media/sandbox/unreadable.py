"""Why a file cannot be read, in words for the model and its contact."""


class Unreadable(Exception):
    """It cannot be read; the message says why, as half a sentence that begins with "it"."""
