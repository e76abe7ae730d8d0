-- Budgets of a month: a turn holds what it may cost before a model is asked, and settles when it commits.

alter table tenants add column budgets jsonb not null default '{}';

alter table usage add column counted boolean not null default false;
create index usage_uncounted on usage (tenant_id, created_at) where not counted;

-- What a tenant, each employee and each conversation has spent this month (UTC), and what turns under way may still
-- spend. Who changes a row of a tenant has locked the row of the tenant itself first.
create table spending (
  tenant_id uuid not null references tenants (id) on delete cascade,
  subject_id uuid not null,                       -- the tenant itself, an employee or a conversation
  scope text not null check (scope in ('tenant', 'employee', 'conversation')),
  month date not null,                            -- in which it was spent; what was before is in usage
  spent_micros bigint not null default 0,
  spent_tokens bigint not null default 0,
  reserved_micros bigint not null default 0 check (reserved_micros >= 0),
  reserved_tokens bigint not null default 0 check (reserved_tokens >= 0),
  primary key (tenant_id, subject_id)
) with (fillfactor = 50);

-- What one turn may spend at most; gone once it has committed, or has not for too long.
create table reservations (
  tenant_id uuid not null,
  turn_id uuid not null,
  conversation_id uuid not null,
  employee_id uuid not null,
  micros bigint not null,
  tokens bigint not null,
  expires_at timestamptz not null,
  primary key (tenant_id, turn_id),
  foreign key (tenant_id, conversation_id) references spending (tenant_id, subject_id) on delete cascade
);

-- Once for each budget, month and share of it; a limit that was changed is a new one.
create table budget_alerts (
  tenant_id uuid not null references tenants (id) on delete cascade,
  subject_id uuid not null,
  month date not null,
  unit text not null check (unit in ('micros', 'tokens')),
  percent int not null check (percent between 1 and 100), -- 100: also where another turn could cost more than is left
  budget bigint not null,
  scope text not null,
  spent bigint not null,
  raised_at timestamptz not null default now(),
  primary key (tenant_id, subject_id, month, unit, percent, budget)
);

