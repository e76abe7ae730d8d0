-- name: bill_entries
-- What a time cost, by model and by kind of message.
select source, kind, count, prompt_tokens, completion_tokens, cost_micros, unpriced
from bill_entries(:tenant, :begin, :until);

-- name: bill_movements^
-- From the ledger of a time to what Stripe was told for it.
select ledger, forgotten, changed, outside, earlier, later, unsent, refused, told
from bill_movements(:tenant, :unit, :event_name, :begin, :until);

-- name: billed_subscriptions
-- When a tenant's subscriptions were to which plan, the latest first. Needs a tenant connection.
select customer, plan, started_at, ended_at from plan_times(current_tenant()) order by started_at desc, ended_at desc;

-- name: reconciliations
-- The last comparisons with Stripe, the latest month first. Needs a tenant connection.
select month, customer, event_name, ledger, stripe, unsent, refused, difference, difference_micros, at
from reconciliations where tenant_id = current_tenant() order by month desc, customer, event_name limit 24;

-- name: bill_rows
-- Each turn and each charged message of a time, of its first moment those after an id, and what became of them towards
-- Stripe. Needs a tenant connection.
select l.id, l.source, l.kind, l.at, l.prompt_tokens, l.completion_tokens, l.cost_micros, l.price_version, m.state,
  m.stamped_at
from ledger_entries(current_tenant(), :begin, :until) l
left join meter_events m on m.tenant_id = current_tenant() and m.id = l.id
where (l.at, l.id) > (:begin, :after)
order by l.at, l.id limit :limit;
