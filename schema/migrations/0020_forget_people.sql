-- People and tenants can be forgotten and taken along; what comes late of them stays outside.

-- Whoever was erased, hashed, until when: what they said before and comes late stays outside. An empty name is a whole
-- tenant; no key into tenants, for it outlives them.
create table tombstones (
  tenant_id uuid not null,
  digest bytea not null,                          -- see tombstone_of
  erased_at timestamptz not null default now(),
  primary key (tenant_id, digest)
);

alter table tombstones enable row level security;
alter table tombstones force row level security;
create policy tombstones_by_tenant on tombstones using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));
grant select, insert, update, delete on tombstones to konstruct_app;
grant delete on tenants, contacts, inbox, outbox, feedback, web_messages to konstruct_app; -- who is to be forgotten

-- How a name is kept of whom nothing else is kept.
create function tombstone_of(p_tenant uuid, p_channel text, p_name text) returns bytea language sql immutable parallel safe
  return sha256(convert_to(p_tenant::text || ':' || p_channel || ':' || p_name, 'UTF8'));

-- Whether something of then belongs to a person, or to a tenant, who was erased since. Nothing comes later than a week.
create function is_erased(p_tenant uuid, p_channel text, p_names text[], p_at timestamptz)
  returns boolean language sql stable as $$
  select exists (select from tombstones where tenant_id = p_tenant and erased_at >= p_at
    and erased_at > now() - interval '8 days'
    and (digest = tombstone_of(p_tenant, '', '')
      or digest in (select tombstone_of(p_tenant, p_channel, n) from unnest(p_names) n)));
$$;

create or replace function hear(p_tenants uuid[], p_channels text[], p_events text[], p_conversations uuid[], p_shards int[],
                     p_only_known boolean[], p_bodies jsonb[])
  returns table (place int, id bigint, epoch bigint) language plpgsql as $$
declare
  v_tenant uuid;
  v_early boolean;
  v_erased boolean;
  v_bodies jsonb[] := p_bodies;
begin
  -- In one order, because of the locks: see amend_message.
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true),
            pg_advisory_xact_lock_shared(hashtextextended(v_tenant::text, 8));
    select exists (select from amended_early where tenant_id = v_tenant),
           exists (select from tombstones where tenant_id = v_tenant and erased_at > now() - interval '8 days')
      into v_early, v_erased;
    if v_early then
      v_bodies := array(
        select case when a.source_id is null then e.body when a.text is null then '{}'
                    else jsonb_set(e.body, '{text}', to_jsonb(a.text)) end
        from unnest(p_conversations, v_bodies) with ordinality as e (conversation, body, n)
        left join amended_early a on a.tenant_id = v_tenant and a.conversation_id = e.conversation
          and a.source_id = e.body ->> 'source_id' and e.body -> 'target' is null and a.at > now() - interval '8 days'
        order by e.n);
    end if;
    return query
      with heard as (
        insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state)
        select v_tenant, e.channel, e.event, e.conversation, e.shard, s.epoch, e.body,
               case e.body when '{}' then 'withdrawn' else 'waiting' end
        from unnest(p_tenants, p_channels, p_events, p_conversations, p_shards, p_only_known, v_bodies) with ordinality
             as e (tenant, channel, event, conversation, shard, only_known, body, n)
        join shards s on s.shard = e.shard
        where e.tenant = v_tenant and not (v_erased and coalesce(is_erased(v_tenant, e.channel,
            array[e.body ->> 'contact'], to_timestamp((e.body ->> 'said_at')::double precision)), false))
          and (not e.only_known
          or exists (select from conversations c where c.tenant_id = v_tenant and c.id = e.conversation)
          or exists (select from inbox i where i.tenant_id = v_tenant and i.conversation_id = e.conversation
                       and i.state = 'waiting'))
        order by e.n
        on conflict (tenant_id, channel, event) do nothing
        returning inbox.id, inbox.event, inbox.channel, inbox.epoch)
      select min(e.n)::int - 1, h.id, h.epoch
      from heard h join unnest(p_tenants, p_channels, p_events) with ordinality as e (tenant, channel, event, n)
        on e.tenant = v_tenant and e.channel = h.channel and e.event = h.event
          and (not v_early or v_bodies[e.n] = p_bodies[e.n])
      group by h.id, h.epoch;
  end loop;
end $$;

