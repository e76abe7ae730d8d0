"""Files as people send them, and as people should not."""

import io
import struct
import zipfile
import zlib

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **saved: object) -> bytes:
    image = Image.new(mode, size, (200, 30, 30, 128)[: len(mode)] if mode != "P" else 3)
    into = io.BytesIO()
    image.save(into, kind, **saved)
    return into.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A valid PNG of one colour: a few kilobytes that unpack to gigabytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif_of_frames(frames: int) -> bytes:
    first = picture("GIF", (8, 8), "P")
    end = first.rindex(b"\x3b")
    frame = first[first.index(b"\x2c") : end]
    return first[:end] + frame * (frames - 1) + b"\x3b"


def pdf(*pages: str) -> bytes:
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 40 700 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * n} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    body, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def zipped(members: dict[str, str | bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return into.getvalue()


def docx(*paragraphs: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    return zipped({"word/document.xml": f'<w:document xmlns:w="urn:w"><w:body>{body}</w:body></w:document>'})


def xlsx() -> bytes:
    return zipped(
        {
            "xl/workbook.xml": '<workbook xmlns="urn:x"><sheets><sheet name="Orders"/></sheets></workbook>',
            "xl/sharedStrings.xml": '<sst xmlns="urn:x"><si><t>Lamp</t></si>'
            "<si><r><t>Ch</t></r><r><t>air</t></r></si></sst>",
            "xl/worksheets/sheet1.xml": '<worksheet xmlns="urn:x"><sheetData>'
            '<row><c t="s"><v>0</v></c><c><v>12.5</v></c></row>'
            '<row><c t="s"><v>1</v></c><c t="inlineStr"><is><t>n/a</t></is></c></row></sheetData></worksheet>',
        }
    )


def pptx() -> bytes:
    slide = '<p:sld xmlns:p="urn:p" xmlns:a="urn:a"><a:p><a:r><a:t>{}</a:t></a:r></a:p></p:sld>'
    return zipped(
        {
            "ppt/presentation.xml": "<p/>",
            "ppt/slides/slide10.xml": slide.format("Last"),
            "ppt/slides/slide2.xml": slide.format("First"),
        }
    )
