"""The application behind `/admin`: its routes, and how what goes wrong is said."""

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from deployments.admin import (
    audit,
    bill,
    budgets,
    channels,
    contacts,
    conversations,
    dead_letters,
    employees,
    installation,
    installation_audit,
    login,
    members,
    models,
    prices,
    reconciling,
    secrets_at_rest,
    sessions,
    slack_links,
    subscription,
    tenants,
    tokens,
    usage,
    web_links,
)
from deployments.admin.credentials import Credentials, installation_owner, tenant_tokens
from deployments.admin.guard import Guard
from deployments.admin.parts import Parts
from deployments.admin.problem import POSSIBLE, Problem, ProblemDetails, Wrong, answer, problem_of
from deployments.admin.session import Cookies, people
from konstruct.errors import KonstructError

ROOT = "/admin/v1"
# One module a subject; the list is what there is.
ROUTERS = (
    tenants.router,
    employees.router,
    channels.router,
    models.router,
    conversations.router,
    contacts.router,
    usage.router,
    budgets.router,
    subscription.router,
    bill.router,
    dead_letters.router,
    web_links.router,
    slack_links.router,
    installation.router,
    prices.router,
    reconciling.router,
    installation_audit.router,
    secrets_at_rest.router,
    audit.router,
    tokens.router,
    members.router,
    sessions.router,
    login.router,
)

log = structlog.get_logger()


def admin(parts: Parts) -> Guard:
    """The guarded application."""
    ways = [installation_owner(parts.settings.admin_token), tenant_tokens(parts.database), people(parts.database)]
    return Guard(application(parts), Credentials(ways), Cookies(parts.settings.public_url))


def application(parts: Parts) -> FastAPI:
    """The routes without their guard."""
    app = FastAPI(
        title="Konstruct",
        version="1",
        summary="The operators' API.",
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=POSSIBLE,
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # documents what the guard asks for
        generate_unique_id_function=_operation,
        exception_handlers={
            KonstructError: _refuse,
            RequestValidationError: _name_fields,
            HTTPException: _no_route,
            Exception: _fail,
        },
    )
    app.state.parts = parts
    for router in ROUTERS:
        app.include_router(router, prefix=ROOT)
    _describe_problems(app)
    return app


def _operation(route: APIRoute) -> str:
    return route.name


def _describe_problems(app: FastAPI) -> None:
    document = app.openapi()
    schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= schema.pop("$defs", {}) | {"ProblemDetails": schema}


async def _refuse(request: Request, error: Exception) -> Response:
    problem = problem_of(error if isinstance(error, KonstructError) else KonstructError(str(error)))
    if problem.status >= 500:
        log.error("the admin API failed", request=request.state.request_id, path=request.url.path, reason=str(error))
    return answer(problem, request.state.request_id)


async def _name_fields(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    wrong = [Wrong(field=".".join(map(str, one["loc"])), why=one["msg"]) for one in found]
    named = "; ".join(f"{one.field}: {one.why}" for one in wrong[:5])
    return answer(Problem(f"A field cannot be used: {named}.", status=422), request.state.request_id, wrong)


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    headers = dict(getattr(error, "headers", None) or {})
    said = {404: "There is no such address; the API is described at /admin/v1/openapi.json."}
    detail = said.get(status, f"{request.method} is not possible here.")
    return answer(Problem(detail, status=status, headers=headers), request.state.request_id)


async def _fail(request: Request, error: Exception) -> Response:
    log.error("the admin API failed", request=request.state.request_id, path=request.url.path, exc_info=error)
    return answer(
        Problem("Something went wrong; the log has it under this request id.", status=500), request.state.request_id
    )
