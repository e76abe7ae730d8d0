"""Pictures: measured before they are decoded, then made small, upright and free of everything but pixels."""

from base64 import b64encode
from io import BytesIO

from PIL import Image, ImageOps

from konstruct.media.sandbox.unreadable import Unreadable

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
LONGEST_EDGE_PIXELS = 1568
MAX_PIXELS = 40_000_000
# JPEG is decoded at a fraction of its size.
MAX_JPEG_PIXELS = 120_000_000

Image.MAX_IMAGE_PIXELS = None  # ours is asked before anything is decoded


def read(content: bytes) -> tuple[str, str]:
    """A data URL of the first frame, and nothing more to say about it; raises Unreadable."""
    try:
        opened = Image.open(BytesIO(content), formats=FORMATS)
    except Exception as error:
        raise Unreadable("it is damaged") from error
    width, height = opened.size
    if width * height > (MAX_JPEG_PIXELS if opened.format == "JPEG" else MAX_PIXELS):
        raise Unreadable(f"it has {width} x {height} pixels, which is too many")
    try:
        return _small(opened), ""
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable("it is damaged or cut off") from error


def _small(opened: Image.Image) -> str:
    opened.draft("RGB", (LONGEST_EDGE_PIXELS, LONGEST_EDGE_PIXELS))
    opened.load()
    ImageOps.exif_transpose(opened, in_place=True)
    image = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    image.thumbnail((LONGEST_EDGE_PIXELS, LONGEST_EDGE_PIXELS))
    image.info = {}
    see_through = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255
    kind = "PNG" if see_through else "JPEG"
    into = BytesIO()
    (image if see_through else image.convert("RGB")).save(into, kind, quality=85, optimize=see_through)
    return f"data:image/{kind.lower()};base64,{b64encode(into.getvalue()).decode()}"
