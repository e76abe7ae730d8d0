"""One business number: the ids and secrets that Meta and the app share."""

from dataclasses import dataclass

SECRET_FIELDS = frozenset({"access_token", "app_secret", "verify_token"})


@dataclass(frozen=True, slots=True)
class Number:
    """`tenant` is our word for whose number it is; Meta never sees it. `account`: the WhatsApp Business Account."""

    tenant: str = "acme"
    name: str = "Acme"
    phone_number_id: str = "106500000000001"
    display_phone_number: str = "15550783881"
    account: str = "102290129340398"
    access_token: str = "EAAG-demo-acme"  # noqa: S105 - a made-up token of a made-up business
    app_secret: str = "simulated-app-secret"  # noqa: S105 - the same
    verify_token: str = "simulated-verify-token"  # noqa: S105 - the same