do $$
declare v_table text;
begin
  foreach v_table in array array['spending', 'reservations', 'budget_alerts'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
grant select, insert, update on spending to konstruct_app;
grant select, insert, update, delete on reservations to konstruct_app;
grant select, insert on budget_alerts to konstruct_app;

-- The month that it is, UTC.
create function this_month() returns date language sql stable parallel safe
  return date_trunc('month', now() at time zone 'utc')::date;

-- What was spent by turns that reserved nothing, because there was no budget yet, counts from now on.
create function count_unreserved(p_tenant uuid) returns void language plpgsql as $$
declare v_month date := this_month();
begin
  insert into spending (tenant_id, subject_id, scope, month) values (p_tenant, p_tenant, 'tenant', v_month)
    on conflict do nothing;
  perform 1 from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
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

-- What turns had reserved that never ended is free again.
create function release_expired(p_tenant uuid, p_but_of uuid) returns void language sql as $$
  with gone as (
    delete from reservations
      where tenant_id = p_tenant and turn_id <> p_but_of and expires_at <= clock_timestamp() returning *)
  update spending s set reserved_micros = s.reserved_micros - f.micros, reserved_tokens = s.reserved_tokens - f.tokens
    from (select x.subject, sum(g.micros)::bigint as micros, sum(g.tokens)::bigint as tokens
          from gone g cross join lateral (values (p_tenant), (g.employee_id), (g.conversation_id)) x (subject)
          group by x.subject) f
    where s.tenant_id = p_tenant and s.subject_id = f.subject;
$$;

-- The budget that has no room for what a turn may cost ({micros, tokens}) instead of what it holds already.
create function full_budget(p_held reservations, p_cost jsonb, p_month date)
  returns table (scope text, unit text) language sql stable as $$
  select s.scope, u.unit
    from tenants t join spending s on s.tenant_id = t.id cross join lateral (values
      ('micros', (p_cost ->> 'micros')::bigint, p_held.micros, s.spent_micros, s.reserved_micros),
      ('tokens', (p_cost ->> 'tokens')::bigint, p_held.tokens, s.spent_tokens, s.reserved_tokens))
      u (unit, cost, held, spent, reserved)
    where t.id = p_held.tenant_id and s.subject_id in (t.id, p_held.employee_id, p_held.conversation_id)
      and u.cost > u.held and (t.budgets -> s.scope ->> u.unit)::bigint
        < case when s.month >= p_month then u.spent else 0 end + u.reserved - u.held + u.cost
    order by array_position(array['tenant', 'employee', 'conversation'], s.scope), u.unit limit 1;
$$;

-- Before a model is asked: hold the first of the options that fits into every budget. `chosen` counts from 0, -1: none
-- fits; `scope` and `unit` name the budget that has no room for the first; `held`: whether the turn holds anything. A
-- turn that is repeated holds once. Nothing waits for the disk: what PostgreSQL loses in a crash, settle_budget misses.
create function reserve_budget(p_tenant uuid, p_conversation uuid, p_employee uuid, p_turn uuid, p_options jsonb,
                               p_hold interval, out chosen int, out scope text, out unit text, out held boolean)
  language plpgsql as $$
#variable_conflict use_column
declare
  v_month date := this_month();
  v_held reservations;
  v_cost jsonb;
begin
  perform set_config('app.current_tenant', p_tenant::text, true), set_config('synchronous_commit', 'off', true);
  perform 1 from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  if not found or exists (select from usage where tenant_id = p_tenant and not counted
                            and created_at >= v_month::timestamp at time zone 'utc') then
    perform count_unreserved(p_tenant);
  end if;
  perform release_expired(p_tenant, p_turn);
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

-- A turn commits: what it cost takes the place of what it held, and operators are told of a budget that is half, four
-- fifths or wholly used. Answers the percentages that were reached just now. KF002 = what it held is gone.
create function settle_budget(p_tenant uuid, p_conversation uuid, p_shard int, p_turn uuid, p_usage jsonb, p_budget jsonb)
  returns int[] language plpgsql as $$
declare
  v_month date := this_month();
  v_held reservations;
  v_raised int[];
begin
  perform 1 from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  if (p_budget ->> 'held')::boolean then
    delete from reservations where tenant_id = p_tenant and turn_id = p_turn returning * into v_held;
    if not found then
      raise exception 'what turn % had reserved has expired', p_turn using errcode = 'KF002';
    end if;
    update spending set reserved_micros = reserved_micros - v_held.micros, reserved_tokens = reserved_tokens - v_held.tokens,
        spent_micros = case when month < v_month then 0 else spent_micros end
          + case when month > v_month then 0 else (p_usage ->> 'cost_micros')::bigint end,
        spent_tokens = case when month < v_month then 0 else spent_tokens end + case when month > v_month then 0
          else (p_usage ->> 'prompt_tokens')::bigint + (p_usage ->> 'completion_tokens')::bigint end,
        month = greatest(month, v_month)
      where tenant_id = p_tenant and subject_id in (p_tenant, v_held.employee_id, v_held.conversation_id);
  end if;
  with due as (
    select s.subject_id, s.scope, s.month, u.unit, p.percent, u.spent, u.budget
      from tenants t join spending s on s.tenant_id = t.id cross join lateral (values
        ('micros', s.spent_micros, (t.budgets -> s.scope ->> 'micros')::bigint),
        ('tokens', s.spent_tokens, (t.budgets -> s.scope ->> 'tokens')::bigint)) u (unit, spent, budget)
        cross join unnest(array[50, 80, 100]) p (percent)
      where t.id = p_tenant and s.month = v_month
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

create function shown_amount(p_amount bigint, p_unit text) returns text language sql immutable
  return case p_unit when 'micros' then to_char(p_amount / 1000000.0, 'FM999999999990.00') || ' USD'
              else p_amount || ' tokens' end;

drop function commit_turn(uuid, uuid, int, bigint, bigint, uuid, bigint[], text, text, jsonb, jsonb, jsonb, jsonb, jsonb,
                          jsonb, jsonb, jsonb, double precision);

create function commit_turn(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_version bigint, p_turn uuid, p_inbox bigint[],
  p_outcome text, p_channel text, p_address jsonb, p_counters jsonb, p_pause jsonb, p_contacts jsonb, p_said jsonb,
  p_memories jsonb, p_replies jsonb, p_usage jsonb, p_claim_seconds double precision, p_budget jsonb)
  returns int[] language plpgsql as $$
declare
  v_consumed int;
  v_paused_until timestamptz := now() + make_interval(secs => (p_pause ->> 'seconds')::double precision);
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  insert into conversations as c (tenant_id, id, shard, channel, address, version, last_turn_at, counters,
                                  paused_reason, paused_until)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address, 1, now(), p_counters,
            p_pause ->> 'reason', v_paused_until)
    on conflict (tenant_id, id) do update set version = c.version + 1, last_turn_at = now(),
      address = excluded.address, counters = excluded.counters,
      paused_reason = case when p_pause is null then c.paused_reason else excluded.paused_reason end,
      paused_until = case when p_pause is null then c.paused_until else excluded.paused_until end
    where c.version = p_version;
  if not found then
    raise exception 'conversation is not at version %', p_version using errcode = 'KF002';
  end if;
  -- What was said is in messages from now on; a deletion there must not leave a copy here.
  update inbox set state = p_outcome, turn_id = p_turn, body = '{}'
    where tenant_id = p_tenant and id = any (p_inbox) and conversation_id = p_conversation and state = 'waiting';
  get diagnostics v_consumed = row_count;
  if v_consumed <> cardinality(p_inbox) or exists (
      select from inbox where tenant_id = p_tenant and conversation_id = p_conversation and state = 'waiting'
        and id < p_inbox[cardinality(p_inbox)]) then
    raise exception 'the inbox of the conversation is not as the turn saw it' using errcode = 'KF002';
  end if;
  insert into contacts (tenant_id, id, channel, external_id)
    select p_tenant, (e ->> 'id')::uuid, p_channel, e ->> 'external_id' from jsonb_array_elements(p_contacts) e
    on conflict do nothing;
  insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text, source_id, files)
    select p_tenant, p_conversation, p_turn, p_version + 1, e ->> 'role', (e ->> 'contact')::uuid, e ->> 'text',
           e ->> 'source_id', e -> 'files' from jsonb_array_elements(p_said) e;
  insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private, text)
    select p_tenant, p_turn, (e ->> 'contact')::uuid, p_conversation, p_shard, p_version + 1,
           (e ->> 'private')::boolean, e ->> 'text' from jsonb_array_elements(p_memories) e;
  if p_outcome <> 'answered' then
    -- What was visible of an answer that is not wanted any more stays as it is.
    update outbox set state = 'cancelled' where tenant_id = p_tenant and conversation_id = p_conversation
      and state = 'streaming' and part = 0;
  end if;
  if p_usage is not null then
    insert into usage (tenant_id, turn_id, conversation_id, employee_id, model, calls, prompt_tokens, completion_tokens,
                       cost_micros, provider, channel, price_version, cached_tokens, each_call, counted)
      select p_tenant, p_turn, p_conversation, (p_usage ->> 'employee')::uuid, p_usage ->> 'model',
             (p_usage ->> 'calls')::int, (p_usage ->> 'prompt_tokens')::int, (p_usage ->> 'completion_tokens')::int,
             coalesce((p_usage ->> 'cost_micros')::bigint, 0), p_usage ->> 'provider', p_channel,
             p_usage ->> 'price_version', coalesce((p_usage ->> 'cached_tokens')::int, 0), p_usage -> 'each_call',
             coalesce((p_budget ->> 'held')::boolean, false);
  end if;
  insert into outbox as o (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,
                           claimed_until, channel, address, source_id)
    select p_tenant, (e ->> 'id')::uuid, p_conversation, p_shard, p_turn, (e ->> 'part')::int, e ->> 'text', 'pending',
           p_epoch, clock_timestamp() + make_interval(secs => p_claim_seconds), e ->> 'channel', e -> 'address',
           e ->> 'source_id' from jsonb_array_elements(p_replies) e
    on conflict (tenant_id, id) do update set text = excluded.text, state = 'pending', claim_epoch = excluded.claim_epoch,
      claimed_until = excluded.claimed_until where o.state = 'streaming';
  -- Last, because it locks what all turns of a tenant share.
  return case when p_budget is not null then settle_budget(p_tenant, p_conversation, p_shard, p_turn, p_usage, p_budget) end;
end $$;
