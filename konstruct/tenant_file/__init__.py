"""The declarative tenant file (`tenant.yaml`), parsed and checked; `${NAME}` reads the environment."""

from collections.abc import Mapping

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from konstruct import escalation
from konstruct.errors import RuleInvalid, TenantFileInvalid
from konstruct.tenant_file import document
from konstruct.tenant_file.budgets import BudgetEntries, BudgetEntry
from konstruct.tenant_file.channel_entries import ChannelEntries, SlackEntry, TemplateEntry, WebEntry, WhatsAppEntry
from konstruct.tenant_file.employee import EmployeeEntry, PromptEntry
from konstruct.tenant_file.environment import filled
from konstruct.tenant_file.limits import LimitsEntry
from konstruct.tenant_file.model import ModelEntry
from konstruct.tenant_file.strict import LOCAL, OTHER, Strict, digest
from konstruct.tenant_file.takeover import EscalationEntry, OperatorEntry

__all__ = [
    "LOCAL",
    "OTHER",
    "BudgetEntries",
    "BudgetEntry",
    "ChannelEntries",
    "EmployeeEntry",
    "EscalationEntry",
    "LimitsEntry",
    "ModelEntry",
    "OperatorEntry",
    "PromptEntry",
    "SlackEntry",
    "TemplateEntry",
    "TenantFile",
    "WebEntry",
    "WhatsAppEntry",
    "check",
    "digest",
    "parse",
]


class TenantFile(Strict):
    """One tenant, as an operator describes it."""

    tenant: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    quiet_seconds: float = Field(default=0.0, ge=0, le=60)
    employee: EmployeeEntry
    models: tuple[ModelEntry, ...] = ()
    channels: ChannelEntries = ChannelEntries()
    escalation: EscalationEntry = EscalationEntry()
    operators: OperatorEntry = OperatorEntry()
    limits: LimitsEntry = LimitsEntry()
    budgets: BudgetEntries = BudgetEntries()


def parse(text: str, environment: Mapping[str, str]) -> TenantFile:
    """Parse and check; raises TenantFileInvalid that names the field, what is wrong and what to do."""
    try:
        tenant_file = TenantFile.model_validate(filled(document.read(text), environment))
    except ValidationError as error:
        problems = "; ".join(_problem(problem) for problem in error.errors(include_input=False))
        raise TenantFileInvalid(f"The tenant file cannot be used: {problems}.") from None
    check(tenant_file)
    return tenant_file


def _problem(problem: ErrorDetails) -> str:
    hint = "; write it in quotes" if problem["type"] == "string_type" else ""
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}{hint}"


def check(tenant_file: TenantFile) -> None:
    """Raise TenantFileInvalid where entries contradict each other."""
    _check_models(tenant_file)
    _check_rules(tenant_file)


def _check_models(tenant_file: TenantFile) -> None:
    names = [model.name for model in tenant_file.models]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise TenantFileInvalid(f"models: the name {doubled[0]} is given twice; names must differ.")
    scribes = {model.name for model in tenant_file.models if model.transcription}
    asked = [(f"employee.{field}", getattr(tenant_file.employee, field)) for field in ("model", "fallback_model")]
    asked += [(f"budgets.at_limit.{place}", name) for place, name in enumerate(tenant_file.budgets.at_limit)]
    for field, wanted in asked:
        if wanted in scribes:
            raise TenantFileInvalid(f"{field} is {wanted}, which only transcribes; name one that answers.")
        if wanted and not wanted.startswith(LOCAL) and wanted not in names:
            known = ", ".join([*names, "local/smollm2"])
            raise TenantFileInvalid(f"{field} is {wanted}, which is not among the models: {known}.")
        if wanted and wanted.startswith(LOCAL) and wanted.removeprefix(LOCAL) in names:
            raise TenantFileInvalid(f"{field} is {wanted}, and a model is named so, too; call that one something else.")


def _check_rules(tenant_file: TenantFile) -> None:
    for number, rule in enumerate(tenant_file.escalation.rules):
        try:
            escalation.parse(rule)
        except RuleInvalid as invalid:
            raise TenantFileInvalid(f"escalation.rules.{number}: {invalid}") from None
