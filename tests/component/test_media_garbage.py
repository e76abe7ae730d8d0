"""Damaged files of every kind: always an answer, never an error, however they are cut or altered."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konstruct.media.sandbox.__main__ import _read
from tests.component import files

SAMPLES = {
    "png": files.picture("PNG"),
    "jpeg": files.picture("JPEG", (200, 100)),
    "gif": files.gif_of_frames(3),
    "webp": files.picture("WEBP"),
    "pdf": files.pdf("Hello Ada", "Second page"),
    "docx": files.docx("Dear Ada", "Yours"),
    "xlsx": files.xlsx(),
    "pptx": files.pptx(),
    "html": b"<body><p>Hi <b>you</b></p><table><tr><td>1</td></tr></table></body>",
}


def answered(content: bytes, name: str = "file") -> bool:
    found = _read(content, name, "")
    return bool(found.get("unreadable")) != (found.get("kind") in ("picture", "document"))


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_file_cut_anywhere_has_an_answer(kind: str) -> None:
    content = SAMPLES[kind]
    for end in range(0, len(content), max(1, len(content) // 40)):
        assert answered(content[:end], f"file.{kind}")


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_file_with_altered_bytes_has_an_answer(kind: str) -> None:
    chance = random.Random(kind)
    for _ in range(60):
        content = bytearray(SAMPLES[kind])
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        assert answered(bytes(content), f"file.{kind}")


@settings(deadline=None)
@given(st.binary(max_size=2_000), st.sampled_from(["a.txt", "a.html", "a.pdf", "a.png", "a"]))
def test_any_bytes_have_an_answer(content: bytes, name: str) -> None:
    assert answered(content, name)
