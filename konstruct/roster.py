"""Who works for a tenant: the employee with its models and channels, read from PostgreSQL, kept for seconds."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from konstruct.budget import Budget, limited
from konstruct.channels import CHANNELS, Channel, Line
from konstruct.channels.channel import Feed
from konstruct.database.audit import record_keys
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow, ModelRow, TenantRow, read_tenant
from konstruct.errors import ChannelBusy, KonstructError
from konstruct.escalation import parse
from konstruct.jointly import Jointly
from konstruct.limits import Limits
from konstruct.media.reader import Transcribing
from konstruct.messages import Address
from konstruct.models import Model
from konstruct.models.local import MAX_ANSWER_TOKENS
from konstruct.price_list import PriceList, provider_of
from konstruct.pricing import Terms
from konstruct.tenant_file import LOCAL
from konstruct.triage import HANDED_OVER, HANDED_OVER_ON_WEB, Escalation
from konstruct.vault import Vault

KEPT_SECONDS = 5.0

OpenModel = Callable[[UUID, str, ModelRow | None], Model]
OpenTranscriber = Callable[[ModelRow], Transcribing]


class Rotation(Protocol):
    """Renews tokens that expire."""

    async def fresh(self, channel: ChannelRow) -> ChannelRow:
        """The channel itself, or with a token that was renewed just now; raises KonstructError."""
        ...


class NobodyAssigned(KonstructError):
    """No employee of this tenant works in that channel any more."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """An employee at work in one channel. The first model answers, the others are its fallbacks."""

    employee: UUID
    name: str
    instructions: str
    models: tuple[Model, ...]
    quiet_seconds: float
    channel: Channel
    escalation: Escalation = field(default_factory=Escalation)
    operators: Address | None = None  # where the humans are told, in Slack
    transcriber: Transcribing | None = None  # who writes down recordings
    options: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Terms] = field(default_factory=dict)  # by the name of the model
    limits: Limits = field(default_factory=Limits)
    suspended: bool = False  # the tenant's subscription does not pay for answers
    budget: Budget | None = None

    @property
    def all_models(self) -> tuple[Model, ...]:
        """Also those that answer only where a budget has no room for the others."""
        return self.models + (self.budget.instead if self.budget else ())


class Roster:
    """Assignments by tenant, channel and team; a configuration change is seen within KEPT_SECONDS."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        open_model: OpenModel,
        api_urls: dict[str, str],
        session: Any,
        *,
        rotation: Rotation,
        feed: Feed | None = None,
        open_transcriber: OpenTranscriber | None = None,
        prices: PriceList | None = None,
        limits: Limits | None = None,
    ) -> None:
        """`open_model(tenant, name, row)`: row is None for a local model. `api_urls`: channel kind -> base URL.

        `limits`: of a tenant whose file names none.
        """
        self._rotation = rotation
        self._database = database
        self._vault = vault
        self._open_model = open_model
        self._api_urls = api_urls
        self._session = session
        self._feed = feed
        self._open_transcriber = open_transcriber
        self._prices = prices or PriceList()
        self._limits = limits or Limits()
        self._kept: dict[UUID, tuple[float, TenantRow | None]] = {}
        self._reads: Jointly[UUID, TenantRow | None] = Jointly()
        self._opened: dict[tuple[UUID, str, str], tuple[TenantRow, Assignment]] = {}

    async def assignment(self, tenant: UUID, kind: str, team: str, *, anew: bool = False) -> Assignment:
        """Who answers there; raises NobodyAssigned. `anew`: what was read a moment ago does not do."""
        row = await self._row(tenant, anew=anew)
        try:
            channel = _connected(row, kind, team)
        except NobodyAssigned:
            # Connected a moment ago, perhaps.
            row = await self._row(tenant, anew=True)
            channel = _connected(row, kind, team)
        if channel.expires_at is not None:
            row = await self._lasting(row, channel)
        opened = self._opened.get((tenant, kind, team))
        # An unchanged row is the same object: models and their HTTP connections stay open.
        if opened is None or opened[0] is not row:
            opened = (row, self._open(row, kind, team))
            for model in opened[1].all_models:
                await model.start()
            await record_keys(self._database, tenant, _keys_of(opened[0], kind, team))
            # Of those who opened it at once the first stays: a channel paces its workspace for all conversations.
            others = self._opened.get((tenant, kind, team))
            opened = others if others is not None and others[0] is row else opened
            self._opened[tenant, kind, team] = opened
        return opened[1]

    async def operators_of(self, tenant: UUID) -> Address | None:
        """Where the humans of a tenant are told; None where nowhere."""
        try:
            return (await self._row(tenant)).operators_place
        except NobodyAssigned:
            return None

    async def _lasting(self, row: TenantRow, channel: ChannelRow) -> TenantRow:
        """The tenant with a token that holds."""
        with suppress(ChannelBusy):
            renewed = await self._rotation.fresh(channel) is not channel
            return await self._row(channel.tenant, anew=True) if renewed else row
        # Another process renews it, and may have stored it by now.
        row = await self._row(channel.tenant, anew=True)
        await self._rotation.fresh(_connected(row, channel.kind, channel.team))
        return row

    async def _row(self, tenant: UUID, *, anew: bool = False) -> TenantRow:
        read_at, row = self._kept.get(tenant, (-KEPT_SECONDS, None))
        if anew or time.monotonic() - read_at >= KEPT_SECONDS:
            read = partial(read_tenant, self._database, tenant, self._vault)
            fresh = await (self._reads.ask(tenant, read) if not anew else read())
            # Others may have read it meanwhile: an unchanged row stays the same object for all.
            _, kept = self._kept.get(tenant, (0.0, None))
            row = kept if fresh == kept else fresh
            self._kept[tenant] = (time.monotonic(), row)
        if row is None:
            raise NobodyAssigned(f"There is no tenant {tenant} any more.")
        return row

    def _open(self, row: TenantRow, kind: str, team: str) -> Assignment:
        channel = _connected(row, kind, team)
        employee = row.employees[channel.employee]
        names = [name for name in (employee["model"], employee["fallback_model"]) if name]
        at_limit = row.budgets.get("at_limit", ())
        models = {name: self._model(channel.tenant, row, name) for name in dict.fromkeys([*names, *at_limit])}
        return Assignment(
            employee=channel.employee,
            name=employee["name"] or "",
            instructions=employee["instructions"] or "",
            models=tuple(models[name] for name in names),
            quiet_seconds=row.quiet_seconds,
            channel=CHANNELS[kind](self._line(channel)),
            escalation=_escalation(row.escalation, kind),
            operators=row.operators_place,
            transcriber=self._transcriber(row),
            options=employee["options"],
            budget=_budget(row, [models[name] for name in at_limit]),
            terms={model.name: self._terms(row, name) for name, model in models.items()},
            limits=self._limits.changed(row.limits),
            suspended=row.suspended,
        )

    def _line(self, channel: ChannelRow) -> Line:
        return Line(
            channel.tenant, channel.team, channel.account, channel.secrets, channel.options,
            self._api_urls.get(channel.kind, ""), self._session, self._feed,
        )  # fmt: skip

    def _model(self, tenant: UUID, row: TenantRow, name: str) -> Model:
        return self._open_model(tenant, name, None if name.startswith(LOCAL) else row.models[name])

    def _terms(self, row: TenantRow, name: str) -> Terms:
        if name.startswith(LOCAL):
            return Terms("local", self._prices.price(name), MAX_ANSWER_TOKENS)
        model = row.models[name]
        price = self._prices.price(model.litellm, model.price)
        return Terms(provider_of(model.litellm), price, model.max_answer_tokens)

    def _transcriber(self, row: TenantRow) -> Transcribing | None:
        names = sorted(name for name, model in row.models.items() if model.transcription)
        return self._open_transcriber(row.models[names[0]]) if names and self._open_transcriber else None


