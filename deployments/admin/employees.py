"""`/employees`: who answers, with which model, and what they were told."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Asking, OwnerChanging, Viewing
from deployments.admin.once import once
from deployments.admin.page import Page
from deployments.admin.problem import NotHere, Problem
from deployments.admin.whole import check_whole
from konstruct.database import configuration
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import employees_of, save_employee
from konstruct.identity import employee_id
from konstruct.tenant_file import EmployeeEntry

router = APIRouter(prefix="/tenants/{tenant}/employees", tags=["employees"])


class Employee(BaseModel):
    """An AI employee."""

    id: UUID
    name: str
    instructions: str
    model: str = Field(description="A name of /models, or local/….")
    fallback_model: str | None
    options: dict[str, Any]


@router.get("")
async def list_employees(access: Asking) -> Page[Employee]:
    """All of them."""
    async with access.transaction() as connection:
        return Page(items=await employees(connection), next_cursor=None)


@router.get("/{id_}", response_model=Employee)
async def read_employee(id_: UUID, access: Viewing) -> Response:
    """One of them."""
    async with access.transaction() as connection:
        return access.show(await _found(connection, id_))


@router.put("/{id_}", response_model=Employee)
async def change_employee(id_: UUID, wanted: EmployeeEntry, access: OwnerChanging) -> Response:
    """Make the employee what you say; the name stays."""

    async def effect(connection: TenantConnection) -> Employee:
        await configuration.lock(connection)
        access.check_match(await _found(connection, id_))
        if employee_id(connection.tenant, wanted.name) != id_:
            raise Problem("An employee keeps its name: memories and conversations belong to it.", status=422)
        await save_employee(connection, wanted)
        await check_whole(connection, access)
        return await _found(connection, id_)

    return await once(access, effect)


async def employees(connection: TenantConnection) -> list[Employee]:
    """The tenant's, by name."""
    found = [Employee(id=id_, **fields) for id_, fields in (await employees_of(connection)).items()]
    return sorted(found, key=lambda employee: employee.name)


async def _found(connection: TenantConnection, id_: UUID) -> Employee:
    found = [employee for employee in await employees(connection) if employee.id == id_]
    if not found:
        raise NotHere
    return found[0]
