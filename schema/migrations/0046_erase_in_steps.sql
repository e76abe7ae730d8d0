-- An erasure holds up no webhook: what there is goes in steps, and a tenant is closed before. What names a tenant that is gone
-- is left out, and nothing else with it.

grant delete on conversations to konstruct_app;

create or replace function is_erased(p_tenant uuid, p_channel text, p_names text[], p_at timestamptz)
  returns boolean language sql stable as $$
  select exists (select from tombstones where tenant_id = p_tenant and erased_at > now() - interval '8 days'
    and (digest = tombstone_of(p_tenant, '', '') or erased_at >= p_at
      and digest in (select tombstone_of(p_tenant, p_channel, n) from unnest(p_names) n)));
$$;

create or replace function hear(p_tenants uuid[], p_channels text[], p_events text[], p_conversations uuid[], p_shards int[],
                     p_only_known boolean[], p_bodies jsonb[])
  returns table (place int, id bigint, epoch bigint) language plpgsql
  set plan_cache_mode = force_generic_plan as $$
declare
  v_tenant uuid;
  v_early boolean;
  v_erased boolean;
  v_known boolean;
  v_bodies jsonb[] := p_bodies;
begin
  -- In one order, because of the locks: see amend_message.
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true),
            pg_advisory_xact_lock_shared(hashtextextended(v_tenant::text, 8));
    select exists (select from amended_early where tenant_id = v_tenant),
           exists (select from tombstones where tenant_id = v_tenant and erased_at > now() - interval '8 days'),
           exists (select from tenants where tenants.id = v_tenant)
      into v_early, v_erased, v_known;
    if not v_known or v_erased and is_erased(v_tenant, '', '{}', now()) then
      return query select e.n::int - 1, null::bigint, null::bigint
        from unnest(p_tenants) with ordinality as e (tenant, n) where e.tenant = v_tenant;
      continue;
    end if;
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

