"""Stripe's API through Stripe's own SDK: the only module that knows it. Calls run in a thread, errors are ours."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from konstruct.errors import StripeRefused, StripeUnavailable
from konstruct.settings import Settings

if TYPE_CHECKING:
    from stripe import StripeClient

T = TypeVar("T")
CALL_SECONDS = 6.0
RETRIES = 1


class StripeApi:
    """One account. The SDK is loaded with the first call: most processes never make one."""

    def __init__(self, url: str, key: str | None, *, retries: int = RETRIES) -> None:
        """`key` None: billing is off, and every call raises StripeRefused."""
        self._url = url.rstrip("/")
        self._key = key
        self._retries = retries
        self._client: StripeClient | None = None

    @classmethod
    def of(cls, settings: Settings) -> "StripeApi":
        """That of this installation."""
        return cls(settings.stripe_api_url, settings.stripe_secret_key)

    async def call(self, do: Callable[["StripeClient"], T]) -> T:
        """Do something with `client.v1.…`; raises StripeUnavailable (try again) or StripeRefused.

        Give whatever creates something an idempotency key of its own, so that a repetition finds it.
        """
        return await asyncio.to_thread(self._do, do)

    async def subscription(self, id_: str) -> dict[str, Any]:
        """A subscription as it is now."""
        return await self.call(lambda client: client.v1.subscriptions.retrieve(id_).to_dict())

    async def related(self, url: str) -> dict[str, Any]:
        """What a thin event is about, as it is now; `url`: as the event names it."""
        if not url.startswith("/v1/"):
            raise StripeRefused(f"The event is about {url!r}, which is nothing of Stripe's API v1.")
        found: dict[str, Any] = await self.call(lambda client: dict(client.raw_request("get", url).data))
        return found

    async def event(self, id_: str) -> dict[str, Any]:
        """A whole event; Stripe keeps them for 30 days."""
        return await self.call(lambda client: client.v1.events.retrieve(id_).to_dict())

    def _do(self, do: Callable[["StripeClient"], T]) -> T:
        import stripe  # noqa: PLC0415 - takes a third of a second

        try:
            return do(self._opened())
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise StripeUnavailable(f"Stripe did not answer: {error.user_message or error}.") from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            raise StripeRefused(
                f"Stripe refuses KONSTRUCT_STRIPE_SECRET_KEY ({error.code or error.http_status}); "
                "its Dashboard shows the account's keys.",
                error.code or "",
            ) from error
        except stripe.StripeError as error:
            if error.http_status is None or error.http_status >= 500 or error.http_status == 409:
                raise StripeUnavailable(f"Stripe failed: {error.user_message or error}.") from error
            raise StripeRefused(f"Stripe refuses this: {error.user_message or error}", error.code or "") from error

    def _opened(self) -> "StripeClient":
        import stripe  # noqa: PLC0415

        if self._key is None:
            raise StripeRefused("Billing is off: KONSTRUCT_STRIPE_SECRET_KEY is not set.", "off")
        if self._client is None:
            stripe.enable_telemetry = False
            self._client = stripe.StripeClient(
                self._key,
                base_addresses={"api": self._url},
                max_network_retries=self._retries,
                http_client=stripe.RequestsClient(timeout=CALL_SECONDS),
            )
        return self._client
