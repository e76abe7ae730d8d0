"""The turn protocol as a state machine: two owners, random interleavings, crashes, duplicates; real PostgreSQL."""

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from konstruct.database import hosting, turns
from konstruct.database.outbox import Outbox, Sent
from konstruct.database.pool import Database
from konstruct.errors import Fenced, StaleTurn
from konstruct.identity import contact_id, conversation_id, reply_id, shard_of, tenant_id, turn_id
from konstruct.messages import Address, Heard, Inbound, Reply
from tests.checker import check, in_order, text_of

T = TypeVar("T")
CONVERSATIONS = ("one", "two")
OWNERS = (0, 1)
owners = st.sampled_from(OWNERS)
conversations = st.sampled_from(CONVERSATIONS)


@dataclass
class Owner:
    """What one host believes."""

    epochs: dict[int, int] = field(default_factory=dict)
    known: dict[str, turns.Activation] = field(default_factory=dict)
    thought: dict[str, turns.Outcome] = field(default_factory=dict)
    replies: dict[str, list[Reply]] = field(default_factory=dict)


class TurnProtocol(RuleBasedStateMachine):
    """Every rule is one step that a host, a contact or a crash can take at any moment."""

    url: str

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = Database(self.url, 2)
        self.run(self.database.start())
        self.outbox = Outbox(self.database)
        self.tenant = tenant_id(f"t{uuid.uuid4().hex}")
        self.run(self._create_tenant())
        self.owners = [Owner() for _ in OWNERS]
        self.said: dict[str, list[int]] = {name: [] for name in CONVERSATIONS}
        self.visible: dict[str, dict[uuid.UUID, str]] = {name: {} for name in CONVERSATIONS}
        self.sends: dict[str, list[str]] = {name: [] for name in CONVERSATIONS}

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(step)

    async def _create_tenant(self) -> None:
        async with self.database.tenant(self.tenant) as connection:
            await connection.run("save_tenant", name=str(self.tenant), quiet_seconds=0, escalation={}, operators={})

    @rule(name=conversations, copies=st.integers(1, 3))
    def a_message_is_delivered(self, name: str, copies: int) -> None:
        number = sum(map(len, self.said.values())) + 1
        inbound = self._inbound(name, number)
        heard = [h for _ in range(copies) for h in self.run(turns.hear(self.database, [inbound] * copies)) if h]
        assert len(heard) == 1
        self.said[name].append(number)

    @rule(owner=owners)
    def a_host_takes_over(self, owner: int) -> None:
        shards = sorted({shard_of(self._conversation(name)) for name in CONVERSATIONS})
        taken = self.run(hosting.take(self.database, owner, shards))
        self.owners[owner] = Owner({shard: tenure.epoch for shard, tenure in taken.items()})

    @rule(owner=owners)
    def a_host_crashes(self, owner: int) -> None:
        self.owners[owner] = Owner()

    @rule(owner=owners, name=conversations)
    def a_host_activates(self, owner: int, name: str) -> None:
        self._activate(self.owners[owner], name)

    @rule(owner=owners, name=conversations, messages=st.integers(1, 5))
    def a_host_thinks(self, owner: int, name: str, messages: int) -> None:
        self._think(self.owners[owner], name, messages)

    @rule(owner=owners, name=conversations)
    def a_host_commits(self, owner: int, name: str) -> None:
        self._commit(self.owners[owner], name)

    @rule(owner=owners, name=conversations, mark=st.booleans(), send=st.booleans())
    def a_host_sends(self, owner: int, name: str, mark: bool, send: bool) -> None:
        """`send` and `mark` false: it crashes before the request, or before C3."""
        self._send(self.owners[owner], name, send=send, mark=mark)

    def teardown(self) -> None:
        """Faults end; one host finishes everything; then the promises must hold."""
        if not hasattr(self, "owners"):
            return
        self.a_host_takes_over(0)
        for name in CONVERSATIONS:
            self._finish(self.owners[0], name)
        visible = {name: list(self.sends[name]) for name in CONVERSATIONS}
        verdict = check({name: in_order(numbers) for name, numbers in self.said.items()}, visible)
        self.run(self.database.stop())
        self.loop.close()
        assert verdict.clean, verdict

    def _finish(self, owner: Owner, name: str) -> None:
        for _ in range(50):
            self._activate(owner, name)
            if not owner.replies[name] and not owner.known[name].waiting:
                return
            while owner.replies[name]:
                self._send(owner, name, send=True, mark=True)
            self._think(owner, name, 3)
            self._commit(owner, name)
        raise AssertionError("work never ends after the faults have ended")

    def _activate(self, owner: Owner, name: str) -> None:
        id_ = self._conversation(name)
        state = self.run(turns.activate(self.database, self.tenant, id_, shard_of(id_)))
        owner.known[name] = state
        owner.replies[name] = list(state.replies)
        owner.thought.pop(name, None)

    def _think(self, owner: Owner, name: str, messages: int) -> None:
        state = owner.known.get(name)
        if state is None or not state.waiting or owner.replies.get(name):
            return
        heard = state.waiting[:messages]
        owner.thought[name] = self._outcome(heard)

    def _commit(self, owner: Owner, name: str) -> None:
        outcome, state = owner.thought.pop(name, None), owner.known.pop(name, None)
        if outcome is None or state is None:
            return
        epoch = owner.epochs.get(outcome.heard[0].shard, 0)
        try:
            self.run(turns.commit(self.database, outcome, epoch=epoch, version=state.version, claim_seconds=0))
        except (Fenced, StaleTurn):
            return
        owner.replies.setdefault(name, []).extend(outcome.replies)

    def _send(self, owner: Owner, name: str, *, send: bool, mark: bool) -> None:
        if not owner.replies.get(name):
            return
        reply = owner.replies[name].pop(0)
        shard = shard_of(reply.conversation)
        epoch = owner.epochs.get(shard, 0)
        try:
            wait = self.run(self.outbox.claim(reply, shard=shard, epoch=epoch, seconds=0))
        except Fenced:
            return
        if wait is None or not send:
            return
        # The claim is fresh, so the request may go; a reply that may be out already is looked for first.
        if reply.id not in self.visible[name]:
            self.visible[name][reply.id] = reply.text
            self.sends[name].append(reply.text)
        if mark:
            self.run(self.outbox._mark([Sent(reply.tenant, reply.id, epoch, "ts")]))

    def _conversation(self, name: str) -> uuid.UUID:
        return conversation_id(self.tenant, "slack", name)

    def _inbound(self, name: str, number: int) -> Inbound:
        id_ = self._conversation(name)
        place = Address("T1", name, private=True)
        return Inbound(
            self.tenant, "slack", f"{name}:{number}", id_, shard_of(id_), place, "U1", text_of(number), "1.0"
        )

    def _outcome(self, heard: list[Heard]) -> turns.Outcome:
        first = heard[0]
        turn = turn_id(self.tenant, first.conversation, first.id)
        contact = contact_id(self.tenant, "slack", "U1")
        text = " ".join(h.text for h in heard)
        reply = Reply(
            reply_id(self.tenant, turn, 0),
            self.tenant,
            first.conversation,
            turn,
            0,
            text,
            "slack",
            first.address,
        )
        return turns.Outcome(
            turn=turn,
            heard=heard,
            contacts={contact: "U1"},
            said=[{"role": "employee", "contact": None, "text": text}],
            memories=[{"contact": str(contact), "private": True, "text": text}],
            replies=[reply],
            usage={
                "employee": str(turn),
                "model": "m",
                "calls": 1,
                "prompt_tokens": 1,
                "completion_tokens": 1,
            },
        )


@pytest.fixture
def protocol(database_url: str) -> type[TurnProtocol]:
    """The state machine on a database of this test; each example is a tenant of its own."""
    TurnProtocol.url = database_url
    return TurnProtocol


def test_no_interleaving_loses_doubles_or_misorders_an_answer(protocol: type[TurnProtocol]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        protocol,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