def _keys_of(row: TenantRow, kind: str, team: str) -> list[str]:
    """Subjects for the audit: whose secrets a host holds from now on."""
    channel = _connected(row, kind, team)
    employee = row.employees[channel.employee]
    used = {employee["model"], employee["fallback_model"], *row.budgets.get("at_limit", ())} & {
        name for name, model in row.models.items() if model.api_key
    }
    return [f"channel:{kind}/{channel.app}/{team}", *(f"model:{name}" for name in sorted(used))]


def _budget(row: TenantRow, instead: list[Model]) -> Budget | None:
    stored = row.budgets
    if not limited(stored, "micros", "tokens"):
        return None
    return Budget(row.name, bool(limited(stored, "micros")), tuple(instead), stored.get("message"))


def _connected(row: TenantRow, kind: str, team: str) -> ChannelRow:
    found = [channel for channel in row.channels if (channel.kind, channel.team) == (kind, team)]
    if not found:
        raise NobodyAssigned(
            f"No employee of tenant {row.name} works in {kind} team {team}; add it to the tenant file."
        )
    for channel in found:
        if not channel.disconnected:
            return channel
    raise NobodyAssigned(f"The app was removed from {kind} team {team}; install it again.")


def _escalation(stored: dict[str, Any], kind: str) -> Escalation:
    if not stored:
        return Escalation()
    rules, message = tuple(parse(rule) for rule in stored.get("rules", ())), stored["message"]
    if kind == "web":
        # Nobody can write into a web chat: there the usual promise would be broken.
        message = stored.get("web_message") or (HANDED_OVER_ON_WEB if message == HANDED_OVER else message)
    return Escalation(rules, message, stored["resume_after_minutes"] * 60.0)
