"""What Meta tells about accounts, templates and people, in a sentence for the log and the operator."""

from typing import Any

from konstruct.channels.whatsapp.fields import detail, mapping, mappings
from konstruct.channels.whatsapp.records import Notice

# Fields of an account or a template that say that sending stops or will stop.
_ALARMING = {
    "ACCOUNT_RESTRICTION",
    "ACCOUNT_VIOLATION",
    "ACCOUNT_DELETED",
    "DISABLED_UPDATE",
    "PARTNER_APP_UNINSTALLED",
    "PARTNER_REMOVED",
    "REJECTED",
    "PAUSED",
    "DISABLED",
    "FLAGGED",
}
_TOLD = ("event", "message_template_name", "reason", "new_quality_score", "new_category", "display_phone_number")


def notice(number: str, account: str, field: str, value: dict[str, Any]) -> Notice:
    """Any field that carries no message."""
    if field == "user_preferences":
        told = [f"{detail(one.get('category'))}: {detail(one.get('value'))}" for one in mappings(value.get(field))]
        return Notice(number, account, field, "; ".join(told[:20]) or "nothing told")
    told = [f"{name}: {found}" for name in _TOLD if (found := detail(value.get(name)))]
    violation = detail(mapping(value.get("violation_info")).get("violation_type"))
    ban = detail(mapping(value.get("ban_info")).get("waba_ban_state"))
    words = "; ".join([*told, *filter(None, (violation, ban))]) or "nothing told"
    return Notice(number, account, field or "unnamed field", words, detail(value.get("event")) in _ALARMING)
