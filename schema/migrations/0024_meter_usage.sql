-- Stripe's meters are told what was used, from the ledger.

alter table message_charges add column priced_at timestamptz;
update message_charges set priced_at = now() where cost_micros is not null;
drop index message_charges_by_day;
create index message_charges_by_time on message_charges (tenant_id, priced_at);
create index usage_by_time on usage (tenant_id, created_at);

create or replace function record_charges(p_tenants uuid[], p_charges uuid[], p_replies uuid[], p_external_ids text[],
                               p_delivered boolean[], p_categories text[], p_countries text[], p_billable boolean[],
                               p_ats timestamptz[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    insert into message_charges as c (tenant_id, id, turn_id, category, country, delivered, billable, created_at)
      select v_tenant, e.id, (array_agg(o.turn_id) filter (where o.turn_id is not null))[1], max(e.category),
             max(e.country), bool_or(e.delivered), bool_and(e.billable), coalesce(min(o.created_at), min(e.at))
      from unnest(p_tenants, p_charges, p_replies, p_external_ids, p_delivered, p_categories, p_countries, p_billable,
                  p_ats) as e (tenant, id, reply, external_id, delivered, category, country, billable, at)
      left join outbox o on o.tenant_id = v_tenant and o.id = coalesce(e.reply,
        (select x.id from outbox x where x.tenant_id = v_tenant and x.external_id = e.external_id limit 1))
      where e.tenant = v_tenant group by e.id order by e.id
      on conflict (tenant_id, id) do update set
        turn_id = coalesce(c.turn_id, excluded.turn_id),
        category = case c.category when '' then excluded.category else c.category end,
        country = case c.country when '' then excluded.country else c.country end,
        delivered = c.delivered or excluded.delivered,
        billable = c.billable and excluded.billable,
        created_at = least(c.created_at, excluded.created_at)
      where c.cost_micros is null;
    update message_charges c set
        cost_micros = case when c.billable then coalesce(p.micros, 0) else 0 end,
        price_version = case when c.billable then coalesce(p.version, '') else 'free' end,
        priced_at = now()
      from message_charges k left join message_price(k.category, k.country, k.created_at) p on true
      where k.tenant_id = v_tenant and k.id = any (p_charges) and k.cost_micros is null and k.delivered
        and k.category <> '' and c.tenant_id = v_tenant and c.id = k.id;
  end loop;
end $$;

-- What Stripe's meters are told: one row for each turn and each charged message of a tenant that subscribes. Rows follow
-- from the ledger by derive_meter_events; nothing here names a person, and it outlives the conversation.
--   waiting -> sending (claimed; Stripe may have it) -> sent, or refused (an operator must look)
--   sending for longer than Stripe knows identifiers, or sent but in doubt -> doubtful -> sent, or waiting anew
create table meter_events (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,                               -- the turn's, or that of the message's charge: Stripe's identifier
  source text not null check (source in ('turn', 'message')),
  customer text not null,                         -- Stripe's
  event_name text not null,
  value bigint not null check (value > 0),
  at timestamptz not null,                        -- when the ledger got it
  stamped_at timestamptz,                         -- what Stripe was told; later than `at` where that period was over
  state text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'doubtful', 'refused')),
  attempts int not null default 0,
  anew int not null default 0,                    -- how often begun again under a new identifier: it had not been counted
  due_at timestamptz not null,
  first_sent_at timestamptz,                      -- under this identifier
  sent_at timestamptz,
  error text,
  primary key (tenant_id, id)
);
create index meter_events_due on meter_events (tenant_id, due_at) where state in ('waiting', 'sending', 'doubtful');
create index meter_events_by_time on meter_events (tenant_id, (coalesce(stamped_at, at)));

-- The last comparison of a month's ledger with Stripe, in the plan's units and in money.
create table reconciliations (
  tenant_id uuid not null references tenants (id) on delete cascade,
  month date not null,
  customer text not null,
  event_name text not null,
  ledger bigint not null,
  stripe bigint not null,
  unsent bigint not null,                         -- of the ledger: on its way
  refused bigint not null,                        -- of the ledger: refused or in doubt
  difference bigint not null,                     -- ledger - stripe
  difference_micros bigint not null,              -- at the plan's price
  at timestamptz not null,
  primary key (tenant_id, month, customer, event_name)
);

