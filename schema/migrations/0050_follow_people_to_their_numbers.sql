-- What waits follows people to the number that they have now, and is sent to no other. Two histories that become one
-- lose no takeover, no count and no dead letter.

drop function claim_reply(uuid, uuid, int, bigint, double precision);

create function written_to(p_tenant uuid, p_channel text, p_contacts text[], p_name text) returns text language sql as $$
  select coalesce((select alias from contact_aliases where tenant_id = p_tenant and channel = p_channel
                     and contact = any (p_contacts) and retired_at is null
                   order by alias <> p_name, alias like '__.ENT.%', is_user_id(alias), created_at desc, alias limit 1), p_name);
$$;

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

create function claim_reply(p_tenant uuid, p_reply uuid, p_shard int, p_epoch bigint, p_claim_seconds double precision,
                            p_recipient text default null)
  returns double precision language plpgsql as $$
declare v_wait double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  select case when claim_epoch = p_epoch then 0
              else greatest(0, extract(epoch from claimed_until - clock_timestamp())) end into v_wait
    from outbox where tenant_id = p_tenant and id = p_reply and state in ('streaming', 'pending')
      and address ->> 'channel' = coalesce(p_recipient, address ->> 'channel') for update;
  if v_wait = 0 then
    update outbox set claim_epoch = p_epoch, attempts = attempts + 1,
        claimed_until = clock_timestamp() + make_interval(secs => p_claim_seconds)
      where tenant_id = p_tenant and id = p_reply;
  end if;
  return v_wait;
end $$;
