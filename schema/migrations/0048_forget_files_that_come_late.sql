-- Files that are being kept while their sender, or their tenant, is forgotten are deleted, too.

-- Digests of kept files that came from this person and from nobody else.
create or replace function files_of_contact(p_tenant uuid, p_channel text, p_name text) returns setof text language plpgsql as $$
declare v_names text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  return query
    with kept (digest, theirs) as (
      select jsonb_array_elements_text(m.files), coalesce(k.channel = p_channel and k.external_id = any (v_names), false)
        from messages m left join contacts k on k.tenant_id = p_tenant and k.id = m.contact_id
        where m.tenant_id = p_tenant and m.files is not null
      union all
      select jsonb_array_elements_text(i.body -> 'files'), coalesce(i.channel = p_channel and i.body ->> 'contact' = any (v_names), false)
        from inbox i where i.tenant_id = p_tenant and i.state in ('waiting', 'dead') and i.body ? 'files'
          and coalesce(i.body ->> 'kind', '') <> 'delete')
    select k.digest from kept k group by k.digest having bool_and(k.theirs);
end $$;

create or replace function forget_conversations(p_tenant uuid, p_channel text, p_name text, p_limit int)
  returns table (forgotten int, seconds double precision) language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_alone uuid[];
  v_shared uuid[];
  v_all uuid[];
  v_turns uuid[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  select coalesce(array_agg(c.conversation) filter (where c.alone), '{}'),
         coalesce(array_agg(c.conversation) filter (where not c.alone), '{}') into v_alone, v_shared
    from (select * from conversations_of_contact(p_tenant, p_channel, v_names) limit p_limit) c;
  v_all := v_alone || v_shared;
  forgotten := cardinality(v_all);
  seconds := 0;
  if forgotten = 0 then
    return next;
    return;
  end if;
  -- In the order of commit_turn. Also of what was never answered: a first turn under way meets this version.
  insert into conversations as c (tenant_id, id, shard, channel, address, version)
    select distinct p_tenant, i.conversation_id, i.shard, p_channel, i.body -> 'address', 1 from inbox i
    where i.tenant_id = p_tenant and i.state = 'waiting' and i.conversation_id = any (v_all)
      and not exists (select from conversations c where c.tenant_id = p_tenant and c.id = i.conversation_id)
    on conflict do nothing;
  update conversations c set version = c.version + 1, counters = case when c.id = any (v_alone) then '{}' else c.counters end,
      address = case when c.id = any (v_alone) then jsonb_build_object('team', c.address ->> 'team', 'channel', '')
                     else c.address || '{"recipient": ""}' end
    where c.tenant_id = p_tenant and c.id = any (v_all);
  v_contacts := array(select k.id from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names));
  v_turns := array(select distinct m.turn_id from messages m
    where m.tenant_id = p_tenant and m.conversation_id = any (v_shared) and m.contact_id = any (v_contacts));
  select greatest(0, max(extract(epoch from o.claimed_until - clock_timestamp()))) into seconds from outbox o
    where o.tenant_id = p_tenant and o.state in ('streaming', 'pending') and o.conversation_id = any (v_all)
      and (o.conversation_id = any (v_alone) or o.turn_id = any (v_turns) or o.part between 1000 and 1499);
  delete from outbox where tenant_id = p_tenant and conversation_id = any (v_all)
    and (conversation_id = any (v_alone) or turn_id = any (v_turns));
  perform forget_quotations(p_tenant, v_shared);
  delete from memories where tenant_id = p_tenant and conversation_id = any (v_all)
    and (conversation_id = any (v_alone) or contact_id = any (v_contacts) or turn_id = any (v_turns));
  delete from feedback where tenant_id = p_tenant and conversation_id = any (v_alone);
  delete from web_messages where tenant_id = p_tenant and conversation_id = any (v_alone);
  delete from amended_early where tenant_id = p_tenant and conversation_id = any (v_all);
  -- Late, for whoever delivers such an event again waits for the end of this. Hosts find the new rows within a second, and
  -- read the conversation anew: what they knew of it is gone. Then they delete its files once more: one may have been
  -- noted meanwhile, and be kept by a turn that only the host can end.
  with answered as (
    delete from messages where tenant_id = p_tenant and conversation_id = any (v_all)
      and (conversation_id = any (v_alone) or contact_id = any (v_contacts) or turn_id = any (v_turns) and role = 'employee')
    returning conversation_id, files),
  unanswered as (
    delete from inbox where tenant_id = p_tenant and channel = p_channel and conversation_id = any (v_all)
      and (conversation_id = any (v_alone) or body ->> 'contact' = any (v_names) or string_to_array(event, ':') && v_names)
    returning conversation_id, body -> 'files' as files),
  kept as (
    select g.conversation_id, jsonb_agg(distinct f) as files
    from (select * from unanswered union all select * from answered) g, jsonb_array_elements(g.files) f
    group by g.conversation_id)
  insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)
    select p_tenant, p_channel, 'erasure:' || gen_random_uuid(), c.id, c.shard, s.epoch,
           '{"kind": "delete", "target": "", "contact": "", "text": "", "source_id": "", "address": {"team": "", "channel": ""}}'
             || jsonb_strip_nulls(jsonb_build_object('files', k.files))
    from conversations c join shards s on s.shard = c.shard left join kept k on k.conversation_id = c.id
    where c.tenant_id = p_tenant and c.id = any (v_all);
  return next;
end $$;

create or replace function close_tenant(p_tenant uuid) returns double precision language plpgsql as $$
declare v_seconds double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  if not exists (select from tenants where id = p_tenant) then
    return null;
  end if;
  delete from tombstones where tenant_id = p_tenant;
  insert into tombstones (tenant_id, digest) values (p_tenant, tombstone_of(p_tenant, '', ''));
  delete from channels where tenant_id = p_tenant;
  -- Turns under way cannot commit any more, nor show anything, as in forget_conversations.
  insert into conversations as c (tenant_id, id, shard, channel, address)
    select distinct p_tenant, i.conversation_id, i.shard, i.channel, coalesce(i.body -> 'address', '{}') from inbox i
    where i.tenant_id = p_tenant and i.state = 'waiting' on conflict do nothing;
  update conversations set version = version + 1 where tenant_id = p_tenant
    and id in (select i.conversation_id from inbox i where i.tenant_id = p_tenant and i.state = 'waiting');
  select greatest(0, max(extract(epoch from claimed_until - clock_timestamp()))) into v_seconds from outbox
    where tenant_id = p_tenant and state in ('streaming', 'pending');
  -- A file of a message that waits may be on its way into the store, for 20 seconds at most.
  if exists (select from inbox where tenant_id = p_tenant and state = 'waiting' and body ?| '{attachments,files}') then
    v_seconds := greatest(v_seconds, 25);
  end if;
  delete from outbox where tenant_id = p_tenant and state in ('streaming', 'pending');
  delete from inbox where tenant_id = p_tenant and state = 'waiting';
  return v_seconds;
end $$;
