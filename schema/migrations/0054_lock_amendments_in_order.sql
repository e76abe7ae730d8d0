-- Amendments, numbers that change and histories that become one wait for each other in one order. What tells a host of an
-- erasure changes no message of others, and keeps no webhook waiting.

create or replace function move_contact(p_tenant uuid, p_channel text, p_before text[], p_after text[], p_recipient text,
                             p_at timestamptz)
  returns text[] language plpgsql as $$
declare
  v_contacts text[];
  v_met text[];
  v_names text[];
  v_recipient text;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant::text, 8)); -- see amend_message
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  if is_erased(p_tenant, p_channel, p_before, p_at) then
    return p_before[1:1];
  end if;
  v_contacts := resolve_contact(p_tenant, p_channel, p_before, p_at - interval '1 microsecond');
  update contact_aliases set retired_at = p_at where tenant_id = p_tenant and channel = p_channel
    and alias = any (p_before) and alias <> all (p_after) and retired_at is null;
  -- Whoever wrote under the new name since then is the same person; who had it before was another.
  select coalesce(array_agg(distinct a.contact), '{}') into v_met from contact_aliases a
    where a.tenant_id = p_tenant and a.channel = p_channel and a.alias = any (p_after) and a.contact <> all (v_contacts)
      and p_at - interval '1 hour' <= (select min(f.created_at) from contact_aliases f
        where f.tenant_id = p_tenant and f.channel = p_channel and f.contact = a.contact);
  insert into contact_aliases as c (tenant_id, channel, alias, contact)
    select p_tenant, p_channel, a, v_contacts[1] from unnest(p_after) a
    on conflict (tenant_id, channel, alias) do update
      set contact = excluded.contact, created_at = now(), retired_at = null
      where c.contact <> all (v_met) and (c.contact <> excluded.contact or c.retired_at <= p_at);
  v_recipient := written_to(p_tenant, p_channel, v_contacts || v_met, p_recipient);
  v_names := array(select alias from contact_aliases where tenant_id = p_tenant and channel = p_channel
                     and contact = any (v_contacts) and alias <> v_recipient);
  -- In the order of commit_turn. Also of what was never answered: a first turn under way meets this version.
  insert into conversations as c (tenant_id, id, shard, channel, address, version)
    select distinct on (w.id) p_tenant, w.id, w.shard, p_channel, jsonb_set(w.address, '{channel}', to_jsonb(v_recipient)), 1
    from (select conversation_id, shard, address from outbox
            where tenant_id = p_tenant and channel = p_channel and state = 'pending'
          union all
          select conversation_id, shard, body -> 'address' from inbox
            where tenant_id = p_tenant and channel = p_channel and state = 'waiting') w (id, shard, address)
    where w.address ->> 'channel' = any (v_names) order by w.id
    on conflict (tenant_id, id) do update set version = c.version + 1;
  update inbox set body = jsonb_set(body, '{address,channel}', to_jsonb(v_recipient))
    where tenant_id = p_tenant and channel = p_channel and state = 'waiting' and body -> 'address' ->> 'channel' = any (v_names);
  update outbox set address = jsonb_set(address, '{channel}', to_jsonb(v_recipient))
    where tenant_id = p_tenant and channel = p_channel and state = 'pending' and address ->> 'channel' = any (v_names);
  return v_contacts || v_met;
end $$;

create or replace function merge_contact(
  p_tenant uuid, p_channel text, p_from text, p_into text, p_from_contact uuid, p_into_contact uuid,
  p_from_conversation uuid, p_into_conversation uuid, p_into_shard int, p_address jsonb)
  returns void language plpgsql as $$
declare v_version bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant::text, 8)); -- see amend_message
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  update contact_aliases set contact = p_into
    where tenant_id = p_tenant and channel = p_channel and contact = p_from;
  insert into contacts (tenant_id, id, channel, external_id)
    values (p_tenant, p_into_contact, p_channel, p_into) on conflict do nothing;
  insert into conversations (tenant_id, id, shard, channel, address)
    values (p_tenant, p_into_conversation, p_into_shard, p_channel, p_address) on conflict do nothing;
  perform 1 from conversations where tenant_id = p_tenant and id in (p_from_conversation, p_into_conversation)
    order by id for update;
  update conversations set version = version + 1
    where tenant_id = p_tenant and id in (p_from_conversation, p_into_conversation);
  update conversations k set last_turn_at = greatest(k.last_turn_at, f.last_turn_at),
      counters = jsonb_build_object(
        'messages', coalesce((k.counters ->> 'messages')::int, 0) + coalesce((f.counters ->> 'messages')::int, 0),
        'attempts', coalesce((k.counters ->> 'attempts')::int, 0) + coalesce((f.counters ->> 'attempts')::int, 0),
        'counts', (select coalesce(jsonb_object_agg(t.rule, t.total), '{}') from (
          select e.key as rule, sum(e.value::int) as total
          from (select * from jsonb_each_text(k.counters -> 'counts')
                union all select * from jsonb_each_text(f.counters -> 'counts')) e group by e.key) t)),
      (paused_reason, paused_until, paused_by) = (
        select p.paused_reason, p.paused_until, p.paused_by from conversations p
        where p.tenant_id = p_tenant and (p.id = k.id or p.id = f.id and p.paused_until > now())
        order by p.paused_until desc nulls last limit 1)
    from conversations f where k.tenant_id = p_tenant and k.id = p_into_conversation
      and f.tenant_id = p_tenant and f.id = p_from_conversation;
  -- Counted once.
  update conversations set counters = '{}' where tenant_id = p_tenant and id = p_from_conversation;
  select version into v_version from conversations where tenant_id = p_tenant and id = p_into_conversation;
  update messages set conversation_id = p_into_conversation, turn = v_version,
      contact_id = case when contact_id = p_from_contact then p_into_contact else contact_id end
    where tenant_id = p_tenant and conversation_id = p_from_conversation;
  update memories set conversation_id = p_into_conversation, contact_id = p_into_contact, shard = p_into_shard, turn = 0
    where tenant_id = p_tenant and conversation_id = p_from_conversation and contact_id = p_from_contact;
  update inbox set conversation_id = p_into_conversation, shard = p_into_shard,
      epoch = (select s.epoch from shards s where s.shard = p_into_shard),
      body = jsonb_set(body, '{contact}', to_jsonb(p_into))
    where tenant_id = p_tenant and conversation_id = p_from_conversation and state = 'waiting';
  update inbox set conversation_id = p_into_conversation, shard = p_into_shard,
      body = case body when '{}' then body else jsonb_set(body, '{contact}', to_jsonb(p_into)) end
    where tenant_id = p_tenant and conversation_id = p_from_conversation and state = 'dead';
  with early as (
    delete from amended_early where tenant_id = p_tenant and conversation_id = p_from_conversation returning *)
  insert into amended_early (tenant_id, conversation_id, source_id, text, at)
    select p_tenant, p_into_conversation, source_id, text, at from early on conflict do nothing;
end $$;

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
