-- Of a Slack app that several tenants have, one was asked for its secret: while it changes, some have two.

-- The channel of an event. Where the team is unknown, channels of the same app, so that the signature can still be
-- checked. Where neither app nor team is asked for, all that may have signed what names none (url_verification, news
-- of an account). Each secret once: a channel says which it has, and those of an app that do not have one and the same.
create or replace function find_channels(p_kind text, p_app text, p_team text)
  returns setof channels language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return query select * from channels where kind = p_kind and app = p_app and team = p_team
    order by disconnected_at desc nulls first limit 1;
  if found then return; end if;
  if p_app <> '' then
    return query select distinct on (options ->> 'signed_sha256') * from channels where kind = p_kind and app = p_app;
  elsif p_team = '' then
    return query select distinct on (coalesce(options ->> 'signed_sha256', nullif(app, ''), team)) * from channels
      where kind = p_kind;
  end if;
end $$;

-- Where two histories become one, a pause lasts since it began.

-- Since when it lasts: what is no second one for the audit is none here. One that comes from another conversation has
-- its time with it.
create or replace function note_silence() returns trigger language plpgsql as $$
begin
  new.paused_at := case when new.paused_until is not null then coalesce(nullif(new.paused_at, old.paused_at), now()) end;
  return new;
end $$;

-- Two contacts are one person: history, memories and what waits or was set aside go to the contact and the conversation
-- that stay; where a human speaks in either, the employee is silent. Turns under way in either begin anew.
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
      (paused_reason, paused_until, paused_by, paused_at) = (
        select p.paused_reason, p.paused_until, p.paused_by, p.paused_at from conversations p
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
