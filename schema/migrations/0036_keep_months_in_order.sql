-- Months never go back: who waited for the lock of a tenant's spending may have begun before the month did. Operators are
-- told of a full budget also where nothing was spent in the month yet.

create or replace function count_unreserved(p_tenant uuid) returns void language plpgsql as $$
declare v_month date;
begin
  insert into spending (tenant_id, subject_id, scope, month) values (p_tenant, p_tenant, 'tenant', this_month())
    on conflict do nothing;
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  with counted as (
    update usage set counted = true
      where tenant_id = p_tenant and not counted and created_at >= v_month::timestamp at time zone 'utc'
      returning employee_id, conversation_id, cost_micros, prompt_tokens + completion_tokens as tokens)
  insert into spending as s (tenant_id, subject_id, scope, month, spent_micros, spent_tokens)
    select p_tenant, x.subject, x.scope, v_month, sum(c.cost_micros), sum(c.tokens)
      from counted c cross join lateral (values ('tenant', p_tenant), ('employee', c.employee_id),
        ('conversation', c.conversation_id)) x (scope, subject) group by x.subject, x.scope
    on conflict (tenant_id, subject_id) do update set month = excluded.month,
      spent_micros = case when s.month = excluded.month then s.spent_micros else 0 end + excluded.spent_micros,
      spent_tokens = case when s.month = excluded.month then s.spent_tokens else 0 end + excluded.spent_tokens;
end $$;

create or replace function reserve_budget(p_tenant uuid, p_conversation uuid, p_employee uuid, p_turn uuid, p_options jsonb,
                               p_hold interval, out chosen int, out scope text, out unit text, out held boolean)
  language plpgsql as $$
#variable_conflict use_column
declare
  v_month date;
  v_held reservations;
  v_cost jsonb;
begin
  perform set_config('app.current_tenant', p_tenant::text, true), set_config('synchronous_commit', 'off', true);
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  v_month := coalesce(v_month, this_month());
  if not found or exists (select from usage where tenant_id = p_tenant and not counted
                            and created_at >= v_month::timestamp at time zone 'utc') then
    perform count_unreserved(p_tenant);
  end if;
  if exists (select from reservations where tenant_id = p_tenant and turn_id <> p_turn
               and expires_at <= clock_timestamp()) then
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

create or replace function settle_budget(p_tenant uuid, p_conversation uuid, p_shard int, p_turn uuid, p_usage jsonb, p_budget jsonb)
  returns int[] language plpgsql as $$
declare
  v_month date;
  v_held reservations;
  v_raised int[];
begin
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  if (p_budget ->> 'held')::boolean then
    delete from reservations where tenant_id = p_tenant and turn_id = p_turn returning * into v_held;
    if not found then
      raise exception 'what turn % had reserved has expired', p_turn using errcode = 'KF002';
    end if;
    update spending set reserved_micros = reserved_micros - v_held.micros, reserved_tokens = reserved_tokens - v_held.tokens,
        spent_micros = case when month < v_month then 0 else spent_micros end + (p_usage ->> 'cost_micros')::bigint,
        spent_tokens = case when month < v_month then 0 else spent_tokens end
          + (p_usage ->> 'prompt_tokens')::bigint + (p_usage ->> 'completion_tokens')::bigint,
        month = v_month
      where tenant_id = p_tenant and subject_id in (p_tenant, v_held.employee_id, v_held.conversation_id);
  end if;
  -- Mostly there is nothing to tell, and it is found out for less than it takes to tell it.
  if jsonb_typeof(p_budget -> 'full') is distinct from 'object' and not exists (
      select from tenants t join spending s on s.tenant_id = t.id
        where t.id = p_tenant and s.subject_id in (p_tenant, (p_usage ->> 'employee')::uuid, p_conversation)
          and (s.spent_micros * 2 >= (t.budgets -> s.scope ->> 'micros')::bigint
            or s.spent_tokens * 2 >= (t.budgets -> s.scope ->> 'tokens')::bigint)) then
    return null;
  end if;
  with due as (
    select s.subject_id, s.scope, v_month as month, u.unit, p.percent, u.spent, u.budget
      from tenants t join spending s on s.tenant_id = t.id cross join lateral (values
        ('micros', case when s.month = v_month then s.spent_micros else 0 end, (t.budgets -> s.scope ->> 'micros')::bigint),
        ('tokens', case when s.month = v_month then s.spent_tokens else 0 end, (t.budgets -> s.scope ->> 'tokens')::bigint))
        u (unit, spent, budget) cross join unnest(array[50, 80, 100]) p (percent)
      where t.id = p_tenant
        and s.subject_id in (p_tenant, (p_usage ->> 'employee')::uuid, p_conversation)
        and u.budget is not null and (u.spent * 100 >= u.budget * p.percent or (p.percent = 100
          and s.scope = p_budget -> 'full' ->> 'scope' and u.unit = p_budget -> 'full' ->> 'unit'))),
  raised as (
    insert into budget_alerts (tenant_id, subject_id, month, unit, percent, budget, scope, spent)
      select p_tenant, subject_id, month, unit, percent, budget, scope, spent from due on conflict do nothing returning *),
  told as (
    insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                        channel, address)
      select p_tenant, md5(concat_ws('|', r.tenant_id, r.subject_id, r.month, r.unit, r.percent, r.budget))::uuid,
             p_conversation, p_shard, p_turn, 1500 + row_number() over (order by r.percent),
             format(p_budget -> 'tell' ->> case r.percent when 100 then 'full' else 'part' end,
               p_budget -> 'tell' ->> r.scope, r.percent, shown_amount(r.spent, r.unit), shown_amount(r.budget, r.unit)),
             'pending', 0, now(), 'slack', p_budget -> 'tell' -> 'address'
        from raised r where jsonb_typeof(p_budget -> 'tell' -> 'address') = 'object')
  select array_agg(percent) into v_raised from raised;
  return v_raised;
end $$;
