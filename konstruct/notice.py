"""What operators are told, in their own channel."""

from collections.abc import Sequence
from uuid import UUID

from konstruct.messages import Address, Reply, Spoken

EXCERPT_ENTRIES = 6
EXCERPT_CHARS = 300

_SPEAKERS = {"contact": "Contact", "employee": "Employee", "operator": "Operator"}


def handed_over(
    employee: str, rule: str, window: Sequence[Spoken], link: str, conversation: UUID, *, seconds: float
) -> str:
    """A conversation needs a human: why, what was said last, where it is, how to give it back."""
    said = "\n".join(_excerpt(window))
    resume = (
        f"{employee} is silent there for {seconds / 60:.0f} minutes, "
        f"or until somebody types `/konstruct resume {conversation}` in this channel."
    )
    # A blank line between: in Markdown a quotation goes on without one.
    return "\n\n".join([f"{employee} has handed a conversation over: {rule}", said, f"Conversation: {link}\n{resume}"])


def not_delivered(reply: Reply, reason: str, link: str) -> str:
    """A reply could not be sent."""
    return "\n\n".join(
        [
            f"A reply could not be delivered on {reply.channel}: {reason}",
            f"> {reply.text[:EXCERPT_CHARS]}",
            f"Conversation: {link}",
        ]
    )


def stuck(reply: Reply, reason: str, link: str) -> str:
    """A reply fails, try after try, and its conversation waits."""
    return "\n\n".join(
        [
            f"A reply does not get out on {reply.channel}, however often it is tried: {reason}",
            f"> {reply.text[:EXCERPT_CHARS]}",
            f"Conversation: {link}",
            "Later replies there wait for it. If others elsewhere get out, it is set aside; after a day in any case.",
        ]
    )


def set_aside(letters: Sequence[int], channel: str) -> str:
    """Messages that nobody answers any more. Whose they are is not said: nothing would forget it with the person."""
    ids = ", ".join(f"message/{letter}" for letter in letters)
    return (
        f"Set aside on {channel} without an answer, because each attempt at one failed: {ids}\n\n"
        "`konstruct dead-letters list TENANT` shows why, and what may have followed in the next ten minutes; `retry` "
        "tries one again, `discard` gives it up."
    )


def disconnected(reply: Reply, reason: str) -> str:
    """Nothing goes out over a connection until it is mended."""
    wait = "Until then all answers there wait, each for up to a day; what cannot go by then is set aside."
    return f"Nothing can be sent on {reply.channel} ({reply.address.team}): {reason}\n\n{wait}"


def model_misconfigured(employee: str, model: str, reason: str, instead: str | None) -> str:
    """A model will refuse everybody until somebody mends what is configured."""
    then = f"{instead} answers instead." if instead else "contacts are told that no answer is possible right now."
    return (
        f"{employee} cannot use the model {model}: {reason}\n\n"
        f"Until that is mended, {then} The key, the name and the address of a model are in the tenant file."
    )


def books_differ(month: str, ledger: int, stripe: int, refused: int, micros: int) -> str:
    """The nightly comparison has found a difference between the ledger and Stripe."""
    known = f" Of it, {refused:,} were refused by Stripe or are in doubt." if refused else ""
    return (
        f"Usage of {month}: the ledger has {ledger:,} units, Stripe has counted {stripe:,}; that is a difference of "
        f"{micros:,} micro-USD at the plan's price.{known} `konstruct bill explain` shows what the ledger consists of."
    )


def of_budget(
    tenant: str, employee: str, link: str, instead: Sequence[str], unpriced: Sequence[str] = ()
) -> dict[str, str]:
    """Words for SQL's format(): how far a budget is used up (`part`), that there is no room any more (`full`).

    `unpriced`: models whose price nobody knows, so that there is room for them in no budget of money.
    """
    models = ", then ".join(instead).replace("%", "%%")
    then = f"Answers come from {models} as long as there is room." if instead else ""
    stop = "Contacts who cannot be answered are told so."
    words = {
        "part": "%2$s %% of the month's budget of %1$s is used: %3$s of %4$s.",
        "full": "The month's budget of %1$s has no room for another answer: %3$s of %4$s is used. "
        f"{then} {stop} `budgets` in the tenant file sets the limit.",
    }
    if unpriced:
        names = ", ".join(unpriced).replace("%", "%%")
        words["full"] = (
            f"Nobody knows what {names} costs, so the month's budget of %1$s, %4$s, could not hold. "
            f"{then} {stop} The `price` of the model says it."
        )
    subjects = {"tenant": tenant, "employee": employee, "conversation": f"one conversation ({link})"}
    return subjects | words


def link_to(channel: str, address: Address) -> str:
    """Where an operator finds the conversation."""
    match channel:
        case "slack":
            place = f"https://app.slack.com/client/{address.team}/{address.channel}"
            return f"{place}/thread/{address.channel}-{address.thread}" if address.thread else place
        case "whatsapp":
            # Who shows no number has no link, and is found in the WhatsApp app only.
            shown = f"https://wa.me/{address.channel}" if address.channel.isdigit() else "no number shown"
            return f"WhatsApp contact {address.channel} ({shown})"
        case "web":
            return f"visitor {address.channel} of the site {address.team}; nobody can write to them in the web chat"
        case _:
            return f"{channel} {address.team}/{address.channel}"


def _excerpt(window: Sequence[Spoken]) -> list[str]:
    return [f"> {_SPEAKERS[entry.role]}: {entry.text[:EXCERPT_CHARS]}" for entry in window[-EXCERPT_ENTRIES:]]
