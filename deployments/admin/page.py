"""Lists, a page at a time: cursors are opaque, sealed, and good for one tenant and one list only."""

import json
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from deployments.admin.problem import Problem
from konstruct.errors import SecretUnreadable
from konstruct.vault import Vault

T = TypeVar("T")
INSTALLATION = UUID(int=0)  # lists that belong to no tenant

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
After = Annotated[str | None, Query(alias="cursor", max_length=2000, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Ask with it for what follows; null on the last page.")


def seal(vault: Vault, tenant: UUID, listed: str, position: list[Any]) -> str:
    """A cursor behind `position`, in the list called `listed`."""
    return vault.encrypt(tenant, json.dumps([listed, *position])).decode()


def opened(vault: Vault, tenant: UUID, listed: str, cursor: str | None) -> list[Any] | None:
    """The position that `seal` was given, None without a cursor; raises Problem for any other text."""
    if cursor is None:
        return None
    position: list[Any]
    try:
        made_for, *position = json.loads(vault.decrypt(tenant, cursor.encode("utf-8", "replace")))
    except SecretUnreadable:
        made_for, position = None, []
    if made_for != listed:
        raise Problem("This cursor was not made for this list; leave it out to begin at the first page.")
    return position
