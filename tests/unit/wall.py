"""A channel and an outbox that are plain objects, for tests of delivery."""

import asyncio
from uuid import UUID

from konstruct import delivery as delivering
from konstruct.database.outbox import Sent
from konstruct.messages import Address, Attachment, Reply, Sighting

EPOCH = 7


class Claims:
    """An outbox that grants claims unless told otherwise, and keeps the marks."""

    def __init__(self) -> None:
        self.answers: list[float | Exception | None] = []
        self.claimed = 0
        self.marks: list[Sent] = []

    async def claim(self, reply: Reply, *, shard: int, epoch: int, seconds: float) -> float | None:
        assert (shard, epoch) == (3, EPOCH)
        assert seconds == delivering.CLAIM_SECONDS
        self.claimed += 1
        answer = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_settled(self, reply: UUID) -> bool:
        return any(sent.reply == reply for sent in self.marks)

    def mark_later(self, sent: Sent) -> None:
        self.marks.append(sent)


class Wall:
    """A channel; `faults` hit the next calls of a method; `keeps`: a failed send became visible anyway."""

    grows = True
    status_seconds = 60.0
    marks_read = False
    reconciles_seconds: tuple[float, ...] = ()

    def __init__(self) -> None:
        self.visible: dict[str, tuple[Reply, str]] = {}
        self.calls: list[str] = []
        self.faults: list[tuple[str, Exception]] = []
        self.keeps = False
        self.partial = False
        self.slow_find = 0.0

    def split(self, text: str) -> list[str]:
        return [text]

    def reacts(self, text: str) -> bool:
        raise AssertionError

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:
        external_id = f"ts-{len(self.visible)}"
        fault = self._fault("send")
        if fault is None or self.keeps:
            self.visible[external_id] = (reply, text)
        if fault is not None:
            raise fault
        return external_id

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:
        if fault := self._fault("edit"):
            raise fault
        self.visible[external_id] = (reply, text)

    async def find(self, reply: Reply) -> Sighting | None:
        await asyncio.sleep(self.slow_find)
        if fault := self._fault("find"):
            raise fault
        for external_id, (seen, _) in self.visible.items():
            if seen.id == reply.id:
                return Sighting(external_id, self.partial)
        return None

    async def show_status(self, address: Address, source_id: str, status: str) -> None:
        raise AssertionError

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        raise AssertionError

    def _fault(self, method: str) -> Exception | None:
        self.calls.append(method)
        if self.faults and self.faults[0][0] == method:
            return self.faults.pop(0)[1]
        return None

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.visible.values()]
