-- An escalation goes on with the message in which its answer was begun; a web answer that was stopped keeps its words.

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
                                  paused_reason, paused_until, paused_by)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address, 1, now(), p_counters,
            p_pause ->> 'reason', v_paused_until, p_pause ->> 'by')
    on conflict (tenant_id, id) do update set version = c.version + 1, last_turn_at = now(),
      address = excluded.address, counters = excluded.counters,
      paused_reason = case when p_pause is null then c.paused_reason else excluded.paused_reason end,
      paused_until = case when p_pause is null then c.paused_until else excluded.paused_until end,
      paused_by = case when p_pause is null then c.paused_by else excluded.paused_by end
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
    -- What was visible of an answer that is not wanted any more stays as it is, unless this turn goes on with it.
    update outbox set state = 'cancelled' where tenant_id = p_tenant and conversation_id = p_conversation
      and state = 'streaming' and part = 0
      and id not in (select (e ->> 'id')::uuid from jsonb_array_elements(p_replies) e);
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

create or replace function say_on_web(p_tenant uuid, p_conversation uuid, p_id uuid, p_role text, p_text text, p_final boolean)
  returns bigint language plpgsql as $$
declare v_seq bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_conversation::text, 5));
  select coalesce(max(seq), 0) + 1 into v_seq from web_messages
    where tenant_id = p_tenant and conversation_id = p_conversation;
  if p_role = 'employee' then
    update web_messages set text = '', seq = v_seq
      where tenant_id = p_tenant and conversation_id = p_conversation and role = 'status' and text <> '';
    v_seq := v_seq + 1;
  end if;
  insert into web_messages as w (tenant_id, conversation_id, id, place, seq, role, text, final)
    values (p_tenant, p_conversation, p_id, v_seq, v_seq, p_role, p_text, p_final)
    on conflict (tenant_id, conversation_id, id) do update
      -- An answer that ends without another word ends as it is.
      set text = case when p_role = 'employee' and excluded.text = '' then w.text else excluded.text end,
          final = excluded.final, seq = excluded.seq
      where w.role = excluded.role and (excluded.final or not w.final)
        and (p_role = 'status' or (w.text, w.final) is distinct from (excluded.text, excluded.final));
  return v_seq;
end $$;
