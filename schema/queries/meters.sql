-- name: tenants_to_bill
-- Tenants with usage since, with meter events due, or not reconciled since.
select tenant_id, reconcile from tenants_to_bill(:since, :now, :nightly);

-- name: derive_meter_events$
-- New usage becomes meter events; how many.
select derive_meter_events(:tenant, :since, :now);

-- name: claim_meter_events
-- Meter events that are to be told to Stripe now.
select id, anew, attempt, customer, event_name, value, stamped_at
from claim_meter_events(:tenant, :limit, :now, :lease, :known);

-- name: mark_meter_events$
-- What became of claimed meter events.
select mark_meter_events(:tenant, :ids, :attempts, :states, :errors, :due, :now);

-- name: settle_meter_events$
-- What became of doubtful meter events.
select settle_meter_events(:tenant, :ids, :states, :error, :due, :now);

-- name: doubt_meter_events$
-- What Stripe reports as wrong; how many events it names.
select doubt_meter_events(:tenant, :ids, :anews, :errors, :event_names, :begin, :until, :due);

-- name: resend_meter_events$
-- Refused meter events are told anew; how many.
select resend_meter_events(:tenant, :now);

-- name: doubtful_meter_events
-- Doubts that are due, by the minute that Stripe was told, beside the sums of what is certain there; nothing of that
-- minute was told so late that Stripe's sum may lack it. Needs a tenant connection.
select m.customer, m.event_name, date_trunc('minute', m.stamped_at) as minute,
  array_agg(m.id order by m.id) filter (where m.state = 'doubtful') as ids,
  array_agg(m.value order by m.id) filter (where m.state = 'doubtful') as doubtful_values,
  coalesce(sum(m.value) filter (where m.state = 'sent'), 0)::bigint as sent
from meter_events m
where m.tenant_id = current_tenant() and m.state in ('sent', 'sending', 'doubtful')
  and (m.customer, m.event_name, date_trunc('minute', m.stamped_at)) in (
    select d.customer, d.event_name, date_trunc('minute', d.stamped_at) from meter_events d
    where d.tenant_id = current_tenant() and d.state = 'doubtful' and d.due_at <= :now)
group by 1, 2, 3
having bool_and(case m.state when 'sent' then m.sent_at <= :settled
                             when 'doubtful' then m.due_at <= :now and m.stamped_at <= :settled else false end);

-- name: meter_sums
-- What meters were to be told of a time, and what became of it.
select customer, event_name, ledger, sent, unsent, refused from meter_sums(:tenant, :begin, :until);

-- name: save_reconciliation!
-- The last comparison of a month with Stripe. Needs a tenant connection.
insert into reconciliations (tenant_id, month, customer, event_name, ledger, stripe, unsent, refused, difference,
  difference_micros, at)
values (current_tenant(), :month, :customer, :event_name, :ledger, :stripe, :unsent, :refused, :difference,
  :difference_micros, :now)
on conflict (tenant_id, month, customer, event_name) do update set ledger = excluded.ledger, stripe = excluded.stripe,
  unsent = excluded.unsent, refused = excluded.refused, difference = excluded.difference,
  difference_micros = excluded.difference_micros, at = excluded.at;

-- name: meter_reports
-- Reports of Stripe about meters that are due.
select event, type, body from meter_reports where handled_at is null and due_at <= :now order by due_at limit 20;

-- name: put_off_meter_report!
-- A report could not be fetched: it is tried again, until Stripe has it no more.
update meter_reports set due_at = :due, error = :error, handled_at = case when received_at <= :gone then now() end
where event = :event;

-- name: close_meter_report!
-- A report was applied.
update meter_reports set handled_at = now(), errors = :count, summary = :summary where event = :event;

-- name: subscribers
-- Every tenant that subscribes or did.
select tenant_id from subscribers();

-- name: keep_meter_report$
-- A thin event about meters, kept until the Biller has applied it; once, however often it comes.
select keep_meter_report(:event, :type, :body);

-- name: untold_meter_events^
-- What Stripe is not known to have of a tenant's usage. Needs a tenant connection.
select count(*) as events, coalesce(sum(value), 0)::bigint as units from meter_events
where tenant_id = current_tenant() and state <> 'sent';

-- name: refused_meter_events
-- What Stripe refused or is in doubt, the latest first. Needs a tenant connection.
select id, source, event_name, value, at, state, error from meter_events
where tenant_id = current_tenant() and state in ('refused', 'doubtful') order by at desc, id limit 100;
