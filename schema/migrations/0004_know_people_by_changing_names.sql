-- WhatsApp: people whose names change hands, histories that turn out to be one, statuses that settle or fail a send.

alter table contact_aliases add column retired_at timestamptz;
create index contact_aliases_of_contact on contact_aliases (tenant_id, channel, contact);
grant update (conversation_id, turn, contact_id) on messages to konstruct_app;
drop function resolve_contact(uuid, text, text[]);
drop function record_deliveries(uuid[], uuid[], text[], text[], text[]);

-- The channel of an event. Where the team is unknown, one channel of the same app, so that the signature can still
-- be checked; where the app is unknown or absent (url_verification), one channel of every app. WhatsApp names no app,
-- and no number in what it tells of an account: any number's secret may have signed that.
create or replace function find_channels(p_kind text, p_app text, p_team text)
  returns setof channels language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return query select * from channels where kind = p_kind and app = p_app and team = p_team;
  if found then return; end if;
  if p_kind = 'whatsapp' then
    return query select * from channels where kind = p_kind and p_team = '' order by team limit 50;
    return;
  end if;
  return query select * from channels where kind = p_kind and app = p_app limit 1;
  if found then return; end if;
  return query select distinct on (app) * from channels where kind = p_kind order by app limit 50;
end $$;

-- Whether some channel of this kind was set up with this verify token; the token itself is encrypted.
create function has_verify_token(p_kind text, p_sha256 text)
  returns boolean language sql stable security definer set search_path = public, pg_temp
  return exists (select from channels where kind = p_kind and options ->> 'verify_sha256' = p_sha256);

do $$
begin
  grant create on schema public to konstruct_lookup;
  revoke execute on function has_verify_token(text, text) from public;
  grant execute on function has_verify_token(text, text) to konstruct_app;
  alter function has_verify_token(text, text) owner to konstruct_lookup;
  revoke create on schema public from konstruct_lookup;
end $$;

-- Business-scoped user ids; a person has one, and a new one with every new phone number. Parents outlast both.
create function is_user_id(p_alias text) returns boolean language sql immutable parallel safe
  return p_alias like '__.%' and p_alias not like '__.ENT.%';

-- The contacts that these names belong to, oldest first. A name that was given up counts for what was said before. A
-- phone number known with another user id than the one that now comes with it is somebody else's by now.
create function known_contacts(p_tenant uuid, p_channel text, p_aliases text[], p_said_at timestamptz)
  returns text[] language sql stable as $$
  select coalesce(array_agg(k.contact order by k.since, k.contact), '{}') from (
    select n.contact, (select min(f.created_at) from contact_aliases f
                       where f.tenant_id = p_tenant and f.channel = p_channel and f.contact = n.contact) as since
    from contact_aliases n
    where n.tenant_id = p_tenant and n.channel = p_channel and n.alias = any (p_aliases)
      and (n.retired_at is null or n.retired_at > p_said_at)
      and (n.alias !~ '^[0-9]+$' or not exists (select from unnest(p_aliases) a where is_user_id(a))
        or not exists (select from contact_aliases o where o.tenant_id = p_tenant and o.channel = p_channel
             and o.contact = n.contact and o.retired_at is null and is_user_id(o.alias))
        or exists (select from contact_aliases o where o.tenant_id = p_tenant and o.channel = p_channel
             and o.contact = n.contact and o.retired_at is null and is_user_id(o.alias) and o.alias = any (p_aliases)))
    group by n.contact) k;
$$;

-- The names that a channel gives one person, most lasting first, to the contacts that they are known as, oldest
-- first; a stranger becomes a contact. More than one: they turn out to be the same person, see merge_contact.
create function resolve_contact(p_tenant uuid, p_channel text, p_aliases text[], p_said_at timestamptz)
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

-- A person has other names from p_at on: what they are called now leads to the same contact, and what they were called
-- may belong to somebody else one day. What is still to be sent goes to p_recipient. Answers as resolve_contact does.
create function move_contact(p_tenant uuid, p_channel text, p_before text[], p_after text[], p_recipient text,
                             p_at timestamptz)
  returns text[] language plpgsql as $$
declare
  v_contacts text[];
  v_met text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
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

-- Two contacts are one person: history, memories and what waits go to the contact and the conversation that stay.
-- Turns under way in either conversation cannot commit any more and begin anew.
create function merge_contact(
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
end $$;

-- What the channel reports of replies, by their id or by the channel's, several tenants in one commit; never backwards.
-- A report settles a send whose outcome was unknown. A failure that may pass (p_again) is sent again, a few times, as a
-- template where the contact's window was closed (p_closed); what is reported of the failed message afterwards is of no
-- interest.
create function record_deliveries(p_tenants uuid[], p_replies uuid[], p_external_ids text[], p_deliveries text[],
                                  p_errors text[], p_again boolean[], p_closed boolean[])
  returns void language plpgsql as $$
declare
  v_tenant uuid;
  v_order text[] := array['sent', 'delivered', 'read', 'failed'];
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update outbox o set
        delivery = case when e.again and o.attempts < 3 then null else e.delivery end,
        error = case when e.delivery = 'failed' then e.external_id || ': ' || coalesce(e.error, '') else o.error end,
        external_id = case when e.again and o.attempts < 3 then null else coalesce(o.external_id, e.external_id) end,
        attempts = o.attempts + e.again::int,
        address = case when e.closed then o.address || '{"open_until": 0}' else o.address end,
        sent_at = case when o.state = 'pending' then now() else o.sent_at end,
        state = case when e.again and o.attempts < 3 then 'pending' when e.delivery = 'failed' then 'dead' else 'sent' end
      from (select distinct on (r.id) r.id, u.external_id, u.delivery, u.error, u.again, u.closed
            from unnest(p_tenants, p_replies, p_external_ids, p_deliveries, p_errors, p_again, p_closed)
                 as u (tenant, reply, external_id, delivery, error, again, closed)
            join outbox r on r.tenant_id = v_tenant
              and r.id = coalesce(u.reply, (select x.id from outbox x where x.tenant_id = v_tenant
                                            and x.channel = 'whatsapp' and x.external_id = u.external_id limit 1))
            where u.tenant = v_tenant order by r.id, array_position(v_order, u.delivery) desc) e
      where o.tenant_id = v_tenant and o.id = e.id and o.state in ('pending', 'sent')
        and coalesce(array_position(v_order, o.delivery), 0) < array_position(v_order, e.delivery)
        and not (e.delivery = 'failed' and coalesce(o.delivery, '') in ('delivered', 'read'))
        and coalesce(o.external_id, e.external_id) = e.external_id
        and not starts_with(coalesce(o.error, ''), e.external_id || ': ');
  end loop;
end $$;

-- C3: replies that are out, several tenants in one commit. Only the holder of the claim may say so, and not of a
-- message that the channel has reported as failed meanwhile.
create or replace function mark_sent(p_tenants uuid[], p_replies uuid[], p_epochs bigint[], p_external_ids text[], p_errors text[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update outbox o set state = case when e.error is null then 'sent' else 'dead' end, error = e.error,
        external_id = coalesce(e.external_id, o.external_id), sent_at = case when e.error is null then now() end
      from unnest(p_tenants, p_replies, p_epochs, p_external_ids, p_errors) as e (tenant, reply, epoch, external_id, error)
      where e.tenant = v_tenant and o.tenant_id = v_tenant and o.id = e.reply and o.claim_epoch = e.epoch
        and o.state in ('streaming', 'pending') and not starts_with(coalesce(o.error, ''), coalesce(e.external_id, '-') || ': ');
  end loop;
end $$;
