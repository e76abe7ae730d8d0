-- A message that came while its host was dead already has not met the crash: it is tried at once, with the others.

alter table shards add column calm_since timestamptz;

drop function take_shards(int, int[]);
create function take_shards(p_host int, p_shards int[], p_there interval default interval '0')
  returns table (shard int, epoch bigint, calm_epoch bigint) language sql as $$
  update shards set epoch = shards.epoch + 1, host = p_host,
      calm_epoch = case when shards.host is null then shards.calm_epoch else shards.epoch + 1 end,
      calm_since = case when shards.host is null then shards.calm_since else now() - p_there end
    where shards.shard = any (p_shards)
  returning shards.shard, shards.epoch, shards.calm_epoch;
$$;

create or replace function activate(p_tenant uuid, p_conversation uuid, p_window int)
  returns table (version bigint, counters jsonb, paused_seconds double precision, said jsonb, contacts uuid[],
                 waiting jsonb, replies jsonb) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query select
    k.version, k.counters, extract(epoch from k.paused_until - now())::double precision,
    (select jsonb_agg(jsonb_build_object('role', w.role, 'text', w.text, 'turn', w.turn) order by w.id)
       from (select m.id, m.role, m.text, m.turn from messages m where m.tenant_id = p_tenant
              and m.conversation_id = p_conversation order by m.id desc limit p_window) w),
    (select array_agg(distinct m.contact_id) from messages m where m.tenant_id = p_tenant
        and m.conversation_id = p_conversation and m.contact_id is not null),
    -- What came while nobody was there met no crash.
    (select jsonb_agg(jsonb_build_object('id', i.id,
              'epoch', case when i.received_at >= s.calm_since then greatest(i.epoch, s.calm_epoch) else i.epoch end,
              'attempts', i.attempts, 'channel', i.channel, 'body', i.body) order by i.id)
       from inbox i join shards s using (shard)
         where i.tenant_id = p_tenant and i.conversation_id = p_conversation and i.state = 'waiting'),
    (select jsonb_agg(jsonb_build_object('id', o.id, 'turn', o.turn_id, 'part', o.part, 'text', o.text, 'state', o.state,
              'external_id', o.external_id, 'created_at', extract(epoch from o.created_at),
              'channel', o.channel, 'address', o.address, 'source_id', o.source_id) order by o.created_at, o.part)
       from outbox o
       where o.tenant_id = p_tenant and o.conversation_id = p_conversation and o.state in ('streaming', 'pending'))
    from (select 1) one left join conversations k on k.tenant_id = p_tenant and k.id = p_conversation;
end $$;