create or replace function resolve_contact(p_tenant uuid, p_channel text, p_aliases text[], p_said_at timestamptz)
  returns text[] language plpgsql as $$
declare
  v_known text[];
  v_name text := p_aliases[1];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_known := known_contacts(p_tenant, p_channel, p_aliases, p_said_at);
  if cardinality(v_known) = 1 and cardinality(p_aliases) = (
      select count(*) from contact_aliases where tenant_id = p_tenant and channel = p_channel
        and alias = any (p_aliases) and contact = v_known[1]) then
    return v_known;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  v_known := known_contacts(p_tenant, p_channel, p_aliases, p_said_at);
  if v_known = '{}' and is_erased(p_tenant, p_channel, p_aliases, p_said_at) then
    return array[v_name]; -- hear will not store it
  end if;
  if v_known = '{}' then
    -- Whoever had this name before keeps the history that goes by it.
    while exists (select from contact_aliases where tenant_id = p_tenant and channel = p_channel and contact = v_name) loop
      v_name := v_name || '+';
    end loop;
    v_known := array[v_name];
  end if;
  insert into contact_aliases as c (tenant_id, channel, alias, contact)
    select p_tenant, p_channel, a, v_known[1] from unnest(p_aliases) a
    on conflict (tenant_id, channel, alias) do update
      set contact = excluded.contact, created_at = now(), retired_at = null
      where c.contact <> all (v_known) or c.retired_at <= p_said_at;
  return v_known;
end $$;

create or replace function move_contact(p_tenant uuid, p_channel text, p_before text[], p_after text[], p_recipient text,
                             p_at timestamptz)
  returns text[] language plpgsql as $$
declare
  v_contacts text[];
  v_met text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  if is_erased(p_tenant, p_channel, p_before, p_at) then
    return p_before[1:1];
  end if;
  v_contacts := resolve_contact(p_tenant, p_channel, p_before, p_at - interval '1 microsecond');
  update contact_aliases set retired_at = p_at where tenant_id = p_tenant and channel = p_channel
    and alias = any (p_before) and alias <> all (p_after) and retired_at is null;
  update outbox set address = jsonb_set(address, '{channel}', to_jsonb(p_recipient))
    where tenant_id = p_tenant and channel = p_channel and state = 'pending' and address ->> 'channel' = any (p_before);
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
  return v_contacts || v_met;
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
  if not exists (select from messages
                 where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target) then
    -- Whoever stores the message at this moment sees the amendment, or is seen. First of all locks: hear holds it, too,
    -- while it waits for rows.
    perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  end if;
  update inbox set state = 'applied', body = '{}' where tenant_id = p_tenant and id = p_inbox and state = 'waiting';
  if not found then
    raise exception 'the amendment was applied before' using errcode = 'KF002';
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
    if p_target = '' then
      return 'answered'; -- of erase_contact: only to be read anew
    end if;
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

-- Erasure and export ----------------------------------------------------------------------------------------------

-- Everything that a person is called on a channel, the name of their contact first.
create function names_of_contact(p_tenant uuid, p_channel text, p_name text) returns text[] language sql stable as $$
  with contact as (
    select coalesce((select a.contact from contact_aliases a
                     where a.tenant_id = p_tenant and a.channel = p_channel and a.alias = p_name), p_name) as name)
  select array[c.name] || array(select a.alias from contact_aliases a where a.tenant_id = p_tenant
    and a.channel = p_channel and a.contact = c.name and a.alias <> c.name order by a.alias) from contact c;
$$;

-- The conversations that a person took part in; theirs alone: nobody else reads along.
create function conversations_of_contact(p_tenant uuid, p_channel text, p_names text[])
  returns table (conversation uuid, alone boolean) language sql stable as $$
  select f.id, bool_or(f.private) from (
    select c.id, coalesce((c.address ->> 'private')::boolean, false) as private from conversations c
      where c.tenant_id = p_tenant and c.channel = p_channel
        and (c.address ->> 'channel' = any (p_names)
          or exists (select from messages m join contacts k on k.tenant_id = p_tenant and k.id = m.contact_id
                     where m.tenant_id = p_tenant and m.conversation_id = c.id and k.channel = p_channel
                       and k.external_id = any (p_names)))
    union all
    select i.conversation_id, coalesce((i.body -> 'address' ->> 'private')::boolean, false) from inbox i
      where i.tenant_id = p_tenant and i.channel = p_channel and i.state in ('waiting', 'dead')
        and i.body ->> 'contact' = any (p_names)) f
  group by f.id;