-- What Stripe says was wrong with meter events, to be fetched and applied; of the whole account.
create table meter_reports (
  event text primary key,
  type text not null,
  body jsonb not null,
  received_at timestamptz not null default now(),
  errors int,                                     -- how many events it is about
  summary text,
  handled_at timestamptz
);
create index meter_reports_waiting on meter_reports (received_at) where handled_at is null;

do $$
declare v_table text;
begin
  foreach v_table in array array['meter_events', 'reconciliations'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
grant select, insert, update on meter_events, reconciliations, meter_reports to konstruct_app;
grant select (tenant_id, created_at) on usage to konstruct_lookup;
grant select (tenant_id, priced_at) on message_charges to konstruct_lookup;
grant select (tenant_id, state, due_at) on meter_events to konstruct_lookup;
grant select (tenant_id, at) on reconciliations to konstruct_lookup;
grant select (tenant_id, plan) on subscriptions to konstruct_lookup;
create policy usage_lookup on usage for select to konstruct_lookup using (true);
create policy message_charges_lookup on message_charges for select to konstruct_lookup using (true);
create policy meter_events_lookup on meter_events for select to konstruct_lookup using (true);
create policy reconciliations_lookup on reconciliations for select to konstruct_lookup using (true);
create policy subscriptions_lookup on subscriptions for select to konstruct_lookup using (true);

-- Tenants with something to bill: usage since, meter events due, or no comparison with Stripe since p_nightly.
create function tenants_to_bill(p_since timestamptz, p_now timestamptz, p_nightly timestamptz)
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
                 and m.state in ('waiting', 'sending', 'doubtful'))
  order by t.tenant_id limit 2000;
$$;

create function subscribers()
  returns table (tenant_id uuid) language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from subscriptions order by 1';

do $$
declare v_function regprocedure;
begin
  grant create on schema public to konstruct_lookup;
  foreach v_function in array array['tenants_to_bill(timestamptz, timestamptz, timestamptz)', 'subscribers()']::regprocedure[] loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to konstruct_app', v_function);
    execute format('alter function %s owner to konstruct_lookup', v_function);
  end loop;
  revoke create on schema public from konstruct_lookup;
end $$;

