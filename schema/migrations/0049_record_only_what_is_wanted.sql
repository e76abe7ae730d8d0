-- An answer that was erased, or whose channel was disconnected, while it began to be shown is no reason to give up a shard.

drop function record_external_id(uuid, uuid, bigint, text);

create function record_external_id(p_tenant uuid, p_reply uuid, p_epoch bigint, p_external_id text)
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update outbox set external_id = p_external_id
    where tenant_id = p_tenant and id = p_reply and claim_epoch = p_epoch and state in ('streaming', 'pending');
  if found then
    return true;
  end if;
  if exists (select from outbox where tenant_id = p_tenant and id = p_reply and claim_epoch <> p_epoch) then
    raise exception 'reply % is claimed under another epoch', p_reply using errcode = 'KF001';
  end if;
  return false;
end $$;
