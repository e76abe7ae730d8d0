-- A handover in order is no crash, however often it happens; and what was deleted is not tried again.

alter table shards alter column host drop not null, alter column host drop default;
alter table shards add column calm_epoch bigint not null default 0;
update shards set calm_epoch = epoch where epoch > 0;
update shards set host = null where epoch = 0;

drop function take_shards(int, int[]);
create function take_shards(p_host int, p_shards int[])
  returns table (shard int, epoch bigint, calm_epoch bigint) language sql as $$
  update shards set epoch = shards.epoch + 1, host = p_host,
      calm_epoch = case when shards.host is null then shards.calm_epoch else shards.epoch + 1 end
    where shards.shard = any (p_shards)
  returning shards.shard, shards.epoch, shards.calm_epoch;
$$;

create function leave_shards(p_shards int[], p_epochs bigint[]) returns void language sql as $$
  update shards s set host = null from unnest(p_shards, p_epochs) as l (shard, epoch)
    where s.shard = l.shard and s.epoch = l.epoch;
$$;

create or replace function count_attempt(p_tenant uuid, p_inbox bigint[], p_shard int, p_epoch bigint, p_limit int, p_error text)
  returns table (id bigint, state text, attempts int) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  return query
    update inbox i set attempts = i.attempts + 1, error = coalesce(p_error, i.error),
        epoch = case when p_error is null then p_epoch else i.epoch end,  -- that crash is on record
        state = case when i.attempts + 1 >= p_limit then 'dead' else i.state end
      where i.tenant_id = p_tenant and i.id = any (p_inbox) and i.state = 'waiting'
      returning i.id, i.state, i.attempts;
  -- What was visible of its answer stays as it is: nobody goes on with it. An answer belongs to the first message.
  update outbox o set state = 'cancelled' from inbox i
    where i.tenant_id = p_tenant and i.id = any (p_inbox) and i.state = 'dead'
      and o.tenant_id = p_tenant and o.conversation_id = i.conversation_id and o.state = 'streaming'
      and not exists (select from inbox w where w.tenant_id = p_tenant and w.conversation_id = i.conversation_id
                        and w.state = 'waiting' and w.id < i.id);
end $$;

create or replace function retry_message(p_tenant uuid, p_inbox bigint, p_turn uuid) returns boolean language plpgsql as $$
declare v_conversation uuid;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update inbox i set state = 'waiting', attempts = 0, error = null, received_at = now(),
      epoch = (select s.epoch from shards s where s.shard = i.shard)
    where i.tenant_id = p_tenant and i.id = p_inbox and i.state = 'dead' and i.body <> '{}' returning i.conversation_id into v_conversation;
  if not found then
    return false;
  end if;
  update outbox set state = 'streaming'
    where tenant_id = p_tenant and conversation_id = v_conversation and turn_id = p_turn and part = 0
      and state = 'cancelled';
  return true;
end $$;
