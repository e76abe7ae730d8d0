"""Web pages: what a person would read of them."""

from html.parser import HTMLParser

from konstruct.media.sandbox.plain import decoded

_UNSEEN = {"script", "style", "head", "template", "noscript", "svg"}
_BREAKING = {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "table", "pre"}


def read(content: bytes) -> tuple[str, str]:
    """The text without marks, scripts and styles, and nothing more to say about it; raises Unreadable."""
    page = _Page()
    page.feed(decoded(content))
    page.close()
    lines = [" ".join(line.split()) for line in "".join(page.parts).splitlines()]
    return "\n".join(line for line in lines if line), ""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag == "body":
            self._unseen.clear()  # a head that was never closed
        if tag in _BREAKING:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]
        if tag in _BREAKING:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)
