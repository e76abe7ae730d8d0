"""Stripe's hosted pages, as plain as can be: Checkout, the customer portal, an invoice. For people and browsers."""

from collections.abc import Awaitable, Callable
from html import escape

from aiohttp import web

from simulator.stripe.admin import Admin
from simulator.stripe.call import Call
from simulator.stripe.catalog import cost
from simulator.stripe.hosted import line_items, open_session
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing
from simulator.stripe.world import World

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<body style="font:1.1rem/1.5 system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem">
<h1 style="font-size:1.4rem">{title}</h1>{content}</body></html>"""
BUTTON = '<form method="post"><input type="hidden" name="do" value="{do}"><input type="hidden" name="to" value="{to}">'
BUTTON += "<button>{label}</button></form>"
CARDS = {"ok": "Pay with a good card", "declined": "Pay with a card that is declined", "none": "Go on without a card"}


class Pages:
    """The pages' routes."""

    def __init__(self, world: World, admin: Admin) -> None:
        self._world = world
        self._admin = admin

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the pages."""
        router.add_get("/c/pay/{id}", _shown(self.checkout))
        router.add_post("/c/pay/{id}", self.subscribe)
        router.add_get("/p/session/{id}", _shown(self.portal))
        router.add_post("/p/session/{id}", self.change)
        router.add_get("/i/{id}", _shown(self.invoice))

    def checkout(self, id_: str) -> str:
        """Show what is sold, with a button for every card."""
        session = open_session(self._world, id_)
        lines = line_items(self._world, Call({}, (id_,)))["data"]
        sold = "".join(f"<li>{escape(_priced(line['price'], line['quantity']))}</li>" for line in lines)
        cards = "".join(BUTTON.format(do="pay", to=card, label=label) for card, label in CARDS.items())
        back = f'<a href="{escape(session["cancel_url"] or "#")}">Back</a>'
        return _page("Subscribe", f"<ul>{sold}</ul>{cards}{back}")

    async def subscribe(self, request: web.Request) -> web.Response:
        """Take the card, and send the customer back."""
        id_, fields = request.match_info["id"], await request.post()
        try:
            session = self._admin.complete_checkout(id_, str(fields.get("to") or "ok"))
        except Refused as refused:
            return _html(_page("Not subscribed", f"<p>{escape(str(refused))}</p>"), refused.status)
        target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        return web.Response(status=303, headers={"Location": target})

    def portal(self, id_: str) -> str:
        """Show a customer's subscriptions and what can be done."""
        session = self._world.store.get("billing_portal.session", id_)
        shown = "".join(self._subscription(one) for one in self._mine(session))
        cards = "".join(BUTTON.format(do="card", to=card, label=f"Card: {card}") for card in ("ok", "declined"))
        back = f'<a href="{escape(session["return_url"] or "#")}">Back</a>'
        return _page("Your subscription", f"{shown or '<p>None.</p>'}{cards}{back}")

    async def change(self, request: web.Request) -> web.Response:
        """Do what was pressed, and show the page again."""
        session = self._world.store.get("billing_portal.session", request.match_info["id"])
        fields = await request.post()
        do, to = str(fields.get("do")), str(fields.get("to"))
        if do == "card":
            self._admin.use_card(session["customer"], to)
        elif do in ("cancel", "keep") and to in [one["id"] for one in self._mine(session)]:
            self._admin.cancel(to, at_period_end=True) if do == "cancel" else self._admin.keep(to)
        return web.Response(status=303, headers={"Location": request.path})

    def invoice(self, id_: str) -> str:
        """Show an invoice."""
        invoice = self._world.store.get("invoice", id_)
        lines = "".join(
            f"<li>{escape(line['description'])}: {line['amount']}</li>" for line in invoice["lines"]["data"]
        )
        return _page(f"Invoice {invoice['number']}", f"<p>{invoice['status']}</p><ul>{lines}</ul>")

    def _mine(self, session: Thing) -> list[Thing]:
        return [one for one in self._world.store.all("subscription") if one["customer"] == session["customer"]]

    def _subscription(self, one: Thing) -> str:
        do = "keep" if one["cancel_at_period_end"] else "cancel"
        button = BUTTON.format(do=do, to=one["id"], label=do.capitalize()) if one["ended_at"] is None else ""
        return f"<p>{one['id']}: {one['status']}</p>{button}"


def _priced(price: Thing, quantity: int) -> str:
    if price["recurring"]["usage_type"] == "metered":
        return f"{price['nickname'] or price['product']}: as used"
    return f"{price['nickname'] or price['product']}: {cost(price, quantity) / 100:.2f} {price['currency']}"


def _shown(page: Callable[[str], str]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def endpoint(request: web.Request) -> web.Response:
        try:
            return _html(page(request.match_info["id"]))
        except Refused as refused:
            return _html(_page("Nothing here", f"<p>{escape(str(refused))}</p>"), refused.status)

    return endpoint


def _page(title: str, content: str) -> str:
    return PAGE.format(title=escape(title), content=content)


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")
