"""Errors are named for the state they report; `permanent` answers "is a retry pointless?"."""


class KonstructError(Exception):
    """Konstruct could not do this."""

    permanent = True

    def __init__(self, message: str | None = None) -> None:
        """Without a message, the first line of the class docstring is the message."""
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class SettingsInvalid(KonstructError):
    """A setting has a value that cannot be used."""


class TenantFileInvalid(KonstructError):
    """The tenant file cannot be used."""


class PricesInvalid(KonstructError):
    """The list of prices cannot be used."""


class PlansInvalid(KonstructError):
    """The plans cannot be used."""


class UnknownLine(KonstructError):
    """No invoice has such a line."""


class RuleInvalid(KonstructError):
    """The escalation rule cannot be read."""


class UnknownTenant(KonstructError):
    """There is no such tenant."""


class SignatureRejected(KonstructError):
    """The request is not signed by a known app, is stale, or was altered."""


class SecretUnreadable(KonstructError):
    """A stored secret cannot be decrypted with the master keys given."""

    # An operator must mend it; whoever waits for it need not look more often.
    retry_after = 5.0


class DatabaseUnavailable(KonstructError):
    """PostgreSQL did not answer in time; try again shortly."""

    permanent = False


class DatabaseUnfit(KonstructError):
    """PostgreSQL answers, but its role, version or schema is not what Konstruct needs."""


class Unstorable(KonstructError):
    """PostgreSQL will not store this, however often it is tried: it is the row's own fault."""


class Orphaned(Unstorable):
    """What this belongs to is gone, such as an erased tenant."""


class AlreadyTaken(KonstructError):
    """Somebody else has what must be unique."""


class NameForgotten(KonstructError):
    """A tenant of this name was erased; take another name."""


class TooManyAtOnce(KonstructError):
    """Too many messages of this tenant are on their way in; deliver this one again later."""

    permanent = False


class Fenced(KonstructError):
    """Another host owns this shard now; this one must drop the conversation and do nothing more."""


class StaleTurn(KonstructError):
    """The conversation moved on while the turn ran; read it anew and start the turn again."""

    permanent = False


class ModelUnavailable(KonstructError):
    """The model did not give a usable answer; a later attempt may."""

    permanent = False

    def __init__(self, message: str | None = None, retry_after: float | None = None, *, refused: bool = False) -> None:
        """`retry_after`: seconds that the provider asked us to wait, if it did. `refused`: no model saw the request."""
        super().__init__(message)
        self.retry_after = retry_after
        self.refused = refused


class ModelStarting(ModelUnavailable):
    """The model is still starting; `konstruct status` shows it."""

    def __init__(self, message: str | None = None) -> None:
        """No model saw the request."""
        super().__init__(message, refused=True)


class ModelRefused(KonstructError):
    """The model will not answer this request however often it is asked (key, name or request is wrong)."""

    refused = True


class ModelMisconfigured(ModelRefused):
    """The model cannot be used as it is configured: its key, name or address is wrong, or nobody pays for it."""


class PromptTooLong(ModelRefused):
    """The prompt is longer than the model can read."""


class ChannelRefused(KonstructError):
    """The channel will not take this message however often it is sent."""

    # It was the connection that was refused, such as its token: nothing goes there until an operator has mended it.
    disconnected = False


class ChannelBusy(KonstructError):
    """The channel asked us to wait."""

    permanent = False

    def __init__(self, retry_after: float, message: str | None = None) -> None:
        """`retry_after`: seconds that the channel asked us to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class ChannelOutcomeUnknown(KonstructError):
    """The request left, but no answer came: the message may or may not be visible."""

    permanent = False


class EmbedderUnavailable(KonstructError):
    """The embedder did not answer; memories are embedded later, and this answer does without them."""

    permanent = False


class MediaUnavailable(KonstructError):
    """The store of files did not answer, or does not have this one."""

    permanent = False


class AuditDamaged(KonstructError):
    """The end of the audit's chain cannot be read, so nothing can be sealed after it; see docs/audit.md."""


class StripeUnavailable(KonstructError):
    """Stripe did not answer, or could not do this now; try again."""

    permanent = False


class StripeRefused(KonstructError):
    """Stripe will not do this however often it is asked."""

    def __init__(self, message: str | None = None, code: str = "") -> None:
        """`code`: Stripe's own word, such as resource_missing."""
        super().__init__(message)
        self.code = code


class AlreadySubscribed(KonstructError):
    """The tenant has a subscription already."""


class BillUnsettled(KonstructError):
    """Stripe would go on charging the tenant, or has not been told all that it used."""


class PlanNotSold(KonstructError):
    """There is no such plan to subscribe to."""


# What ends by itself, or with an operator's help, and is no fault of any message: waited for, not counted.
PASSING = (DatabaseUnavailable, DatabaseUnfit, SecretUnreadable, ChannelBusy, ChannelOutcomeUnknown)
