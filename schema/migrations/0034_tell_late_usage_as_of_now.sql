-- A period is closed by its end, whether or not Stripe has told of the next one; what is in doubt waits for Stripe's sum.

create function is_invoiced(p_tenant uuid, p_customer text, p_at timestamptz, p_now timestamptz)
  returns boolean language sql stable as $$
  select exists (select from subscriptions s where s.tenant_id = p_tenant and s.customer = p_customer
    and (p_at < s.period_start_at and p_now >= s.period_start_at + interval '50 minutes'
      or p_at < s.period_end_at and p_now >= s.period_end_at + interval '50 minutes'));
$$;

create or replace function claim_meter_events(p_tenant uuid, p_limit int, p_now timestamptz, p_lease interval, p_known interval)
  returns table (id uuid, anew int, attempt int, customer text, event_name text, value bigint, stamped_at timestamptz)
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = 'doubtful', due_at = p_now + interval '15 minutes'
    where m.tenant_id = p_tenant and m.state = 'sending' and m.due_at <= p_now
      and (m.first_sent_at <= p_now - p_known or is_invoiced(p_tenant, m.customer, m.stamped_at, p_now));
  return query
    with due as (
      select d.id from meter_events d
      where d.tenant_id = p_tenant and d.state in ('waiting', 'sending') and d.due_at <= p_now
      order by d.at limit p_limit for update skip locked)
    update meter_events m set state = 'sending', attempts = m.attempts + 1, due_at = p_now + p_lease,
        first_sent_at = coalesce(m.first_sent_at, p_now),
        stamped_at = coalesce(m.stamped_at, date_trunc('second', case
          when m.at <= p_now - interval '34 days' or is_invoiced(p_tenant, m.customer, m.at, p_now) then p_now
          else m.at end))
      from due where m.tenant_id = p_tenant and m.id = due.id
      returning m.id, m.anew, m.attempts, m.customer, m.event_name, m.value, m.stamped_at;
end $$;
