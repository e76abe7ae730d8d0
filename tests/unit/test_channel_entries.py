"""Channels in a tenant file: what signs for them may change while they are at work."""

import json

import pytest

from konstruct.errors import TenantFileInvalid
from konstruct.tenant_file import parse

BOTH = ["0123456789abcdef", "fedcba9876543210"]


def whatsapp(app_secret: object) -> str:
    entry = {"phone_number_id": "1065", "access_token": "EAA", "app_secret": app_secret, "verify_token": "meta"}
    employee = {"name": "Ada", "instructions": "Be kind.", "model": "local/smollm2"}
    return json.dumps({"tenant": "acme", "employee": employee, "channels": {"whatsapp": entry}})


def test_while_the_secret_that_signs_is_changed_both_are_kept() -> None:
    (connection,) = parse(whatsapp(BOTH), {}).channels.connections
    assert [connection["secrets"][name] for name in ("app_secret", "other_app_secret")] == BOTH
    (alone,) = parse(whatsapp(BOTH[:1]), {}).channels.connections
    assert alone == parse(whatsapp(BOTH[0]), {}).channels.connections[0]
    # Channels are looked up by what signs for them: whoever shares only one of two is another one.
    assert connection["options"]["signed_sha256"] != alone["options"]["signed_sha256"]


@pytest.mark.parametrize("given", [[], ["hush-hush"] * 3, ["hush-hush", "hush"], ["hush-hush", None], [["hush-hush"]]])
def test_what_cannot_be_one_or_two_secrets_is_refused_and_not_repeated(given: list[object]) -> None:
    with pytest.raises(TenantFileInvalid, match=r"channels\.whatsapp\.app_secret") as caught:
        parse(whatsapp(given), {})
    assert "hush" not in str(caught.value)
