"""A database from before plans that a subscription left were remembered, migrated."""

from pathlib import Path

import psycopg

from tests.database.test_schema import ask
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
BEFORE_PLANS_WERE_REMEMBERED = """
insert into tenants (id, name) select md5(n)::uuid, n from unnest(array['acme', 'globex']) n;
insert into plans select n, 0, 'tokens', 0, 1, 1, 'meter', 'fee_' || n, '' from unnest(array['a', 'b']) n;
insert into subscriptions (tenant_id, id, customer, plan, status, started_at, observed_at)
  select id, 'sub', 'cus', 'b', 'active', to_timestamp(1), to_timestamp(9) from tenants;
-- Whether service has ended: by a subscription to a plan; beside one that is none of ours; only by such a one.
insert into tenants (id, name) select md5(n)::uuid, n from unnest(array['initech', 'umbrella']) n;
insert into subscriptions (tenant_id, id, customer, plan, status, started_at, suspends_at, observed_at) values
  (md5('acme')::uuid, 'own', 'cus', 'a', 'canceled', to_timestamp(1), to_timestamp(9), to_timestamp(9)),
  (md5('initech')::uuid, 'own', '', 'a', 'canceled', to_timestamp(1), to_timestamp(9), to_timestamp(9)),
  (md5('initech')::uuid, 'none', '', null, 'active', to_timestamp(1), null, to_timestamp(9)),
  (md5('umbrella')::uuid, 'none', '', null, 'canceled', to_timestamp(1), to_timestamp(9), to_timestamp(9));
insert into stripe_customers (tenant_id, id, suspends_at) values (md5('acme')::uuid, 'cus', to_timestamp(9)),
  (md5('initech')::uuid, 'foreign_active', null), (md5('umbrella')::uuid, 'foreign_ended', to_timestamp(9));
insert into stripe_events (tenant_id, id, type, at, subscription, rank, place, snapshot)
  select md5('acme')::uuid, at, '', at::bigint, 'sub', 1, 0, jsonb_build_object('prices', array[price])
  from (values ('1', 'fee_a'), ('4', 'fee_a'), ('6', 'of none'), ('8', 'fee_b'), ('9', 'fee_b')) e (at, price)"""


def test_former_plans_are_read_out_of_events_and_what_is_no_plans_decides_no_more(postgres_server: Server) -> None:
    scripts = sorted((ROOT / "schema" / "migrations").glob("*.sql"))
    [number] = [n for n, script in enumerate(scripts) if script.name.startswith("0047_")]
    with postgres_server.database("template0") as url, psycopg.connect(url, autocommit=True) as owner:
        for script in scripts[:number]:
            owner.execute(script.read_bytes())
        owner.execute(BEFORE_PLANS_WERE_REMEMBERED)
        owner.execute(scripts[number].read_bytes())
        asked = "select former_plans, array(select extract(epoch from at)::int from unnest(left_at) at)"
        assert ask(url, f"{asked} from subscriptions where tenant_id = md5('acme')::uuid and id = 'sub'") == [
            (["a", None], [6, 8])
        ]
        assert ask(url, f"{asked} from subscriptions where tenant_id = md5('globex')::uuid and id = 'sub'") == [
            ([], [])
        ]
        assert ask(url, "select id, suspends_at is null from stripe_customers order by id") == [
            ("cus", False), ("foreign_active", False), ("foreign_ended", True),
        ]  # fmt: skip
