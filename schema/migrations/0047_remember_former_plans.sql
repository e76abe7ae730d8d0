-- Usage is billed by the plan that was in force when it happened: a subscription remembers the plans that it left. What is
-- no plan's decides over nobody's service.

alter table subscriptions
  add column former_plans text[] not null default '{}',
  add column left_at timestamptz[] not null default '{}';
grant select (former_plans) on subscriptions to konstruct_lookup;

-- What events have shown of plans before, by each tenant's subscription.
do $$
declare v_tenant uuid;
begin
  for v_tenant in select tenant_id from subscribers() loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    with seen as (
      select e.subscription, e.at, e.rank, e.id, coalesce(
               (select p.name from jsonb_array_elements_text(e.snapshot -> 'prices') with ordinality as x (price, nth)
                join plans p on x.price in (p.fee_price, p.usage_price) where x.price <> '' order by x.nth limit 1),
               e.snapshot ->> 'plan') as plan
      from stripe_events e where e.tenant_id = v_tenant and e.snapshot is not null
      union all
      select s.id, extract(epoch from s.observed_at)::bigint, 10, '', s.plan from subscriptions s
      where s.tenant_id = v_tenant),
    followed as (
      select n.*, lag(n.plan) over w as before, row_number() over w as nth from seen n
      window w as (partition by n.subscription order by n.at, n.rank, n.id)),
    moves as (
      select f.subscription, array_agg(f.before order by f.nth) as plans,
             array_agg(to_timestamp(f.at) order by f.nth) as ats
      from followed f where f.nth > 1 and f.plan is distinct from f.before group by 1)
    update subscriptions s set former_plans = m.plans, left_at = m.ats from moves m
      where s.tenant_id = v_tenant and s.id = m.subscription;
    update stripe_customers c set suspends_at = (
        select case when bool_and(s.suspends_at is not null) then max(s.suspends_at) end from subscriptions s
        where s.tenant_id = v_tenant and s.plan is not null and s.status not in ('incomplete', 'incomplete_expired'))
      where c.tenant_id = v_tenant and exists (select from subscriptions s where s.tenant_id = v_tenant and s.plan is null);
  end loop;
  perform set_config('app.current_tenant', '', true);
end $$;

create or replace function tenants_to_bill(p_since timestamptz, p_now timestamptz, p_nightly timestamptz)
  returns table (tenant_id uuid, reconcile boolean)
  language sql stable security definer set search_path = public, pg_temp as $$
  select t.tenant_id, t.unreconciled from (
    select s.tenant_id, not exists (select from reconciliations r where r.tenant_id = s.tenant_id and r.at >= p_nightly)
             as unreconciled
    from (select distinct tenant_id from subscriptions where plan is not null or cardinality(former_plans) > 0) s) t
  where t.unreconciled
    or exists (select from usage u where u.tenant_id = t.tenant_id and u.created_at >= p_since)
    or exists (select from message_charges c where c.tenant_id = t.tenant_id and c.priced_at >= p_since)
    or exists (select from meter_events m where m.tenant_id = t.tenant_id and m.due_at <= p_now
                 and m.state in ('waiting', 'sending', 'doubtful'));
$$;

create function plan_times(p_tenant uuid)
  returns table (customer text, status text, plan text, started_at timestamptz, ended_at timestamptz)
  language sql stable as $$
  select s.customer, s.status, t.plan, greatest(s.started_at, s.left_at[t.nth - 1]), least(s.left_at[t.nth], s.ended_at)
  from subscriptions s, unnest(s.former_plans || s.plan) with ordinality as t (plan, nth)
  where s.tenant_id = p_tenant and t.plan is not null;
$$;

create or replace function derive_meter_events(p_tenant uuid, p_since timestamptz, p_now timestamptz)
  returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into meter_events (tenant_id, id, source, customer, event_name, value, at, due_at)
    select distinct on (l.id) p_tenant, l.id, l.source, s.customer, p.event_name,
           in_units(p.unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens), l.at, p_now
    from ledger_entries(p_tenant, p_since, 'infinity') l
    join plan_times(p_tenant) s on l.at >= s.started_at and l.at < coalesce(s.ended_at, 'infinity')
      and s.status not in ('incomplete', 'incomplete_expired')
    join plans p on p.name = s.plan
    where in_units(p.unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens) > 0
      and not exists (select from meter_events m where m.tenant_id = p_tenant and m.id = l.id)
    order by l.id, s.started_at
    on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