$$;

-- Digests of kept files that came from this person and from nobody else.
create function files_of_contact(p_tenant uuid, p_channel text, p_name text) returns setof text language plpgsql as $$
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
        from inbox i where i.tenant_id = p_tenant and i.state in ('waiting', 'dead') and i.body ? 'files')
    select k.digest from kept k group by k.digest having bool_and(k.theirs);
end $$;

-- Forget a person: every row about them, except what was used and what it cost, which names nobody. Turns under way in
-- their conversations cannot commit any more; what is not sent will not be. Answers for how many seconds a reply may
-- still be on its way, under a claim that was given before.
create function erase_contact(p_tenant uuid, p_channel text, p_name text) returns double precision language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_alone uuid[];
  v_shared uuid[];
  v_turns uuid[];
  v_seconds double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  -- First of all locks, as in hear: what is heard from now on knows of the tombstone.
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  insert into audit_events (tenant_id, action, subject) values (p_tenant, 'contact.erased', 'channel:' || p_channel);
  delete from tombstones where tenant_id = p_tenant and erased_at < now() - interval '8 days';
  insert into tombstones as s (tenant_id, digest)
    select p_tenant, tombstone_of(p_tenant, p_channel, n) from unnest(v_names) n
    on conflict (tenant_id, digest) do update set erased_at = now();
  select array_agg(c.conversation) filter (where c.alone), array_agg(c.conversation) filter (where not c.alone)
    into v_alone, v_shared from conversations_of_contact(p_tenant, p_channel, v_names) c;
  select array_agg(k.id) into v_contacts from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names);
  select array_agg(distinct m.turn_id) into v_turns from messages m
    where m.tenant_id = p_tenant and m.conversation_id = any (v_shared) and m.contact_id = any (v_contacts);
  -- In the order of commit_turn. Also of what was never answered: a first turn under way meets this version.
  insert into conversations as c (tenant_id, id, shard, channel, address, version)
    select distinct p_tenant, i.conversation_id, i.shard, p_channel, i.body -> 'address', 1 from inbox i
    where i.tenant_id = p_tenant and i.state = 'waiting' and i.conversation_id = any (v_alone || v_shared)
      and not exists (select from conversations c where c.tenant_id = p_tenant and c.id = i.conversation_id)
    on conflict do nothing;
  update conversations c set version = c.version + 1, counters = case when c.id = any (v_alone) then '{}' else c.counters end,
      address = case when c.id = any (v_alone) then jsonb_build_object('team', c.address ->> 'team', 'channel', '')
                     else c.address || '{"recipient": ""}' end
    where c.tenant_id = p_tenant and c.id = any (v_alone || v_shared);
  select max(extract(epoch from o.claimed_until - clock_timestamp())) into v_seconds from outbox o
    where o.tenant_id = p_tenant and o.state in ('streaming', 'pending')
      and (o.conversation_id = any (v_alone) or o.turn_id = any (v_turns));
  delete from outbox where tenant_id = p_tenant and (conversation_id = any (v_alone) or turn_id = any (v_turns));
  delete from inbox where tenant_id = p_tenant and channel = p_channel and (conversation_id = any (v_alone)
    or conversation_id = any (v_shared)
      and (body ->> 'contact' = any (v_names) or string_to_array(event, ':') && v_names));
  delete from memories where tenant_id = p_tenant
    and (contact_id = any (v_contacts) or conversation_id = any (v_alone) or turn_id = any (v_turns));
  delete from messages where tenant_id = p_tenant and (conversation_id = any (v_alone)
    or contact_id = any (v_contacts) or turn_id = any (v_turns) and role = 'employee');
  delete from feedback where tenant_id = p_tenant and (contact_id = any (v_contacts) or conversation_id = any (v_alone));
  delete from web_messages where tenant_id = p_tenant and conversation_id = any (v_alone);
  delete from amended_early where tenant_id = p_tenant and conversation_id = any (v_alone || v_shared);
  delete from contacts where tenant_id = p_tenant and id = any (v_contacts);
  delete from contact_aliases where tenant_id = p_tenant and channel = p_channel and contact = v_names[1];
  -- Hosts find these within a second, and read the conversation anew: what they knew of it is gone.
  insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)
    select p_tenant, p_channel, 'erasure:' || gen_random_uuid(), c.id, c.shard, s.epoch,
           '{"kind": "delete", "target": "", "contact": "", "text": "", "source_id": "", "address": {"team": "", "channel": ""}}'
    from conversations c join shards s on s.shard = c.shard
    where c.tenant_id = p_tenant and c.id = any (v_alone || v_shared);
  return greatest(0, coalesce(v_seconds, 0));
