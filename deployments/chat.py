"""`konstruct chat`: a conversation with an employee in the terminal, over the real signed webhook path."""

import asyncio
import contextlib
import re
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from deployments.simulated_slack import join_or_start
from deployments.talk import Partners, Reply, Talk, TalkFailed, Unanswered
from konstruct.errors import KonstructError
from konstruct.settings import Settings

T = TypeVar("T")
MARK = " › "  # noqa: RUF001 - meant, not a mistyped ">"
PROMPT = f"you{MARK}"

# A model's answer must not steer the terminal: no control characters but newline and tab.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def chat(tenant: str, user: str, channel: str | None, once: str | None, timeout: float) -> None:
    """Talk until Ctrl-D, or say `once` and print the reply; `timeout`: seconds to wait for each reply.

    Leaves by SystemExit(1), with one sentence on stderr, where that fails.
    """
    background = _Background()
    chatting = Chatting(Console(highlight=False), timeout)
    try:
        if once is not None and not once.strip():
            raise TalkFailed("There is nothing to say: --once is empty.")
        background.run(chatting.start(tenant, user, channel))
        if once is not None:
            chatting.print_plain(background.run(chatting.exchange(once)))
        else:
            _converse(background, chatting)
    except KonstructError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False, highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        chatting.console.print()
    finally:
        background.run(chatting.stop())
        background.stop()


def _converse(background: "_Background", chatting: "Chatting") -> None:
    chatting.greet()
    for line in _lines():
        chatting.prompting = False
        try:
            if line.strip():
                chatting.print_reply(background.run(chatting.exchange(line.strip())))
        except Unanswered as unanswered:
            if not sys.stdin.isatty():
                raise
            chatting.print_note(f"{unanswered} The reply is shown here when it comes.")
        chatting.prompting = sys.stdin.isatty()


def _lines() -> Iterator[str]:
    """Yield what is typed, or piped in, line by line."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, PLC0415 - gives `input` arrow keys and a history
    with contextlib.suppress(EOFError):
        while True:
            yield input(PROMPT)
    print()  # noqa: T201 - ends the prompt's line after Ctrl-D


class Chatting:
    """One chat: the talk, the server behind it where we started one, and the screen."""

    def __init__(self, console: Console, timeout: float) -> None:
        self.console = console
        self.prompting = False
        self._timeout = timeout
        self._open = AsyncExitStack()
        self._talk: Talk | None = None
        self._partners: Partners | None = None

    async def start(self, tenant: str, user: str, channel: str | None) -> None:
        """Find the simulated Slack (or start it) and listen; raises KonstructError."""
        session = await self._open.enter_async_context(aiohttp.ClientSession())
        slack = await join_or_start(tenant, Settings.from_environment(), session, self._open)
        place = channel or f"D0{user.removeprefix('U0')}"
        self._partners = Partners(slack.address, slack.team, slack.employee, user, place)
        self._talk = Talk(self._partners, session, self.print_late)
        self._open.push_async_callback(self._talk.stop)
        await self._talk.start()

    async def stop(self) -> None:
        """Close everything."""
        await self._open.aclose()

    async def exchange(self, text: str) -> Reply:
        """Say it and show the reply as it grows, where there is a terminal; raises TalkFailed."""
        assert self._talk is not None  # noqa: S101 - `start` comes first
        if not self.console.is_terminal:
            return await self._talk.exchange(text, self._timeout, lambda _: None)
        with Live(console=self.console, transient=True, refresh_per_second=10, vertical_overflow="ellipsis") as live:
            return await self._talk.exchange(text, self._timeout, lambda so_far: live.update(self._growing(so_far)))

    def greet(self) -> None:
        """Say who is there and how to leave, where somebody types."""
        if self.console.is_terminal and sys.stdin.isatty():
            place = self._partners.channel if self._partners else ""
            self.print_note(f"You are talking to {self._name} in {place}. Ctrl-D leaves.")
            self.prompting = True

    def print_reply(self, reply: Reply) -> None:
        """Print a whole reply under the employee's name."""
        self.console.print(self._named(reply.text), soft_wrap=True)

    def print_plain(self, reply: Reply) -> None:
        """Print nothing but what the employee said."""
        self.console.print(Text(_clean(reply.text)), soft_wrap=True)

    def print_note(self, text: str) -> None:
        """Print a remark of ours."""
        self.console.print(Text(text, style="dim"), soft_wrap=True)

    def print_late(self, text: str) -> None:
        """Print what came while nothing was waited for, and the prompt again."""
        if self.prompting:
            self.console.print()
        self.console.print(self._named(text), soft_wrap=True)
        if self.prompting:
            self.console.print(PROMPT, end="", markup=False)

    def _growing(self, reply: Reply) -> Spinner | Text:
        if reply.parts:
            return self._named(reply.text) + Text(" ▌", style="dim")
        return Spinner("dots", Text(f"{self._name} {_clean(reply.status) or '…'}", style="dim"))

    def _named(self, text: str) -> Text:
        return Text.assemble((f"{self._name}{MARK}", "bold cyan"), _clean(text))

    @property
    def _name(self) -> str:
        return _clean(self._partners.employee) if self._partners else ""


class _Background:
    """An event loop in its own thread, so that typing, in the main one, keeps Ctrl-C and line editing."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait for what it returns or raises; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _clean(text: str) -> str:
    return _CONTROL.sub("", text)
