-- name: find_stripe_customer$
-- The tenant of a customer in Stripe, null where it is nobody's here.
select find_stripe_customer(:customer);

-- name: stripe_customer^
-- The tenant's customer in Stripe. Needs a tenant connection.
select id, version, suspends_at from stripe_customers where tenant_id = current_tenant();

-- name: keep_stripe_customer!
-- The tenant's customer, unless there is one already. Needs a tenant connection.
insert into stripe_customers (tenant_id, id) values (current_tenant(), :customer) on conflict do nothing;

-- name: replace_stripe_customer!
-- Another customer, where the one before was deleted in Stripe. Needs a tenant connection.
update stripe_customers set id = :customer where tenant_id = current_tenant() and id = :old_name;

-- name: lock_stripe_customer$
-- Lets nobody else bring an event into effect until the transaction ends; the version. Needs a tenant connection.
select version from stripe_customers where tenant_id = current_tenant() for update;

-- name: settle_stripe_customer!
-- What an event has changed for the tenant as a whole. Needs a tenant connection.
update stripe_customers set version = version + 1, suspends_at = :suspends_at where tenant_id = current_tenant();

-- name: keep_stripe_event$
-- An event that takes effect now; null where it did before. Needs a tenant connection.
insert into stripe_events (tenant_id, id, type, at, subscription, rank, place, snapshot, asked)
values (current_tenant(), :event, :type, :unix_at, :subscription, :rank, :version, :snapshot, :asked)
on conflict do nothing returning true;

-- name: has_stripe_event$
-- Whether an event took effect before. Needs a tenant connection.
select exists (select from stripe_events where tenant_id = current_tenant() and id = :event);

-- name: sightings
-- All that is known of one subscription, in no order. Needs a tenant connection.
select id, at, rank, place, snapshot, asked from stripe_events
where tenant_id = current_tenant() and subscription = :subscription and coalesce(snapshot, asked) is not null;

-- name: save_subscription!
-- What a subscription is now. Needs a tenant connection.
insert into subscriptions as s (tenant_id, id, customer, plan, status, started_at, ended_at, period_start_at,
  period_end_at, trial_ends_at, cancels_at, overdue_at, suspends_at, observed_at, former_plans, left_at)
values (current_tenant(), :subscription, :customer, :plan, :status, :started_at, :ended_at, :period_start_at,
  :period_end_at, :trial_ends_at, :cancels_at, :overdue_at, :suspends_at, :observed_at, :former_plans, :left_at)
on conflict (tenant_id, id) do update set customer = excluded.customer, plan = excluded.plan, status = excluded.status,
  started_at = excluded.started_at, ended_at = excluded.ended_at, period_start_at = excluded.period_start_at,
  period_end_at = excluded.period_end_at, trial_ends_at = excluded.trial_ends_at, cancels_at = excluded.cancels_at,
  overdue_at = excluded.overdue_at, suspends_at = excluded.suspends_at, observed_at = excluded.observed_at,
  former_plans = excluded.former_plans, left_at = excluded.left_at;

-- name: subscriptions
-- All subscriptions of a tenant, newest first. Needs a tenant connection.
select id, customer, plan, status, started_at, ended_at, period_start_at, period_end_at, trial_ends_at, cancels_at,
  overdue_at, suspends_at, observed_at
from subscriptions where tenant_id = current_tenant() order by started_at desc, id;

-- name: suspended_untold
-- Tenants whose service has ended since operators were last told.
select suspended_untold() as tenant;

-- name: note_suspension_told!
-- Operators are told of this suspension. Needs a tenant connection.
update stripe_customers set told_at = :suspends_at where tenant_id = current_tenant() and suspends_at = :suspends_at;

-- name: tell_operators!
-- Something that no conversation said, where operators are told; told once.
select tell_operators(:tenant, :reply, :conversation, :shard, :text, :channel, :address);
