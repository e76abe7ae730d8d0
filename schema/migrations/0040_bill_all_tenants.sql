-- With a limit, the same tenants would be left out in every round.

create or replace function tenants_to_bill(p_since timestamptz, p_now timestamptz, p_nightly timestamptz)
  returns table (tenant_id uuid, reconcile boolean)
  language sql stable security definer set search_path = public, pg_temp as $$
  select t.tenant_id, t.unreconciled from (
    select s.tenant_id, not exists (select from reconciliations r where r.tenant_id = s.tenant_id and r.at >= p_nightly)
             as unreconciled
    from (select distinct tenant_id from subscriptions where plan is not null) s) t
  where t.unreconciled
    or exists (select from usage u where u.tenant_id = t.tenant_id and u.created_at >= p_since)
    or exists (select from message_charges c where c.tenant_id = t.tenant_id and c.priced_at >= p_since)
    or exists (select from meter_events m where m.tenant_id = t.tenant_id and m.due_at <= p_now
                 and m.state in ('waiting', 'sending', 'doubtful'));
$$;
