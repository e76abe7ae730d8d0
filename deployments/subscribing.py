"""Subscriptions from the operator's command line."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from deployments.installation.tenants import open_database
from konstruct.billing.checkout import Cashier
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import subscriptions
from konstruct.database.pool import Database
from konstruct.database.subscriptions import Customer
from konstruct.database.tenants import tenant_of
from konstruct.errors import UnknownTenant
from konstruct.identity import tenant_id
from konstruct.settings import Settings


async def standing(environment: Mapping[str, str], name: str) -> tuple[Customer | None, list[dict[str, Any]]]:
    """The tenant in Stripe, and its subscriptions; raises UnknownTenant."""
    async with _tenant(environment, name) as (_, database, tenant):
        found = await subscriptions.of_tenant(database, tenant)
        return await subscriptions.customer(database, tenant), found


async def open_checkout(environment: Mapping[str, str], name: str, plan: str, trial_days: int) -> str:
    """The address of a page to subscribe on."""
    async with _tenant(environment, name) as (settings, database, tenant):
        cashier = Cashier(database, StripeApi.of(settings), settings.public_url)
        return await cashier.checkout(tenant, name, plan, key=secrets.token_hex(8), trial_days=trial_days)


async def open_portal(environment: Mapping[str, str], name: str) -> str:
    """The address of a page to change things on."""
    async with _tenant(environment, name) as (settings, database, tenant):
        cashier = Cashier(database, StripeApi.of(settings), settings.public_url)
        return await cashier.portal(tenant, name, key=secrets.token_hex(8))


@asynccontextmanager
async def _tenant(environment: Mapping[str, str], name: str) -> AsyncIterator[tuple[Settings, Database, UUID]]:
    settings, tenant = Settings.from_environment(environment), tenant_id(name)
    async with open_database(settings) as database:
        async with database.tenant(tenant) as connection:
            if await tenant_of(connection) is None:
                raise UnknownTenant(f"There is no tenant {name!r}; `konstruct apply` makes one.")
        yield settings, database, tenant
