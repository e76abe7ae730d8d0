-- A reply is billed, and a model call audited, only where there was one: an apology, or the word that a budget is used up,
-- is none. What calls cost that led to no answer stays in the ledger.

alter table usage add column answered boolean not null default true;

drop trigger audit_model_call on usage;
create trigger audit_model_call after insert on usage for each row when (new.calls > 0) execute function audit_model_call();

drop function ledger_entries(uuid, timestamptz, timestamptz);
drop function in_units(text, text, bigint, bigint);

create function ledger_entries(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (id uuid, source text, at timestamptz, cost_micros bigint, prompt_tokens bigint,
                 completion_tokens bigint, kind text, price_version text, answered boolean) language sql stable as $$
  select turn_id, 'turn', created_at, cost_micros, prompt_tokens::bigint, completion_tokens::bigint, model,
         coalesce(price_version, ''), answered
    from usage where tenant_id = p_tenant and created_at >= p_from and created_at < p_to
  union all
  select id, 'message', priced_at, cost_micros, 0, 0, trim(category || ' ' || country), price_version, false
    from message_charges where tenant_id = p_tenant and priced_at >= p_from and priced_at < p_to;
$$;

create function in_units(p_unit text, p_answered boolean, p_cost_micros bigint, p_tokens bigint)
  returns bigint language sql immutable parallel safe
  return case p_unit when 'micros' then p_cost_micros when 'tokens' then p_tokens else p_answered::int end;

create or replace function derive_meter_events(p_tenant uuid, p_since timestamptz, p_now timestamptz)
  returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into meter_events (tenant_id, id, source, customer, event_name, value, at, due_at)
    select distinct on (l.id) p_tenant, l.id, l.source, s.customer, p.event_name,
           in_units(p.unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens), l.at, p_now
    from ledger_entries(p_tenant, p_since, 'infinity') l
    join subscriptions s on s.tenant_id = p_tenant and l.at >= s.started_at and l.at < coalesce(s.ended_at, 'infinity')
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
      select s.customer, p.event_name, 0, 'sent', 0 from subscriptions s join plans p on p.name = s.plan
      where s.tenant_id = p_tenant)
    select t.customer, t.event_name, sum(t.today)::bigint, coalesce(sum(t.value) filter (where t.state = 'sent'), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('waiting', 'sending')), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('doubtful', 'refused')), 0)::bigint
    from told t group by 1, 2;
end $$;

create or replace function bill_movements(p_tenant uuid, p_unit text, p_event_name text, p_from timestamptz, p_to timestamptz)
  returns table (ledger bigint, forgotten bigint, changed bigint, outside bigint, earlier bigint, later bigint,
                 unsent bigint, refused bigint, told bigint) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    with entries as (
      select l.id, in_units(p_unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens) as value
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

create or replace function commit_turn(
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
                       cost_micros, provider, channel, price_version, cached_tokens, each_call, counted, answered)
      select p_tenant, p_turn, p_conversation, (p_usage ->> 'employee')::uuid, p_usage ->> 'model',
             (p_usage ->> 'calls')::int, (p_usage ->> 'prompt_tokens')::int, (p_usage ->> 'completion_tokens')::int,
             coalesce((p_usage ->> 'cost_micros')::bigint, 0), p_usage ->> 'provider', p_channel,
             p_usage ->> 'price_version', coalesce((p_usage ->> 'cached_tokens')::int, 0), p_usage -> 'each_call',
             coalesce((p_budget ->> 'held')::boolean, false), coalesce((p_usage ->> 'answered')::boolean, true);
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
