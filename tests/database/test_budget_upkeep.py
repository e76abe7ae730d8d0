"""What reserving costs PostgreSQL: the same, however many turns have reserved before."""

from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from tests.database.test_budgets import ACME, ADA


def test_what_turns_held_before_makes_the_next_one_no_slower(database_url: str) -> None:
    """Between two vacuums the table is full of rows that ended."""
    held = {"micros": 1, "tokens": 1}
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("alter table reservations set (autovacuum_enabled = off)")
        owner.execute(
            "insert into tenants (id, name, budgets) values (%s, 'acme', %s)", [ACME, Jsonb({"tenant": held})]
        )

        def touched() -> int:
            """Pages that a turn looks at, once everything is planned."""
            for _ in range(8):
                asked = [ACME, uuid4(), ADA, uuid4(), Jsonb([held])]
                explained = "explain (analyze, buffers, format json) select reserve_budget(%s, %s, %s, %s, %s, '5 min')"
                [(plan,)] = owner.execute(explained, asked).fetchall()
            return int(plan[0]["Plan"]["Shared Hit Blocks"])

        before = touched()
        owner.execute(
            "insert into reservations select %s, gen_random_uuid(), subject_id, %s, 1, 1, now() + interval '5 min'"
            " from spending, generate_series(1, 2000) where scope = 'conversation'",
            [ACME, ADA],
        )
        owner.execute("delete from reservations")
        assert touched() < before + 30