-- The ledger of a tenant: what each turn's models and each charged message cost.
create function ledger_entries(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (id uuid, source text, at timestamptz, cost_micros bigint, prompt_tokens bigint,
                 completion_tokens bigint, kind text, price_version text) language sql stable as $$
  select turn_id, 'turn', created_at, cost_micros, prompt_tokens::bigint, completion_tokens::bigint, model,
         coalesce(price_version, '')
    from usage where tenant_id = p_tenant and created_at >= p_from and created_at < p_to
  union all
  select id, 'message', priced_at, cost_micros, 0, 0, trim(category || ' ' || country), price_version
    from message_charges where tenant_id = p_tenant and priced_at >= p_from and priced_at < p_to;
$$;

-- An entry of the ledger in a plan's unit.
create function in_units(p_unit text, p_source text, p_cost_micros bigint, p_tokens bigint)
  returns bigint language sql immutable parallel safe
  return case p_unit when 'micros' then p_cost_micros when 'tokens' then p_tokens
                     else case p_source when 'turn' then 1 else 0 end end;

-- What the ledger got since then and no meter was told yet becomes meter events; again and again, it changes nothing.
create function derive_meter_events(p_tenant uuid, p_since timestamptz, p_now timestamptz)
  returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into meter_events (tenant_id, id, source, customer, event_name, value, at, due_at)
    select distinct on (l.id) p_tenant, l.id, l.source, s.customer, p.event_name,
           in_units(p.unit, l.source, l.cost_micros, l.prompt_tokens + l.completion_tokens), l.at, p_now
    from ledger_entries(p_tenant, p_since, 'infinity') l
    join subscriptions s on s.tenant_id = p_tenant and l.at >= s.started_at and l.at < coalesce(s.ended_at, 'infinity')
      and s.status not in ('incomplete', 'incomplete_expired')
    join plans p on p.name = s.plan
    where in_units(p.unit, l.source, l.cost_micros, l.prompt_tokens + l.completion_tokens) > 0
      and not exists (select from meter_events m where m.tenant_id = p_tenant and m.id = l.id)
    order by l.id, s.started_at
    on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- The right to tell Stripe of some events, for p_lease. An event whose period is over is stamped with the present: the
-- invoice of that period is closed, and would never charge it. One that Stripe may have forgotten is not repeated.
create function claim_meter_events(p_tenant uuid, p_limit int, p_now timestamptz, p_lease interval, p_known interval)
  returns table (id uuid, anew int, attempt int, customer text, event_name text, value bigint, stamped_at timestamptz)
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = 'doubtful', due_at = p_now
    where m.tenant_id = p_tenant and m.state = 'sending' and m.due_at <= p_now and m.first_sent_at <= p_now - p_known;
  return query
    with due as (
      select d.id from meter_events d
      where d.tenant_id = p_tenant and d.state in ('waiting', 'sending') and d.due_at <= p_now
      order by d.at limit p_limit for update skip locked)
    update meter_events m set state = 'sending', attempts = m.attempts + 1, due_at = p_now + p_lease,
        first_sent_at = coalesce(m.first_sent_at, p_now),
        stamped_at = coalesce(m.stamped_at, date_trunc('second', case
          when m.at <= p_now - interval '34 days' or exists (
            select from subscriptions s where s.tenant_id = p_tenant and s.customer = m.customer
              and m.at < s.period_start_at and p_now >= s.period_start_at + interval '50 minutes') then p_now
          else m.at end))
      from due where m.tenant_id = p_tenant and m.id = due.id
      returning m.id, m.anew, m.attempts, m.customer, m.event_name, m.value, m.stamped_at;
end $$;

-- What became of claimed events: sent, refused, or sending = to be tried again at p_due. Who was overtaken says nothing,
-- but that an event is sent, which is true whoever says it.
create function mark_meter_events(p_tenant uuid, p_ids uuid[], p_attempts int[], p_states text[], p_errors text[],
                                  p_due timestamptz, p_now timestamptz)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = e.state, error = e.error, due_at = p_due,
      sent_at = case e.state when 'sent' then p_now end
    from unnest(p_ids, p_attempts, p_states, p_errors) as e (id, attempt, state, error)
    where m.tenant_id = p_tenant and m.id = e.id and m.state = 'sending'
      and (m.attempts = e.attempt or e.state = 'sent');
end $$;

-- Doubts settled: sent, or waiting (it was not counted: told anew, under a new identifier, a few times); doubtful = look
-- again at p_due.
create function settle_meter_events(p_tenant uuid, p_ids uuid[], p_states text[], p_error text, p_due timestamptz,
                                    p_now timestamptz)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = e.state, due_at = p_due, error = e.error,
      sent_at = case e.state when 'sent' then coalesce(m.sent_at, p_now) end,
      anew = m.anew + (e.state = 'waiting')::int,
      stamped_at = case when e.state <> 'waiting' then m.stamped_at end,
      first_sent_at = case when e.state <> 'waiting' then m.first_sent_at end
    from (select d.id, case when u.state = 'waiting' and d.anew >= 3 then 'refused' else u.state end as state,
                 case when u.state = 'doubtful' then p_error
                      when u.state = 'waiting' and d.anew >= 3 then 'Stripe has taken it again and again, and not counted it.'
                 end as error
          from unnest(p_ids, p_states) as u (id, state)
          join meter_events d on d.tenant_id = p_tenant and d.id = u.id and d.state = 'doubtful') e
    where m.tenant_id = p_tenant and m.id = e.id;
end $$;

-- Stripe reports errors: of p_ids, with the reason; or of some among those that were sent between two moments.
create function doubt_meter_events(p_tenant uuid, p_ids uuid[], p_errors text[], p_event_name text, p_from timestamptz,
                                   p_to timestamptz, p_due timestamptz)
  returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = 'refused', error = e.error
    from unnest(p_ids, p_errors) as e (id, error)
    where m.tenant_id = p_tenant and m.id = e.id and m.state in ('sending', 'sent', 'doubtful');
  get diagnostics v_count = row_count;
  update meter_events m set state = 'doubtful', due_at = p_due
    where m.tenant_id = p_tenant and m.state = 'sent' and m.event_name = p_event_name
      and m.sent_at >= p_from and m.sent_at < p_to;
  return v_count;
end $$;

-- An operator has mended what Stripe refused: it is told anew.
create function resend_meter_events(p_tenant uuid, p_now timestamptz) returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events set state = 'waiting', anew = anew + 1, stamped_at = null, first_sent_at = null, error = null,
      due_at = p_now
    where tenant_id = p_tenant and state = 'refused';
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- What meters were to be told of a time, by what became of it; `ledger` is what the ledger says today. A row for every
-- customer and meter of the tenant's subscriptions, also where nothing was used.
create function meter_sums(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (customer text, event_name text, ledger bigint, sent bigint, unsent bigint, refused bigint)
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    with told as (
      select m.customer, m.event_name, m.value, m.state,
             case when u.turn_id is not null
                    then in_units(p.unit, 'turn', u.cost_micros, u.prompt_tokens::bigint + u.completion_tokens)
                  when c.id is not null then in_units(p.unit, 'message', c.cost_micros, 0)
                  else m.value end as today         -- forgotten with its conversation
      from meter_events m
      join lateral (select unit from plans where plans.event_name = m.event_name limit 1) p on true
      left join usage u on m.source = 'turn' and u.tenant_id = p_tenant and u.turn_id = m.id
      left join message_charges c on m.source = 'message' and c.tenant_id = p_tenant and c.id = m.id
      where m.tenant_id = p_tenant and coalesce(m.stamped_at, m.at) >= p_from and coalesce(m.stamped_at, m.at) < p_to
      union all
      select s.customer, p.event_name, 0, 'sent', 0 from subscriptions s join plans p on p.name = s.plan
      where s.tenant_id = p_tenant)
    select t.customer, t.event_name, sum(t.today)::bigint, coalesce(sum(t.value) filter (where t.state = 'sent'), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('waiting', 'sending')), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('doubtful', 'refused')), 0)::bigint
    from told t group by 1, 2;
