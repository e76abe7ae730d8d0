"""Word, Excel and PowerPoint files of today: zipped XML, unpacked under a cap and never followed anywhere."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from xml.etree import ElementTree as ET
from zipfile import BadZipFile, ZipFile

from konstruct.media.sandbox.extract import MAX_TEXT_CHARS
from konstruct.media.sandbox.unreadable import Unreadable

MAX_MEMBERS = 5_000
MAX_UNPACKED_BYTES = 32 * 1024 * 1024

_NUMBER = re.compile(r"(\d+)\.xml$")


def read(content: bytes) -> tuple[str, str]:
    """The text, and nothing more to say about it; raises Unreadable."""
    try:
        with ZipFile(BytesIO(content)) as archive:
            unpacked = _Unpacked(archive)
            if "word/document.xml" in unpacked.names:
                return "\n".join(_paragraphs(unpacked.tree("word/document.xml"), "p", {"t"})), ""
            if "xl/workbook.xml" in unpacked.names:
                return _workbook(unpacked), ""
            if "ppt/presentation.xml" in unpacked.names:
                return _slides(unpacked), ""
    except (BadZipFile, zlib.error, EOFError, OSError, KeyError, NotImplementedError, RuntimeError) as error:
        raise Unreadable("it is damaged or protected by a password") from error
    except ET.ParseError as error:
        raise Unreadable("it is damaged") from error
    raise Unreadable("it is an archive")


class _Unpacked:
    """Members of an archive, unpacked one by one; together they may not be larger than the cap."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._left = MAX_UNPACKED_BYTES
        self.names = set(archive.namelist())
        if len(self.names) > MAX_MEMBERS:
            raise Unreadable("it is packed from too many parts")

    def tree(self, name: str) -> ET.Element:
        # What the archive says of a member's size is not believed.
        with self._archive.open(name) as member:
            xml = member.read(self._left + 1)
        self._left -= len(xml)
        if self._left < 0:
            raise Unreadable("it is far larger unpacked than it looks")
        if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
            raise Unreadable("it is damaged")
        return ET.fromstring(xml)  # noqa: S314 - no document type, so no entities

    def numbered(self, prefix: str) -> list[str]:
        """Members such as ppt/slides/slide7.xml, by their number."""
        found = [
            (int(match[1]), name) for name in self.names if name.startswith(prefix) and (match := _NUMBER.search(name))
        ]
        return [name for _, name in sorted(found)]


def _workbook(unpacked: _Unpacked) -> str:
    shared: list[str] = []
    if "xl/sharedStrings.xml" in unpacked.names:
        shared = ["".join(_texts(item, {"t"})) for item in unpacked.tree("xl/sharedStrings.xml") if _tag(item) == "si"]
    titles = [sheet.get("name", "") for sheet in unpacked.tree("xl/workbook.xml").iter() if _tag(sheet) == "sheet"]
    parts, size = [], 0
    for place, name in enumerate(unpacked.numbered("xl/worksheets/sheet")):
        parts.append(f"# {titles[place] if place < len(titles) else place + 1}")
        for row in unpacked.tree(name).iter():
            if _tag(row) == "row":
                parts.append("\t".join(_cell(cell, shared) for cell in row if _tag(cell) == "c"))
                size += len(parts[-1])
            if size > MAX_TEXT_CHARS:
                return "\n".join(parts)
    return "\n".join(parts)


def _cell(cell: ET.Element, shared: list[str]) -> str:
    text = "".join(_texts(cell, {"v", "t"}))
    if cell.get("t") == "s" and text.isdigit() and int(text) < len(shared):
        return shared[int(text)]
    return text


def _slides(unpacked: _Unpacked) -> str:
    parts: list[str] = []
    for number, name in enumerate(unpacked.numbered("ppt/slides/slide"), 1):
        parts += [f"# {number}", *_paragraphs(unpacked.tree(name), "p", {"t"})]
        if sum(map(len, parts)) > MAX_TEXT_CHARS:
            break
    return "\n".join(parts)


def _paragraphs(tree: ET.Element, paragraph: str, texts: set[str]) -> Iterator[str]:
    for element in tree.iter():
        # Presentations have placeholders that are also called p; they hold no text of their own.
        if _tag(element) == paragraph and (text := "".join(_texts(element, texts))).strip():
            yield text


def _texts(element: ET.Element, tags: set[str]) -> Iterator[str]:
    for inner in element.iter():
        if _tag(inner) in tags:
            yield inner.text or ""
        elif _tag(inner) in ("tab", "br"):
            yield "\t" if _tag(inner) == "tab" else "\n"


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]