end $$;

-- Forget a tenant: everything below it. Answers as erase_contact does; null where there is no such tenant.
create function erase_tenant(p_tenant uuid) returns double precision language plpgsql as $$
declare v_seconds double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  select coalesce(max(extract(epoch from claimed_until - clock_timestamp())), 0) into v_seconds from outbox
    where tenant_id = p_tenant and state in ('streaming', 'pending');
  delete from tombstones where tenant_id = p_tenant;
  -- Large tables first: a key's own deletion looks through them once for every conversation.
  delete from outbox where tenant_id = p_tenant;
  delete from memories where tenant_id = p_tenant;
  delete from messages where tenant_id = p_tenant;
  delete from tenants where id = p_tenant;
  if not found then
    return null;
  end if;
  insert into tombstones (tenant_id, digest) values (p_tenant, tombstone_of(p_tenant, '', ''));
  return greatest(0, v_seconds);
end $$;

-- The tables in which a tenant has rows.
create function tables_of_tenants() returns setof text language sql stable as $$
  select c.relname::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and not c.relispartition and has_table_privilege(c.oid, 'select')
    and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
  order by 1;
$$;

-- A tenant's rows of one table, without what is encrypted, hashed or made of the rest.
create function rows_of_tenant(p_tenant uuid, p_table text) returns setof jsonb language plpgsql as $$
declare v_left_out text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  if p_table not in (select tables_of_tenants()) then
    raise exception '% is no table of tenants', p_table using errcode = '42P01';
  end if;
  select coalesce(array_agg(a.attname::text), '{}') into v_left_out from pg_attribute a
    where a.attrelid = p_table::regclass and a.atttypid in ('bytea'::regtype, 'vector'::regtype);
  return query execute format('select to_jsonb(t) - %L::text[] from %I t where t.%I = %L',
    v_left_out, p_table, case p_table when 'tenants' then 'id' else 'tenant_id' end, p_tenant);
end $$;

-- Everything about one person, by table.
create function rows_of_contact(p_tenant uuid, p_channel text, p_name text)
  returns table (place text, content jsonb) language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_alone uuid[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  select array_agg(k.id) into v_contacts from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names);
  select array_agg(c.conversation) into v_alone from conversations_of_contact(p_tenant, p_channel, v_names) c where c.alone;
  return query
    select 'contacts', to_jsonb(k) from contacts k where k.tenant_id = p_tenant and k.id = any (v_contacts)
    union all select 'contact_aliases', to_jsonb(a) from contact_aliases a
      where a.tenant_id = p_tenant and a.channel = p_channel and a.contact = v_names[1]
    union all select 'conversations', to_jsonb(c) from conversations c where c.tenant_id = p_tenant and c.id = any (v_alone)
    union all (select 'messages', to_jsonb(m) from messages m
      where m.tenant_id = p_tenant and (m.conversation_id = any (v_alone) or m.contact_id = any (v_contacts)) order by m.id)
    union all select 'memories', to_jsonb(m) - 'embedding' from memories m
      where m.tenant_id = p_tenant and (m.conversation_id = any (v_alone) or m.contact_id = any (v_contacts))
    union all select 'inbox', to_jsonb(i) from inbox i where i.tenant_id = p_tenant and i.channel = p_channel
      and (i.conversation_id = any (v_alone) or i.body ->> 'contact' = any (v_names))
    union all select 'outbox', to_jsonb(o) from outbox o where o.tenant_id = p_tenant and o.conversation_id = any (v_alone)
    union all select 'web_messages', to_jsonb(w) from web_messages w
      where w.tenant_id = p_tenant and w.conversation_id = any (v_alone)
    union all select 'feedback', to_jsonb(f) from feedback f where f.tenant_id = p_tenant and f.contact_id = any (v_contacts)
    union all select 'usage', to_jsonb(u) from usage u where u.tenant_id = p_tenant and u.conversation_id = any (v_alone);
end $$;