create or replace function record_charges(p_tenants uuid[], p_charges uuid[], p_replies uuid[], p_external_ids text[],
                               p_delivered boolean[], p_categories text[], p_countries text[], p_billable boolean[],
                               p_ats timestamptz[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    continue when is_erased(v_tenant, '', '{}', now()) or not exists (select from tenants where id = v_tenant);
    insert into message_charges as c (tenant_id, id, turn_id, category, country, delivered, billable, created_at)
      select v_tenant, e.id, (array_agg(o.turn_id) filter (where o.turn_id is not null))[1], max(e.category),
             max(e.country), bool_or(e.delivered), bool_and(e.billable), coalesce(min(o.created_at), min(e.at))
      from unnest(p_tenants, p_charges, p_replies, p_external_ids, p_delivered, p_categories, p_countries, p_billable,
                  p_ats) as e (tenant, id, reply, external_id, delivered, category, country, billable, at)
      left join outbox o on o.tenant_id = v_tenant and o.id = coalesce(e.reply,
        (select x.id from outbox x where x.tenant_id = v_tenant and x.external_id = e.external_id limit 1))
      where e.tenant = v_tenant group by e.id order by e.id
      on conflict (tenant_id, id) do update set
        turn_id = coalesce(c.turn_id, excluded.turn_id),
        category = case c.category when '' then excluded.category else c.category end,
        country = case c.country when '' then excluded.country else c.country end,
        delivered = c.delivered or excluded.delivered,
        billable = c.billable and excluded.billable,
        created_at = least(c.created_at, excluded.created_at)
      where c.cost_micros is null;
    update message_charges c set
        cost_micros = case when c.billable then coalesce(p.micros, 0) else 0 end,
        price_version = case when c.billable then coalesce(p.version, '') else 'free' end,
        priced_at = now()
      from message_charges k left join message_price(k.category, k.country, k.created_at) p on true
      where k.tenant_id = v_tenant and k.id = any (p_charges) and k.cost_micros is null and k.delivered
        and k.category <> '' and c.tenant_id = v_tenant and c.id = k.id;
  end loop;
end $$;

create or replace function conversations_of_contact(p_tenant uuid, p_channel text, p_names text[])
  returns table (conversation uuid, alone boolean) language sql stable as $$
  -- Each by its own index: nobody's erasure looks through all conversations of the tenant.
  select f.id, bool_or(f.private) from (
    select c.id, coalesce((c.address ->> 'private')::boolean, false) as private from conversations c
      where c.tenant_id = p_tenant and c.channel = p_channel and c.address ->> 'channel' = any (p_names)
    union all
    select c.id, coalesce((c.address ->> 'private')::boolean, false) from conversations c
      where c.tenant_id = p_tenant and c.channel = p_channel and c.id in (
        select m.conversation_id from contacts k join messages m on m.tenant_id = p_tenant and m.contact_id = k.id
          where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (p_names))
    union all
    select i.conversation_id, coalesce((i.body -> 'address' ->> 'private')::boolean, false) from inbox i
      where i.tenant_id = p_tenant and i.channel = p_channel and i.state = 'waiting' and i.body ->> 'contact' = any (p_names)
    union all
    select i.conversation_id, coalesce((i.body -> 'address' ->> 'private')::boolean, false) from inbox i
      where i.tenant_id = p_tenant and i.channel = p_channel and i.state = 'dead' and i.body ->> 'contact' = any (p_names)) f
  group by f.id;
$$;

-- An erasure begins: what is delivered again from now on stays outside, and the audit says so, also if it is interrupted.
create function begin_erasure(p_tenant uuid, p_channel text, p_name text) returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  insert into audit_events (tenant_id, action, subject) values (p_tenant, 'contact.erased', 'channel:' || p_channel);
  insert into tombstones as s (tenant_id, digest)
    select p_tenant, tombstone_of(p_tenant, p_channel, n) from unnest(names_of_contact(p_tenant, p_channel, p_name)) n
    on conflict (tenant_id, digest) do update set erased_at = now();
end $$;

create function forget_conversations(p_tenant uuid, p_channel text, p_name text, p_limit int)
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

create or replace function erase_contact(p_tenant uuid, p_channel text, p_name text) returns double precision language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_seconds double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  -- First of all locks, as in hear: what is heard from now on knows of the tombstone.
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  delete from tombstones where tenant_id = p_tenant and erased_at < now() - interval '8 days';
  insert into tombstones as s (tenant_id, digest)
    select p_tenant, tombstone_of(p_tenant, p_channel, n) from unnest(v_names) n
    on conflict (tenant_id, digest) do update set erased_at = now();
  select f.seconds into v_seconds from forget_conversations(p_tenant, p_channel, p_name, null) f;
  select array_agg(k.id) into v_contacts from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names);
  delete from memories where tenant_id = p_tenant and contact_id = any (v_contacts);
  delete from messages where tenant_id = p_tenant and contact_id = any (v_contacts);
  delete from feedback where tenant_id = p_tenant and contact_id = any (v_contacts);
  delete from contacts where tenant_id = p_tenant and id = any (v_contacts);
  delete from contact_aliases where tenant_id = p_tenant and channel = p_channel and contact = v_names[1];
  return v_seconds;
end $$;

drop function erase_tenant(uuid);

create function close_tenant(p_tenant uuid) returns double precision language plpgsql as $$
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

create function thin_tenant(p_tenant uuid, p_limit int) returns int language plpgsql as $$
declare
  v_table text;
  v_count int;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  foreach v_table in array array['outbox', 'memories', 'messages', 'feedback', 'web_messages', 'inbox', 'conversations',
                                 'contacts', 'contact_aliases'] loop
    execute format('delete from %1$I where ctid = any (array(select ctid from %1$I where tenant_id = $1 %2$s limit $2))',
                   v_table, case v_table when 'conversations' then 'and last_turn_at is not null' end)
      using p_tenant, p_limit;
    get diagnostics v_count = row_count;
    if v_count > 0 then
      return v_count;
    end if;
  end loop;
  return 0;
end $$;

create or replace function refuse_forgotten_name() returns trigger language plpgsql as $$
begin
  if exists (select from tombstones where tenant_id = new.id and digest = tombstone_of(new.id, '', ''))
      or tg_op = 'INSERT' and exists (select from audit_events where tenant_id = new.id and action = 'tenant.deleted') then
    raise exception 'A tenant called % was erased here, and its audit stays under that name; take another name.', new.name
      using errcode = 'KF003';
  end if;
  return null;
end $$;

drop trigger refuse_forgotten_name on tenants;
create trigger refuse_forgotten_name after insert or update on tenants for each row execute function refuse_forgotten_name();
