"""Text as others will take it: PostgreSQL refuses NUL, JSON encoders refuse lone surrogates."""


def well_formed(text: str) -> str:
    """Drop NUL; surrogate pairs are joined, lone surrogates become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # Some servers cut an emoji in two between stream chunks: UTF-16 joins the halves again.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "")
