"""The files of a turn: how many are read, how much of them, and how long pictures are shown again."""

from typing import Any, cast
from uuid import uuid4

from actors.enclosures import MAX_FILES, MAX_PICTURES, MAX_TEXT_CHARS, Album, open_all
from konstruct.media.reader import Read
from konstruct.messages import Address, Attachment, Heard
from konstruct.roster import Assignment


class Files:
    """Reads what the test gives it, in order."""

    def __init__(self, *reads: Read) -> None:
        self.reads = list(reads)

    async def read(
        self, channel: Any, attachment: Attachment, tenant: Any, transcriber: Any = None, *, note: Any
    ) -> Read:
        await note(f"digest of {attachment.name}")
        return self.reads.pop(0)


def heard(text: str, files: int) -> Heard:
    attachments = tuple(Attachment("document", f"{n}.txt", "text/plain", str(n)) for n in range(files))
    return Heard(1, uuid4(), uuid4(), 0, 1, 0, "slack", Address("T", "D"), "U", text, "1.0", attachments=attachments)


async def note(_message: Heard, _digest: str) -> None:
    """Nobody needs to know."""


ASSIGNMENT = cast("Assignment", type("Assigned", (), {"channel": None, "transcriber": None}))


async def test_texts_follow_what_was_typed_and_nothing_is_left_to_read() -> None:
    opened = await open_all(
        Files(Read("[a]"), Read("[b]", said="spoken")), ASSIGNMENT, [heard("hi", 1), heard("", 1)], note
    )
    assert [message.text for message in opened.heard] == ["hi\n[a]", "[b]"]
    assert [message.text for message in opened.said] == ["hi", "spoken"]
    assert [message.files for message in opened.heard] == [("digest of 0.txt",)] * 2
    assert all(not message.attachments for message in [*opened.heard, *opened.said])


async def test_only_so_many_files_are_read_and_the_others_are_told_of() -> None:
    files = Files(*[Read(f"[read {n}]", {"n": n}) for n in range(MAX_FILES)])
    opened = await open_all(files, ASSIGNMENT, [heard("", MAX_FILES + 2)], note)
    assert opened.heard[0].text.splitlines()[-2:] == ["[document: 8.txt, text/plain]", "[document: 9.txt, text/plain]"]
    assert len(opened.pictures) == MAX_PICTURES


async def test_all_documents_together_leave_room_in_the_context() -> None:
    long = "[document]\n" + "x" * 8_000
    opened = await open_all(Files(long_read := Read(long), long_read, long_read), ASSIGNMENT, [heard("", 3)], note)
    assert len(opened.heard[0].text) < MAX_TEXT_CHARS + 200
    assert opened.heard[0].text.count("[document]") == 3
    assert opened.heard[0].text.count("[the rest is left out]") == 2


def test_the_latest_pictures_are_shown_for_a_few_turns() -> None:
    album = Album()
    album.keep(1, [{"n": 1}, {"n": 2}, {"n": 3}])
    assert album.at(2) == [{"n": 2}, {"n": 3}]
    album.keep(4, [{"n": 4}])
    assert album.at(5) == [{"n": 3}, {"n": 4}]
    assert album.at(6) == [{"n": 4}]
    assert album.at(9) == []
