-- What every turn's model calls cost, by the prices of the day, is in the ledger from now on.

alter table models add column price jsonb,
  add column max_answer_tokens int not null default 4096;

alter table usage add column cost_micros bigint not null default 0,
  add column provider text,
  add column channel text,
  add column price_version text,
  add column cached_tokens int not null default 0,
  add column each_call jsonb;

create or replace function commit_turn(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_version bigint, p_turn uuid, p_inbox bigint[],
  p_outcome text, p_channel text, p_address jsonb, p_counters jsonb, p_pause jsonb, p_contacts jsonb, p_said jsonb,
  p_memories jsonb, p_replies jsonb, p_usage jsonb, p_claim_seconds double precision)
  returns void language plpgsql as $$
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
                       cost_micros, provider, channel, price_version, cached_tokens, each_call)
      select p_tenant, p_turn, p_conversation, (p_usage ->> 'employee')::uuid, p_usage ->> 'model',
             (p_usage ->> 'calls')::int, (p_usage ->> 'prompt_tokens')::int, (p_usage ->> 'completion_tokens')::int,
             coalesce((p_usage ->> 'cost_micros')::bigint, 0), p_usage ->> 'provider', p_channel,
             p_usage ->> 'price_version', coalesce((p_usage ->> 'cached_tokens')::int, 0), p_usage -> 'each_call';
  end if;
  insert into outbox as o (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,
                           claimed_until, channel, address, source_id)
    select p_tenant, (e ->> 'id')::uuid, p_conversation, p_shard, p_turn, (e ->> 'part')::int, e ->> 'text', 'pending',
           p_epoch, clock_timestamp() + make_interval(secs => p_claim_seconds), e ->> 'channel', e -> 'address',
           e ->> 'source_id' from jsonb_array_elements(p_replies) e
    on conflict (tenant_id, id) do update set text = excluded.text, state = 'pending', claim_epoch = excluded.claim_epoch,
      claimed_until = excluded.claimed_until where o.state = 'streaming';
end $$;
