"""What Meta's webhooks come to, typed."""

from dataclasses import dataclass
from typing import Literal

from konstruct.messages import Attachment, Kind

DeliveryStatus = Literal["sent", "delivered", "read", "played", "failed"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on WhatsApp, as far as Meta tells: any id may be empty, a person with a username shows no number."""

    user_id: str = ""  # business-scoped, like US.1349; a new phone number brings a new one
    parent_user_id: str = ""  # the same across linked business portfolios, like US.ENT.1181
    phone: str = ""
    wa_id: str = ""  # nearly always the phone number
    name: str = ""

    @property
    def aliases(self) -> tuple[str, ...]:
        """All ids, the most stable first."""
        return tuple(dict.fromkeys(filter(None, (self.user_id, self.parent_user_id, self.phone, self.wa_id))))

    @property
    def recipient(self) -> str:
        """Where to send: Meta asks for the phone number where it is known."""
        return self.phone or self.wa_id or self.user_id or self.parent_user_id


@dataclass(frozen=True, slots=True)
class Said:
    """A contact said, changed or took back something; kind `operator`: a human of the business did, in the app."""

    number: str
    id: str
    person: Person
    at: float  # Unix seconds, 0 = not told
    kind: Kind
    text: str
    target: str = ""
    quoted: str = ""  # the id of the message it replies to
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as Meta reports it."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a message that the business sent."""

    number: str
    id: str
    status: DeliveryStatus
    at: float
    person: Person
    reply: str = ""  # biz_opaque_callback_data: our reply's id
    problems: tuple[Problem, ...] = ()
    billable: bool | None = None
    category: str = ""  # of the price: service, utility, …


@dataclass(frozen=True, slots=True)
class Moved:
    """A person has other ids now; the history stays theirs."""

    number: str
    id: str
    at: float
    before: tuple[str, ...]
    after: Person


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about an account, a template or a person that asks for no answer; `alarming`: an operator must act."""

    number: str
    account: str
    topic: str
    text: str
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Signed, but not as Meta documents it: kept for the operator."""

    number: str
    reason: str


Record = Said | Status | Moved | Notice | Unreadable
