-- An amendment and an erasure wait for each other in one order also where the conversation has no row yet.

create or replace function amend_message(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_inbox bigint, p_target text, p_text text,
  p_form text, p_chars int)
  returns text language plpgsql as $$
declare
  v_turn uuid;
  v_contact uuid;
  v_asked text;
  v_said text;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  if p_target <> '' and not exists (select from messages
                 where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target) then
    -- Whoever stores or moves the message at this moment sees the amendment, or is seen. First of all locks: they hold it,
    -- too, while they wait for rows.
    perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  end if;
  -- Also where it has no row yet: see forget_conversations.
  perform pg_advisory_xact_lock(hashtextextended(p_conversation::text, 4));
  -- In the order of commit_turn.
  perform 1 from conversations where tenant_id = p_tenant and id = p_conversation for no key update;
  update inbox set state = 'applied', body = '{}'
    where tenant_id = p_tenant and id = p_inbox and conversation_id = p_conversation and state = 'waiting';
  if not found then
    raise exception 'the amendment was applied before, or is another conversation''s by now' using errcode = 'KF002';
  end if;
  if p_target = '' then
    return 'answered'; -- of forget_conversations: only to be read anew
  end if;
  update inbox set state = case when p_text is null then 'withdrawn' else state end,
      body = case when p_text is null then '{}' else jsonb_set(body, '{text}', to_jsonb(p_text)) end
    where tenant_id = p_tenant and conversation_id = p_conversation and state = 'waiting'
      and body ->> 'source_id' = p_target and coalesce(body ->> 'target', '') = '';
  if found then
    return 'waiting';
  end if;
  -- A dead letter is kept for its error.
  update inbox set body = '{}' where tenant_id = p_tenant and conversation_id = p_conversation and state = 'dead'
    and body ->> 'source_id' = p_target;
  select turn_id, contact_id into v_turn, v_contact from messages
    where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  if not found then
    insert into amended_early as a (tenant_id, conversation_id, source_id, text)
      values (p_tenant, p_conversation, p_target, p_text)
      on conflict (tenant_id, conversation_id, source_id) do update
        set text = case when a.text is not null then excluded.text end, at = now();
    return 'unknown';
  end if;
  update conversations set version = version + 1 where tenant_id = p_tenant and id = p_conversation;
  if p_text is null then
    delete from messages where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  else
    update messages set text = p_text
      where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  end if;
  select string_agg(text, ' ' order by id) filter (where contact_id = v_contact),
         string_agg(text, ' ' order by id) filter (where role = 'employee') into v_asked, v_said
    from messages where tenant_id = p_tenant and conversation_id = p_conversation and turn_id = v_turn;
  if v_asked is null then
    delete from memories where tenant_id = p_tenant and turn_id = v_turn and contact_id = v_contact;
  else
    update memories set text = format(p_form, left(v_asked, p_chars), left(v_said, p_chars)), embedding = null
      where tenant_id = p_tenant and turn_id = v_turn and contact_id = v_contact;
  end if;
  return 'answered';
end $$;

create or replace function forget_conversations(p_tenant uuid, p_channel text, p_name text, p_limit int)
  returns table (forgotten int, seconds double precision) language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_alone uuid[];
  v_shared uuid[];
  v_all uuid[];
  v_new uuid[];
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
  v_new := array(select n from unnest(v_all) n
    where not exists (select from conversations c where c.tenant_id = p_tenant and c.id = n) order by 1);
  -- No amendment there sees their new rows, to wait for them.
  perform pg_advisory_xact_lock(hashtextextended(n::text, 4)) from unnest(v_new) n;
  -- In the order of commit_turn. Also of what was never answered: a first turn under way meets this version.
  insert into conversations as c (tenant_id, id, shard, channel, address, version)
    select distinct p_tenant, i.conversation_id, i.shard, p_channel, i.body -> 'address', 1 from inbox i
    where i.tenant_id = p_tenant and i.state = 'waiting' and i.conversation_id = any (v_new)
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
