"""The tenant file: what operators write, and sentences for what they get wrong."""

import pytest
import yaml

from konstruct.errors import TenantFileInvalid
from konstruct.tenant_file import parse

DESIGNED = """
tenant: acme
employee:
  name: Ada
  instructions: You answer questions about Acme's shop.
  model: local/smollm2
models:
  - name: gpt
    litellm: openai/gpt-5-mini
    api_base: https://api.example.com/v1
    api_key: ${OPENAI_API_KEY}
channels:
  slack: {team_id: T0ACME, app_id: A0ACME, bot_user_id: U0BOT, bot_token: "${SLACK_BOT_TOKEN}",
          signing_secret: "${SLACK_SIGNING_SECRET}"}
"""
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-1",
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "0123456789abcdef",
}
SMALLEST = "tenant: acme\nemployee: {name: Ada, instructions: Be kind., model: local/smollm2}\n"


def altered(**changes: object) -> str:
    return yaml.safe_dump(yaml.safe_load(SMALLEST) | changes)


def employee(**changes: object) -> str:
    return altered(employee=yaml.safe_load(SMALLEST)["employee"] | changes)


def test_the_file_of_the_design_is_read_with_its_variables() -> None:
    read = parse(DESIGNED, ENVIRONMENT)
    assert read.tenant == "acme"
    assert read.models[0].api_key == "sk-1"
    assert read.channels.slack is not None
    assert read.channels.slack.bot_token == "xoxb-1"
    assert read.quiet_seconds == 0


def test_a_tenant_needs_neither_models_nor_channels() -> None:
    read = parse(SMALLEST, {})
    assert read.models == ()
    assert read.channels.slack is None


def test_a_missing_variable_is_named_with_its_place() -> None:
    without_key = {name: value for name, value in ENVIRONMENT.items() if name != "OPENAI_API_KEY"}
    with pytest.raises(TenantFileInvalid, match=r"models\[0\].api_key needs .* OPENAI_API_KEY, which is not set"):
        parse(DESIGNED, without_key)


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(TenantFileInvalid) as invalid:
        parse(DESIGNED, {})
    assert all(name in str(invalid.value) for name in ENVIRONMENT)


def test_several_variables_in_one_value_are_all_filled_and_never_twice() -> None:
    text = employee(instructions="${A} and ${B}, $C, ${not a name}")
    read = parse(text, {"A": "${B}", "B": "2"})
    assert read.employee.instructions == "${B} and 2, $C, ${not a name}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tenant: [", "not valid YAML"),
        ("tenant: \x00", "not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "must be a mapping"),
        ("", "must be a mapping"),
        ("- a\n- b", "must be a mapping"),
        ("just text", "must be a mapping"),
        ("tenant: acme", "employee: Field required"),
        (altered(tenant="Acme Inc."), "tenant: String should match pattern"),
        (altered(tenant="a" * 64), "tenant: String should match pattern"),
        (altered(tenant="acme\n"), "tenant: String should match pattern"),
        (altered(tenant=5), "tenant: Input should be a valid string"),
        (altered(quiet_seconds=-1), "quiet_seconds: "),
        (altered(quiet_seconds=61), "quiet_seconds: "),
        (altered(quiet_seconds=float("nan")), "quiet_seconds: "),
        (altered(budget=5), "budget: Extra inputs are not permitted"),
        (employee(name=""), "employee.name: "),
        (employee(instructions="x" * 20_001), "employee.instructions: "),
        (employee(model="gpt"), "employee.model is gpt, which is not among the models: local/smollm2"),
        (employee(fallback_model="gpt"), "employee.fallback_model is gpt"),
        (altered(models=[{"name": "a", "litellm": "x/y"}] * 2), "the name a is given twice"),
        (altered(channels={"slack": {"team_id": "T"}}), "channels.slack.app_id: Field required"),
        (
            employee(model="ears") + "models: [{name: ears, litellm: openai/whisper-1, transcription: true}]\n",
            "employee.model is ears, which only transcribes",
        ),
        (altered(escalation={"rules": ['"a"', "count >"]}), "escalation.rules.1: At character 8 of the rule stands"),
        (altered(escalation={"rules": "billing"}), "escalation.rules: "),
        (altered(escalation={"message": ""}), "escalation.message: "),
        (altered(escalation={"resume_after_minutes": 0}), "escalation.resume_after_minutes: "),
        (altered(operators={"slack_channel": "#help"}), "operators.slack_channel: "),
        (altered(channels={"telegram": {}}), "channels.telegram: Extra inputs"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(TenantFileInvalid) as caught:
        parse(text, {})
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "{bot_token: hush-hush: 1}",
        "[hush-hush",
        "*hush-hush",
        "!hush-hush x",
        "!hush-hush!x y",
        "'hush-hush",
        "hush-hush: [x\ny: z",
        "&hush-hush x\nb: &hush-hush y\n- c",
        "hush-hush\x07",
    ],
)
def test_malformed_yaml_is_named_by_its_place_in_one_line_that_quotes_nothing(line: str) -> None:
    with pytest.raises(TenantFileInvalid, match=r"line \d+(, column \d+)?: \w+|character \d+") as caught:
        parse(f"tenant: acme\nemployee: {line}\n", {})
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_does_not_repeat_secrets() -> None:
    text = DESIGNED.replace("team_id: T0ACME", "team_id: 5")
    with pytest.raises(TenantFileInvalid) as caught:
        parse(text, ENVIRONMENT)
    assert not any(secret in str(caught.value) for secret in ENVIRONMENT.values())