end $$;

-- A thin event about meters, kept until the Biller has fetched and applied it; in the transaction that dedupes events.
create function keep_meter_report(p_event text, p_type text, p_body jsonb) returns void language sql as $$
  insert into meter_reports (event, type, body) values (p_event, p_type, p_body) on conflict do nothing;
$$;

-- What a time cost, by model and by kind of message.
create function bill_entries(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (source text, kind text, count bigint, prompt_tokens bigint, completion_tokens bigint,
                 cost_micros bigint, unpriced bigint) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    select l.source, l.kind, count(*), sum(l.prompt_tokens)::bigint, sum(l.completion_tokens)::bigint,
           sum(l.cost_micros)::bigint, count(*) filter (where l.price_version = '')
    from ledger_entries(p_tenant, p_from, p_to) l group by 1, 2 order by 1 desc, 6 desc, 2;
end $$;

-- From the ledger of a time to what Stripe was told for it, in a plan's unit: every difference has its name.
--   ledger + forgotten + changed - outside + earlier - later - unsent - refused = told
create function bill_movements(p_tenant uuid, p_unit text, p_event_name text, p_from timestamptz, p_to timestamptz)
  returns table (ledger bigint, forgotten bigint, changed bigint, outside bigint, earlier bigint, later bigint,
                 unsent bigint, refused bigint, told bigint) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    with entries as (
      select l.id, in_units(p_unit, l.source, l.cost_micros, l.prompt_tokens + l.completion_tokens) as value
      from ledger_entries(p_tenant, p_from, p_to) l),
    events as (
      select m.id, m.value, m.state, m.at >= p_from and m.at < p_to as own,
             m.stamped_at >= p_from and m.stamped_at < p_to as here
      from meter_events m where m.tenant_id = p_tenant and m.event_name = p_event_name
        and (coalesce(m.stamped_at, m.at) >= p_from and coalesce(m.stamped_at, m.at) < p_to
          or m.at >= p_from and m.at < p_to)),
    both_sides as (
      select e.value as entry, v.value as event, v.state, v.own, v.here
      from entries e full join events v on v.id = e.id)
    select coalesce(sum(b.entry), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and b.entry is null), 0)::bigint,
           coalesce(sum(b.event - b.entry) filter (where b.own), 0)::bigint,
           coalesce(sum(b.entry) filter (where b.event is null), 0)::bigint,
           coalesce(sum(b.event) filter (where not b.own and b.here and b.state = 'sent'), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and not b.here and b.state = 'sent'), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and b.state in ('waiting', 'sending')), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and b.state in ('doubtful', 'refused')), 0)::bigint,
           coalesce(sum(b.event) filter (where b.here and b.state = 'sent'), 0)::bigint
    from both_sides b;
end $$;
