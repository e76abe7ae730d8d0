"""The Stripe account that is simulated: its keys, and what it remembers of its customers' cards."""

from dataclasses import dataclass

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True, slots=True)
class Account:
    """One account in test mode. Events are signed with every webhook secret: two of them are a rotation."""

    secret_key: str = "sk_test_simulated"  # noqa: S105 - nobody's
    webhook_secrets: tuple[str, ...] = ("whsec_simulated",)
    id: str = "acct_simulated"
    name: str = "Konstruct"
