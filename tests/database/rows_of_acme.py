"""A row of acme in every table, each with a trace that a stranger must never see."""

from typing import Any
from uuid import UUID

from konstruct import identity

ACME, GLOBEX = identity.tenant_id("acme"), identity.tenant_id("globex")
CANARY = "canary-of-acme"
SAID = f"{CANARY}: my diagnosis"
CONVERSATION = identity.conversation_id(ACME, "slack", CANARY)
CONTACT = identity.contact_id(ACME, "slack", CANARY)
EMPLOYEE = identity.employee_id(ACME, CANARY)
SHARD = identity.shard_of(CONVERSATION)
MEMBER = UUID(int=0xACE5)
TURN, REPLY = UUID(int=0xACE), UUID(int=0xACE1)
ADDRESS = {"team": CANARY, "channel": CANARY, "thread": None, "private": True}
VECTOR = "[" + ",".join(["1"] * 384) + "]"
TRACES = {CANARY, *(str(id_) for id_ in (ACME, CONVERSATION, CONTACT, EMPLOYEE, TURN, REPLY))}

ROWS: list[tuple[str, list[Any]]] = [
    ("insert into stripe_customers values (%s, %s, 1, '2020-01-01')", [ACME, f"cus_{CANARY}"]),
    (
        (
            "insert into subscriptions values (%s, %s, %s, 'team', 'canceled', now(), null, null, null, null, null,"
            " null, '2020-01-01', now())"
        ),
        [ACME, f"sub_{CANARY}", CANARY],
    ),
    (
        "insert into stripe_events values (%s, %s, 'x', 1, now(), %s, 0, 0, %s)",
        [ACME, CANARY, f"sub_{CANARY}", f'{{"id": "{CANARY}"}}'],
    ),
    ("insert into members (tenant_id, id, email, role) values (%s, %s, %s, 'owner')", [ACME, MEMBER, CANARY]),
    (
        (
            "insert into sessions (tenant_id, token, member_id, name, expires_at)"
            " values (%s, 't', %s, %s, now() + interval '1 day')"
        ),
        [ACME, MEMBER, CANARY],
    ),
    ("insert into models values (%s, %s, %s, null, %s)", [ACME, CANARY, CANARY, CANARY.encode()]),
    (
        "insert into channels values (%s, 'slack', %s, %s, %s, %s, %s)",
        [ACME, CANARY, CANARY, EMPLOYEE, CANARY, CANARY.encode()],
    ),
    (
        (
            "insert into conversations (tenant_id, id, shard, channel, address, version)"
            " values (%s, %s, %s, 'slack', %s, 1)"
        ),
        [ACME, CONVERSATION, SHARD, f'{{"team": "{CANARY}", "channel": "{CANARY}"}}'],
    ),
    (
        "insert into contacts (tenant_id, id, channel, external_id) values (%s, %s, 'slack', %s)",
        [ACME, CONTACT, CANARY],
    ),
    (
        (
            "insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text)"
            " values (%s, %s, %s, 1, 'contact', %s, %s)"
        ),
        [ACME, CONVERSATION, TURN, CONTACT, SAID],
    ),
    (
        (
            "insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private,"
            " text, embedding)"
            " values (%s, %s, %s, %s, %s, 1, true, %s, %s)"
        ),
        [ACME, TURN, CONTACT, CONVERSATION, SHARD, SAID, VECTOR.replace("1", "2")],
    ),
    (
        (
            "insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private,"
            " text)"
            " values (%s, %s, %s, %s, %s, 1, true, %s)"
        ),
        [ACME, UUID(int=0xACE2), CONTACT, CONVERSATION, SHARD, SAID],
    ),
    (
        (
            "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)"
            " values (%s, 'slack', %s, %s, %s, 1, %s)"
        ),
        [ACME, f"{CANARY}:1", CONVERSATION, SHARD, f'{{"text": "{SAID}"}}'],
    ),
    (
        (
            "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state, error)"
            " values (%s, 'slack', %s, %s, %s, 1, %s, 'dead', 'ZeroDivisionError')"
        ),
        [ACME, f"{CANARY}:2", CONVERSATION, SHARD, f'{{"text": "{SAID}"}}'],
    ),
    (
        (
            "insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state,"
            " claim_epoch, claimed_until, channel, address)"
            " values (%s, %s, %s, %s, %s, 0, %s, 'pending', 1, now(), 'slack', %s)"
        ),
        [ACME, REPLY, CONVERSATION, SHARD, TURN, SAID, f'{{"team": "{CANARY}", "channel": "x"}}'],
    ),
    (
        "insert into contact_aliases (tenant_id, channel, alias, contact) values (%s, 'whatsapp', %s, %s)",
        [ACME, "her-phone", CANARY],
    ),
    (
        (
            "insert into amended_early (tenant_id, conversation_id, source_id, text, at)"
            " values (%s, %s, 'long-ago', %s, now() - interval '9 days')"
        ),
        [ACME, CONVERSATION, SAID],
    ),
    ("insert into usage values (%s, %s, %s, %s, %s, 1, 1, 1)", [ACME, TURN, CONVERSATION, EMPLOYEE, CANARY]),
    (
        (
            "insert into message_charges (tenant_id, id, category, country, delivered, billable, created_at)"
            " values (%s, %s, '', '', false, true, now())"
        ),
        [ACME, UUID(int=0xACE3)],
    ),
    (
        (
            "insert into meter_events (tenant_id, id, source, customer, event_name, value, at, due_at, state)"
            " values (%s, %s, 'turn', %s, 'x', 1, now(), '2020-01-01', 'sending')"
        ),
        [ACME, UUID(int=0xACE4), CANARY],
    ),
    (
        "insert into reconciliations values (%s, '2026-11-01', %s, 'x', 1, 1, 0, 0, 0, 0, now())",
        [ACME, CANARY],
    ),
    (
        "insert into feedback values (%s, %s, %s, %s, true)",
        [ACME, TURN, CONTACT, CONVERSATION],
    ),
    (
        (
            "insert into install_states (tenant_id, state, browser, expires_at)"
            " values (%s, 's', 'b', now() + interval '1 day')"
        ),
        [ACME],
    ),
    (
        "update channels set expires_at = now(), installed_at = now() - interval '1 day' where tenant_id = %s",
        [ACME],
    ),
    (
        (
            "insert into web_messages (tenant_id, conversation_id, id, place, seq, role, text, final)"
            " values (%s, %s, %s, 1, 1, 'employee', %s, false)"
        ),
        [ACME, CONVERSATION, EMPLOYEE, SAID],
    ),
    (
        "insert into api_tokens values (%s, %s, 'h', %s, 'owner', 'x', now(), now() + interval '1 day')",
        [ACME, EMPLOYEE, CANARY],
    ),
    ("insert into idempotency_keys values (%s, %s, %s, 'r', %s)", [ACME, CANARY, CANARY, SAID]),
    ("update shards set epoch = 1 where %s", [True]),
]
