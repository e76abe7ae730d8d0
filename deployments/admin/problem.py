"""What could not be done, as RFC 9457 says it: `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from actors.retention import SealingGoesOn
from konstruct import errors
from konstruct.audit_export import ExportImpossible
from konstruct.database.audit_months import StillUnsealed
from konstruct.errors import KonstructError
from konstruct.key_rotation import KeyStillNeeded

MEDIA_TYPE = "application/problem+json"
# The first that fits decides.
STATUSES: tuple[tuple[type[KonstructError], int], ...] = (
    (errors.DatabaseUnavailable, 503),
    (errors.DatabaseUnfit, 503),
    (errors.TenantFileInvalid, 422),
    (errors.RuleInvalid, 422),
    (errors.AlreadyTaken, 409),
    (errors.NameForgotten, 409),
    (errors.SecretUnreadable, 409),
    (KeyStillNeeded, 409),
    (errors.UnknownTenant, 404),
    (ExportImpossible, 409),
    (errors.AuditDamaged, 409),
    (StillUnsealed, 409),
    (SealingGoesOn, 409),
    (errors.UnknownLine, 404),
    (errors.StripeUnavailable, 503),
    (errors.StripeRefused, 409),
    (errors.AlreadySubscribed, 409),
    (errors.BillUnsettled, 409),
    (errors.PlanNotSold, 422),
    (errors.PlansInvalid, 409),
    (errors.PricesInvalid, 409),
)


class Problem(KonstructError):
    """The request could not be answered."""

    status = 400

    def __init__(
        self, detail: str | None = None, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """`detail`: what happened, why, and what to do; without it, the docstring says it."""
        super().__init__(detail)
        self.status = status or self.status
        self.headers = dict(headers or {})


class NotHere(Problem):
    """There is no such thing here: it never was, it is gone, or it is not yours to see."""

    status = 404


class NotAllowed(Problem):
    """Your role does not allow this; ask an owner of the tenant."""

    status = 403


class ChangedMeanwhile(Problem):
    """It is not any more as If-Match says; read it again, and decide anew."""

    status = 412


class KeyReused(Problem):
    """This Idempotency-Key was used for another request; use a new one for a new request."""

    status = 422


class Wrong(BaseModel):
    """One field that cannot be used; what was given is not repeated, it may be a secret."""

    field: str
    why: str


class ProblemDetails(BaseModel):
    """The body of every answer from 400 on."""

    type: str = Field(description="Names the kind of problem; the same kind has the same type.")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="Also in the X-Request-Id header and in the logs.")
    errors: list[Wrong] = []


def problem_of(error: KonstructError) -> Problem:
    """What to answer when the core raised this."""
    if isinstance(error, Problem):
        return error
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    headers = {"Retry-After": "2"} if status == 503 else {}
    told = (
        str(error)
        if status < 500 or isinstance(error, errors.StripeUnavailable)
        else f"Konstruct cannot do this now; try again shortly. ({type(error).__name__})"
    )
    problem = Problem(told, status=status, headers=headers)
    problem.__cause__ = error
    return problem


def answer(problem: Problem, request_id: str, wrong: list[Wrong] | None = None) -> Response:
    """The problem as a response."""
    details = ProblemDetails(
        type=f"urn:konstruct:problem:{problem.status}",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=str(problem),
        request_id=request_id,
        errors=wrong or [],
    )
    return Response(details.model_dump_json(), problem.status, problem.headers, MEDIA_TYPE)


# What every route of the API may answer besides what it is for.
POSSIBLE: dict[int | str, dict[str, Any]] = {
    status: {"description": said, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}}
    for status, said in {
        400: "The request cannot be read.",
        401: "No valid token came with the request.",
        403: "The token's role does not allow this.",
        404: "There is no such thing in this tenant.",
        409: "It contradicts what is there already.",
        412: "It is not any more as If-Match says.",
        413: "The body is too large.",
        422: "A field cannot be used; `errors` names it.",
        429: "No valid token came with the request, and many wrong ones came lately.",
        503: "The database does not answer now.",
    }.items()
}
