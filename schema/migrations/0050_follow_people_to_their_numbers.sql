-- What waits follows people to the number that they have now, and is sent to no other.

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