create or replace function meter_sums(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (customer text, event_name text, ledger bigint, sent bigint, unsent bigint, refused bigint)
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    with told as (
      select m.customer, m.event_name, m.value, m.state,
             case when u.turn_id is not null
                    then in_units(p.unit, u.answered, u.cost_micros, u.prompt_tokens::bigint + u.completion_tokens)
                  when c.id is not null then in_units(p.unit, false, c.cost_micros, 0)
                  else m.value end as today         -- forgotten with its conversation
      from meter_events m
      join lateral (select unit from plans where plans.event_name = m.event_name limit 1) p on true
      left join usage u on m.source = 'turn' and u.tenant_id = p_tenant and u.turn_id = m.id
      left join message_charges c on m.source = 'message' and c.tenant_id = p_tenant and c.id = m.id
      where m.tenant_id = p_tenant and coalesce(m.stamped_at, m.at) >= p_from and coalesce(m.stamped_at, m.at) < p_to
      union all
      select s.customer, p.event_name, 0, 'sent', 0 from plan_times(p_tenant) s join plans p on p.name = s.plan)
    select t.customer, t.event_name, sum(t.today)::bigint, coalesce(sum(t.value) filter (where t.state = 'sent'), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('waiting', 'sending')), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('doubtful', 'refused')), 0)::bigint
    from told t group by 1, 2;
end $$;

create or replace function reserve_budget(p_tenant uuid, p_conversation uuid, p_employee uuid, p_turn uuid, p_options jsonb,
                               p_hold interval, out chosen int, out scope text, out unit text, out held boolean)
  language plpgsql as $$
#variable_conflict use_column
declare
  v_month date;
  v_held reservations;
  v_cost jsonb;
  v_now timestamptz;
begin
  perform set_config('app.current_tenant', p_tenant::text, true), set_config('synchronous_commit', 'off', true);
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  v_month := coalesce(v_month, this_month());
  if not found or exists (select from usage where tenant_id = p_tenant and not counted
                            and created_at >= v_month::timestamp at time zone 'utc') then
    perform count_unreserved(p_tenant);
  end if;
  v_now := clock_timestamp(); -- a constant, which an index takes
  if exists (select from reservations where tenant_id = p_tenant and turn_id <> p_turn and expires_at <= v_now) then
    perform release_expired(p_tenant, p_turn);
  end if;
  if exists (select from usage where tenant_id = p_tenant and turn_id = p_turn) then
    raise exception 'turn % has been committed before', p_turn using errcode = 'KF002';
  end if;
  select * into v_held from reservations where tenant_id = p_tenant and turn_id = p_turn;
  held := found;
  if not held then
    v_held := row (p_tenant, p_turn, p_conversation, p_employee, 0, 0, now());
    insert into spending (tenant_id, subject_id, scope, month)
      values (p_tenant, p_employee, 'employee', v_month), (p_tenant, p_conversation, 'conversation', v_month)
      on conflict do nothing;
  end if;
  select f.scope, f.unit into scope, unit from full_budget(v_held, p_options -> 0, v_month) f;
  chosen := case when not found then 0 else coalesce((
    select min(o.n) - 1 from jsonb_array_elements(p_options) with ordinality o (cost, n)
      where o.n > 1 and not exists (select from full_budget(v_held, o.cost, v_month))), -1) end;
  if chosen >= 0 then
    v_cost := p_options -> chosen;
    insert into reservations (tenant_id, turn_id, conversation_id, employee_id, micros, tokens, expires_at)
      values (p_tenant, p_turn, v_held.conversation_id, v_held.employee_id, (v_cost ->> 'micros')::bigint,
              (v_cost ->> 'tokens')::bigint, clock_timestamp() + p_hold)
      on conflict (tenant_id, turn_id) do update
        set micros = excluded.micros, tokens = excluded.tokens, expires_at = excluded.expires_at;
    update spending set reserved_micros = reserved_micros - v_held.micros + (v_cost ->> 'micros')::bigint,
        reserved_tokens = reserved_tokens - v_held.tokens + (v_cost ->> 'tokens')::bigint
      where tenant_id = p_tenant and subject_id in (p_tenant, v_held.employee_id, v_held.conversation_id);
    held := true;
  end if;
end $$;
