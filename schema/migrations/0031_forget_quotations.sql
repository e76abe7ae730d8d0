-- Notices to operators about others' turns no longer keep what a forgotten person said.

-- What operators are told of other people's turns quotes what was said before. What still waits to be told goes without
-- the quotations, as another notice, for hosts know this one with them; alerts about budgets (from 1500 on) quote nobody.
create function forget_quotations(p_tenant uuid, p_conversations uuid[]) returns void language sql as $$
  with gone as (
    delete from outbox where tenant_id = p_tenant and conversation_id = any (p_conversations) and part between 1000 and 1499
    returning *),
  told as (
    select conversation_id, shard, turn_id, channel, address, string_agg(text, E'\n\n' order by part) as text
    from gone where state = 'pending' group by conversation_id, shard, turn_id, channel, address)
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until, channel, address)
    select p_tenant, gen_random_uuid(), conversation_id, shard, turn_id, 1000,
           concat_ws(E'\n\n', split_part(text, E'\n\n', 1), 'What was said is not quoted: somebody who took part was forgotten.',
                     substring(text from '\n\n(Conversation: [^\n]*(\n[^\n]*)?)$')),
           'pending', 0, now(), channel, address from told;
$$;

-- Forget a person: every row about them, except what was used and what it cost, which names nobody. Turns under way in
-- their conversations cannot commit any more; what is not sent will not be. Answers for how many seconds a reply may
-- still be on its way, under a claim that was given before.
create or replace function erase_contact(p_tenant uuid, p_channel text, p_name text) returns double precision language plpgsql as $$
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
      and (o.conversation_id = any (v_alone) or o.turn_id = any (v_turns)
        or o.conversation_id = any (v_shared) and o.part between 1000 and 1499);
  delete from outbox where tenant_id = p_tenant and (conversation_id = any (v_alone) or turn_id = any (v_turns));
  perform forget_quotations(p_tenant, v_shared);
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
