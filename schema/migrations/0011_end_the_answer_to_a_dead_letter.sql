-- Nobody goes on with the answer to a message that was set aside.

create or replace function count_attempt(p_tenant uuid, p_inbox bigint[], p_shard int, p_epoch bigint, p_limit int, p_error text)
  returns table (id bigint, state text, attempts int) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  return query
    update inbox i set attempts = i.attempts + 1, error = coalesce(p_error, i.error),
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
