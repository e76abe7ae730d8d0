-- The operators' API: its tokens, its answers to repeated writes, and dead letters that are tried again.

-- Tokens of the operators' API: a tenant's own, for one role, until they expire. Only their SHA-256 is kept.
create table api_tokens (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  sha256 bytea not null,
  name text not null,
  role text not null check (role in ('viewer', 'operator', 'owner')),
  created_by text not null,                       -- the actor
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,                       -- to five minutes
  primary key (tenant_id, id)
);
create unique index api_tokens_by_secret on api_tokens (tenant_id, sha256); -- recognise_api_token

-- What the operators' API answered to a write with an idempotency key, in the transaction of its effect; for a day.
create table idempotency_keys (
  tenant_id uuid not null references tenants (id) on delete cascade,
  actor text not null,
  key text not null,
  request bytea not null,                         -- SHA-256 of what was asked
  answer bytea not null,                          -- encrypted by the vault: it may hold a secret
  created_at timestamptz not null default now(),
  primary key (tenant_id, actor, key)
);

do $$
declare v_table text;
begin
  foreach v_table in array array['api_tokens', 'idempotency_keys'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
grant select, insert, delete, update (last_used_at) on api_tokens to konstruct_app;
grant select, insert, delete on idempotency_keys to konstruct_app;

-- An operator has a dead letter tried again: the message as if it had come now, and what was begun to show of its answer
-- goes on. False where it is none (any more).
create function retry_message(p_tenant uuid, p_inbox bigint, p_turn uuid) returns boolean language plpgsql as $$
declare v_conversation uuid;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update inbox i set state = 'waiting', attempts = 0, error = null, received_at = now(),
      epoch = (select s.epoch from shards s where s.shard = i.shard)
    where i.tenant_id = p_tenant and i.id = p_inbox and i.state = 'dead' returning i.conversation_id into v_conversation;
  if not found then
    return false;
  end if;
  update outbox set state = 'streaming'
    where tenant_id = p_tenant and conversation_id = v_conversation and turn_id = p_turn and part = 0
      and state = 'cancelled';
  return true;
end $$;

-- A refused reply is sent again as another, for hosts know this one as settled. False where it is none (any more).
create function retry_reply(p_tenant uuid, p_reply uuid, p_again uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update outbox set state = 'cancelled' where tenant_id = p_tenant and id = p_reply and state = 'dead';
  if not found then
    return false;
  end if;
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                      channel, address, source_id)
    select tenant_id, p_again, conversation_id, shard, turn_id, part, text, 'pending', 0, now(), channel, address, source_id
      from outbox where tenant_id = p_tenant and id = p_reply;
  return true;
end $$;
