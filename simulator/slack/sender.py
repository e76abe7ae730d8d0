"""What Slack sends to an app, over HTTP or through the socket that the app holds open."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson

from simulator.delivery import Attempt, Courier, Delivery, Parcel, Said, said
from simulator.slack.app import App
from simulator.slack.event import FORM, callback, new_event_id, signed
from simulator.slack.options import Options


class Socket(Protocol):
    """A way to an app that it opened itself."""

    async def offer(self, app: App, kind: str, payload: dict[str, Any]) -> Attempt | None:
        """Send it and wait for the acknowledgement; None where the app holds no socket open."""


class Sender:
    """Knows the app's URLs: those of interactivity and commands are beside that of the events, unless given."""

    def __init__(self, courier: Courier, options: Options, socket: Socket, urls: Callable[[str], str | None]) -> None:
        """`urls` gives the URL for "interactivity" and "commands", None for the usual one."""
        self._courier = courier
        self._options = options
        self._socket = socket
        self._urls = urls

    async def event(
        self,
        app: App,
        event: dict[str, Any],
        *,
        event_id: str | None = None,
        from_team: str | None = None,
        event_time: int | None = None,
    ) -> Said:
        """Deliver an inner event; returns after the first attempt."""
        event_id = event_id or new_event_id()
        name_team = self._options.org_events_name_team
        wrapped = callback(app, event, event_id, from_team=from_team, name_team=name_team)
        wrapped["event_time"] = event_time or wrapped["event_time"]
        item = event.get("item") or {}
        channel, ts = event.get("channel") or item.get("channel", ""), event.get("ts") or item.get("ts", "")
        delivery = Delivery(event_id, app.team, str(channel), str(ts))
        attempt = await self._socket.offer(app, "events_api", wrapped)
        if attempt is not None:
            return self._noted(delivery, attempt)
        body = orjson.dumps(wrapped)
        return said(delivery, await self._courier.deliver(Parcel(delivery, body, partial(signed, app, body))))

    async def interactive(self, app: App, channel: str, ts: str, payload: dict[str, Any]) -> Said:
        """Deliver what somebody pressed, as a form."""
        delivery = Delivery(new_event_id(), app.team, channel, ts)
        attempt = await self._socket.offer(app, "interactive", payload)
        if attempt is not None:
            return self._noted(delivery, attempt)
        return await self._form(app, delivery, "interactivity", {"payload": orjson.dumps(payload).decode()})

    async def command(self, app: App, channel: str, fields: dict[str, str]) -> Said:
        """Deliver a slash command, as a form."""
        delivery = Delivery(new_event_id(), app.team, channel, "")
        attempt = await self._socket.offer(app, "slash_commands", fields)
        if attempt is not None:
            return self._noted(delivery, attempt)
        return await self._form(app, delivery, "commands", fields)

    async def raw(self, app: App, body: dict[str, Any]) -> Said:
        """Deliver a body that is no event's callback, such as a URL verification; it is not repeated."""
        delivery, data = Delivery(new_event_id(), app.team, "", ""), orjson.dumps(body)
        headers = partial(signed, app, data)
        return said(delivery, await self._courier.deliver(Parcel(delivery, data, headers, retries=False)))

    async def _form(self, app: App, delivery: Delivery, door: str, fields: dict[str, str]) -> Said:
        body = urlencode(fields).encode()
        headers = partial(signed, app, body, content_type=FORM)
        url = self._urls(door) or f"{(self._courier.webhook or '').removesuffix('/events')}/{door}"
        return said(delivery, await self._courier.deliver(Parcel(delivery, body, headers, url, retries=False)))

    def _noted(self, delivery: Delivery, attempt: Attempt) -> Said:
        delivery.attempts.append(attempt)
        delivery.acknowledged = not attempt.reason
        self._courier.deliveries.append(delivery)
        return said(delivery, attempt)
