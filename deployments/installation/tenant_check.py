"""What is to be said of a tenant file before it is applied, beyond what the file itself shows."""

import json
from http.client import HTTPException
from urllib.request import Request

from deployments.installation.unproxied import OPENER
from konstruct.errors import TenantFileInvalid
from konstruct.settings import Settings
from konstruct.tenant_file import LOCAL, TenantFile
from konstruct.vault import local_model_token

LOOK_SECONDS = 5.0


def warnings(wanted: TenantFile, settings: Settings) -> list[str]:
    """What is allowed, and hardly meant. Raises TenantFileInvalid where a local model is named that is not served."""
    return [*_of_local_models(wanted, settings), *_of_operators(wanted)]


def _of_local_models(wanted: TenantFile, settings: Settings) -> list[str]:
    employee = wanted.employee
    named = {"employee.model": employee.model, "employee.fallback_model": employee.fallback_model}
    named |= {f"budgets.at_limit.{place}": name for place, name in enumerate(wanted.budgets.at_limit)}
    local = {field: name for field, name in named.items() if name and name.startswith(LOCAL)}
    if not local:
        return []
    served = _served(settings)
    if served is None:
        names = ", ".join(sorted(set(local.values())))
        return [f"Whether this installation serves {names} is not known: its local model does not answer here."]
    for field, name in local.items():
        if name not in served:
            raise TenantFileInvalid(f"{field} is {name}, but this installation serves {', '.join(served)}.")
    return []


def _served(settings: Settings) -> list[str] | None:
    """The local models that there are, None where nobody says: the model is off, starts, or is out of our reach."""
    if not settings.master_keys:
        return None
    headers = {"Authorization": f"Bearer {local_model_token(settings.master_keys)}"}
    asking = Request(f"{settings.local_model_url}/models", headers=headers)  # noqa: S310 - our own
    try:
        with OPENER.open(asking, timeout=LOOK_SECONDS) as answer:
            return [LOCAL + model["id"] for model in json.load(answer)["data"]]
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return None


def _of_operators(wanted: TenantFile) -> list[str]:
    missing = []
    if wanted.operators.slack_channel is None:
        missing.append("`operators: {slack_channel: C…}`")
    if wanted.channels.slack is None:
        missing.append("a Slack workspace, unless one is attached by a link")
    if not wanted.escalation.rules or not missing:
        return []
    unheard = (
        f"{wanted.tenant} has escalation rules: contacts are told that a colleague takes over. So that somebody learns "
        f"of it, add {' and '.join(missing)}; until then `konstruct paused {wanted.tenant}` lists who waits."
    )
    return [unheard]
