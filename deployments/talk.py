"""One person's talk with an employee through a simulated Slack, over its HTTP: say, and hear the reply."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from konstruct.errors import KonstructError

# Replies that do not say whether they are final count as whole after this long without a change.
QUIET_SECONDS = 4.0
LATE_SECONDS = 1.5
SLACK_TRIES_AGAIN = 500


class TalkFailed(KonstructError):
    """The talk cannot go on."""


class Unanswered(TalkFailed):
    """The reply did not come, or not to its end, in time; it may yet come."""


@dataclass(frozen=True, slots=True)
class Partners:
    """Who talks with whom, and where; `address` is the simulator's root URL."""

    address: str
    team: str
    employee: str
    user: str
    channel: str


@dataclass(slots=True)
class Reply:
    """What the employee has answered so far: its messages by ts, as they read now."""

    status: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    finals: dict[str, bool] = field(default_factory=dict)
    heard: bool = False

    @property
    def text(self) -> str:
        """All parts, in the order in which they appeared."""
        return "\n\n".join(self.parts.values())

    @property
    def whole(self) -> bool | None:
        """Whether nothing more will come; None where the messages do not say (metadata `final`)."""
        if not self.parts or not self.finals:
            return None
        return all(self.finals.values())


class Talk:
    """Follows one channel; replies that no `exchange` waits for go to `on_late` once they are quiet."""

    def __init__(self, partners: Partners, session: aiohttp.ClientSession, on_late: Callable[[str], None]) -> None:
        self._partners = partners
        self._session = session
        self._on_late = on_late
        self._thread: str | None = None
        self._reply: Reply | None = None
        self._changed = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._late: dict[str, asyncio.TimerHandle] = {}

    async def start(self) -> None:
        """Begin to listen; raises TalkFailed when the simulator does not answer."""
        connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listening = asyncio.create_task(self._listen(connected))
        await asyncio.wait({connected, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        self._check_listening()

    async def stop(self) -> None:
        """Stop listening."""
        for timer in self._late.values():
            timer.cancel()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def exchange(self, text: str, seconds: float, on_change: Callable[[Reply], None]) -> Reply:
        """Say something and return the whole reply; `on_change` sees it grow.

        Raises TalkFailed if Konstruct did not take the message, Unanswered if the reply took over `seconds`.
        """
        reply = self._reply = Reply()
        try:
            async with asyncio.timeout(seconds):
                await self._say(text)
                await self._hear(reply, on_change)
        except TimeoutError:
            raise Unanswered(
                f"{self._partners.employee} did not {'finish' if reply.parts else 'answer'} within "
                f"{seconds:g} s: `konstruct status` shows whether the message waits, the model is still "
                "loading, the turn failed, or a human took over (`konstruct paused TENANT` lists those conversations)."
            ) from None
        finally:
            self._reply = None
        return reply

    async def _say(self, text: str) -> None:
        partners = self._partners
        message: dict[str, Any] = {"text": text, "team": partners.team, "channel": partners.channel}
        message |= {"user": partners.user, "thread_ts": self._thread}
        try:
            async with self._session.post(f"{partners.address}/_simulator/say", json=message) as response:
                said = await response.json()
        except aiohttp.ClientError as error:
            raise TalkFailed(
                f"The simulated Slack at {partners.address} went away: start `konstruct chat` again."
            ) from error
        check_accepted(said)

    async def _hear(self, reply: Reply, on_change: Callable[[Reply], None]) -> None:
        on_change(reply)
        while reply.whole is not True:
            self._check_listening()
            guess = bool(reply.parts) and reply.whole is None
            try:
                async with asyncio.timeout(QUIET_SECONDS if guess else None):
                    await self._changed.wait()
            except TimeoutError:
                return
            self._changed.clear()
            on_change(reply)

    async def _listen(self, connected: "asyncio.Future[None]") -> None:
        url = f"{self._partners.address}/_simulator/events"
        query = {"channel": self._partners.channel}
        try:
            async with self._session.get(url, params=query, timeout=aiohttp.ClientTimeout(total=None)) as stream:
                connected.set_result(None)
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        self._note(orjson.loads(line[6:]))
        finally:
            self._changed.set()

    def _note(self, entry: dict[str, Any]) -> None:
        if entry["team"] != self._partners.team:
            return
        reply = self._reply
        if not entry["by_app"]:
            if reply is not None and entry["user"] == self._partners.user:
                reply.heard = True
        elif entry["kind"] == "status":
            if reply is not None:
                reply.status = entry["text"]
                self._changed.set()
        elif entry["kind"] in ("message", "edit", "delete"):
            if reply is not None and reply.heard and (entry["kind"] == "message" or entry["ts"] in reply.parts):
                self._grow(reply, entry)
            elif entry["kind"] != "delete":
                self._keep_late(entry)

    def _grow(self, reply: Reply, entry: dict[str, Any]) -> None:
        ts = entry["ts"]
        if entry["kind"] == "delete":
            reply.parts.pop(ts, None)
            reply.finals.pop(ts, None)
        else:
            reply.parts[ts] = entry["text"]
            payload = (entry["metadata"] or {}).get("event_payload", {})
            if "final" in payload:
                reply.finals[ts] = bool(payload["final"])
            elif entry.get("streaming") is not None:
                reply.finals[ts] = not entry["streaming"]
            self._thread = entry["thread_ts"]  # go on where the employee answered
        self._changed.set()

    def _keep_late(self, entry: dict[str, Any]) -> None:
        earlier = self._late.pop(entry["ts"], None)
        if earlier is not None:
            earlier.cancel()
        later = asyncio.get_running_loop().call_later
        self._late[entry["ts"]] = later(LATE_SECONDS, self._on_late, entry["text"])

    def _check_listening(self) -> None:
        if self._listening is not None and self._listening.done():
            raise self._gone()

    def _gone(self) -> TalkFailed:
        address = self._partners.address
        return TalkFailed(f"The simulated Slack at {address} went away: start `konstruct chat` again.")


def check_accepted(said: dict[str, Any]) -> None:
    """Raise TalkFailed unless the webhook took the message, or Slack will try again."""
    if not said.get("ok"):
        raise TalkFailed(f"The simulated Slack refused the message: {said.get('error')}")
    status = said["status"]
    if said["reason"] == "connection_failed":
        raise TalkFailed(
            "Konstruct does not answer on its webhook: run `konstruct up`, or `konstruct status` to see why."
        )
    if status is not None and 300 <= status < SLACK_TRIES_AGAIN:
        raise TalkFailed(
            f"Konstruct refused the message with status {status}: the simulated Slack does not have the tenant's app "
            "and secrets as they are applied now: end the `konstruct chat`, `konstruct simulate` or "
            "`python -m simulator` that serves it, then start this again."
        )