def test_a_key_without_a_value_is_refused_rather_than_taken_for_a_name() -> None:
    with pytest.raises(TenantFileInvalid):
        parse("tenant: acme\nemployee:\n", {})
    with pytest.raises(TenantFileInvalid):
        parse(SMALLEST + "7: {}\n", {})


def test_a_named_model_may_answer_with_a_local_fallback() -> None:
    text = employee(model="gpt", fallback_model="local/smollm2") + "models: [{name: gpt, litellm: openai/gpt}]\n"
    assert parse(text, {}).employee.model == "gpt"


def test_escalation_and_operators_are_read_and_may_be_left_out() -> None:
    read = parse(altered(escalation={"rules": ['"refund" AND count > 2']}, operators={"slack_channel": "C0HELP"}), {})
    assert read.escalation.rules == ('"refund" AND count > 2',)
    assert (read.escalation.resume_after_minutes, read.operators.slack_channel) == (240, "C0HELP")
    assert parse(SMALLEST, {}).escalation.rules == ()


WHATSAPP = {
    "phone_number_id": "1065",
    "access_token": "EAA",
    "app_secret": "0123456789abcdef",
    "verify_token": "fedcba9876543210",
}


def whatsapp(**changes: object) -> str:
    return altered(channels={"whatsapp": WHATSAPP | changes})


def test_a_whatsapp_number_becomes_a_channel_whose_verify_token_can_be_looked_up_unread() -> None:
    template = {"name": "follow_up", "language": "en_US"}
    (connection,) = parse(whatsapp(template=template), {}).channels.connections
    assert (connection["kind"], connection["app"], connection["team"], connection["account"]) == (
        "whatsapp", "", "1065", "1065",
    )  # fmt: skip
    assert connection["secrets"] == {name: WHATSAPP[name] for name in ("access_token", "app_secret", "verify_token")}
    assert connection["options"]["template"] == template | {"with_answer": False}
    assert WHATSAPP["verify_token"] not in str(connection["options"])


def test_a_verify_token_is_whatever_somebody_thought_up() -> None:
    short = parse(altered(channels={"whatsapp": WHATSAPP | {"verify_token": "meta"}}), {})
    assert short.channels.whatsapp is not None
    assert short.channels.whatsapp.verify_token == "meta"


@pytest.mark.parametrize("secret", ["access_token", "app_secret", "verify_token"])
@pytest.mark.parametrize("given", ["", None, "${NOT_SET}"])
def test_a_whatsapp_secret_that_is_missing_is_an_error_and_never_switches_a_check_off(
    secret: str, given: str | None
) -> None:
    with pytest.raises(TenantFileInvalid, match=secret):
        parse(whatsapp(**{secret: given}), {})


@pytest.mark.parametrize(
    "changes", [{"phone_number_id": "+49 151"}, {"template": {"name": "Follow Up"}}, {"tokn": "x"}]
)
def test_a_whatsapp_entry_that_meta_would_not_know_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TenantFileInvalid, match=r"channels\.whatsapp"):
        parse(whatsapp(**changes), {})
