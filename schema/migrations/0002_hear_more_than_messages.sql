-- Edits and deletions, files, reactions, other channels, escalation; replies that know where they go.

alter table tenants add column escalation jsonb not null default '{}';
alter table tenants add column operators jsonb not null default '{}';
alter table employees add column options jsonb not null default '{}';
alter table channels add column options jsonb not null default '{}';
alter table conversations add column counters jsonb not null default '{}';
alter table conversations add column paused_reason text;
alter table conversations add column paused_until timestamptz;
alter table messages add column source_id text;
alter table messages drop constraint messages_role_check;
alter table messages add constraint messages_role_check check (role in ('contact', 'employee', 'operator'));
alter table inbox drop constraint inbox_state_check;
alter table inbox add constraint inbox_state_check
  check (state in ('waiting', 'answered', 'suppressed', 'escalated', 'applied', 'withdrawn', 'dead'));
alter table outbox drop constraint outbox_state_check;
alter table outbox add constraint outbox_state_check
  check (state in ('streaming', 'pending', 'sent', 'cancelled', 'dead'));

-- Replies that are under way keep going where their conversation is.
alter table outbox disable row level security;
alter table conversations disable row level security;
alter table outbox add column channel text;
alter table outbox add column address jsonb;
update outbox o set channel = c.channel, address = c.address
  from conversations c where c.tenant_id = o.tenant_id and c.id = o.conversation_id;
alter table outbox alter column channel set not null;
alter table outbox alter column address set not null;
alter table outbox enable row level security;
alter table conversations enable row level security;
alter table outbox add column source_id text not null default '';
alter table outbox add column delivery text check (delivery in ('sent', 'delivered', 'read', 'failed'));

create table contact_aliases (
  tenant_id uuid not null references tenants (id) on delete cascade,
  channel text not null,
  alias text not null,
  contact text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, channel, alias)
);
alter table contact_aliases enable row level security;
alter table contact_aliases force row level security;
create policy contact_aliases_by_tenant on contact_aliases
  using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));

grant select, insert, update, delete on contact_aliases to konstruct_app;
grant select, insert, delete, update (text) on messages to konstruct_app; -- what a contact edits or deletes
grant delete on memories to konstruct_app;

drop function hear(uuid[], text[], text[], uuid[], int[], jsonb[]);
drop function activate(uuid, uuid, int);
drop function commit_turn(uuid, uuid, int, bigint, bigint, uuid, bigint[], text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, double precision);
drop function open_reply(uuid, uuid, int, bigint, uuid, uuid, text, jsonb, double precision);

-- C1: make messages durable, several tenants in one commit. A message already there gets no row back.
create function hear(p_tenants uuid[], p_channels text[], p_events text[], p_conversations uuid[], p_shards int[],
                     p_only_known boolean[], p_bodies jsonb[])
  returns table (place int, id bigint, epoch bigint) language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    return query
      with heard as (
        insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)
        select v_tenant, e.channel, e.event, e.conversation, e.shard, s.epoch, e.body
        from unnest(p_tenants, p_channels, p_events, p_conversations, p_shards, p_only_known, p_bodies) with ordinality
             as e (tenant, channel, event, conversation, shard, only_known, body, n)
        join shards s on s.shard = e.shard
        where e.tenant = v_tenant and (not e.only_known
          or exists (select from conversations c where c.tenant_id = v_tenant and c.id = e.conversation)
          or exists (select from inbox i where i.tenant_id = v_tenant and i.conversation_id = e.conversation
                       and i.state = 'waiting'))
        order by e.n
        on conflict (tenant_id, channel, event) do nothing
        returning inbox.id, inbox.event, inbox.channel, inbox.epoch)
      select min(e.n)::int - 1, h.id, h.epoch
      from heard h join unnest(p_tenants, p_channels, p_events) with ordinality as e (tenant, channel, event, n)
        on e.tenant = v_tenant and e.channel = h.channel and e.event = h.event
      group by h.id, h.epoch;
  end loop;
end $$;

-- The names that a channel gives one person, most lasting first, to the contacts that they are known as, oldest
-- first. More than one: two contacts turn out to be the same person.
create function resolve_contact(p_tenant uuid, p_channel text, p_aliases text[])
  returns text[] language plpgsql as $$
declare v_contacts text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  select array_agg(known.contact order by known.since, known.contact) into v_contacts from (
    select contact, min(created_at) as since from contact_aliases
    where tenant_id = p_tenant and channel = p_channel and alias = any (p_aliases) group by contact) known;
  v_contacts := coalesce(v_contacts, p_aliases[1:1]);
  insert into contact_aliases (tenant_id, channel, alias, contact)
    select p_tenant, p_channel, a, v_contacts[1] from unnest(p_aliases) a order by a on conflict do nothing;
  return v_contacts;
end $$;

-- Everything a host needs to take up a conversation.
create function activate(p_tenant uuid, p_conversation uuid, p_window int)
  returns table (version bigint, counters jsonb, paused_seconds double precision, said jsonb, contacts uuid[],
                 waiting jsonb, replies jsonb) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query select
    k.version, k.counters, extract(epoch from k.paused_until - now())::double precision,
    (select jsonb_agg(jsonb_build_object('role', w.role, 'text', w.text, 'turn', w.turn) order by w.id)
       from (select m.id, m.role, m.text, m.turn from messages m where m.tenant_id = p_tenant
              and m.conversation_id = p_conversation order by m.id desc limit p_window) w),
    (select array_agg(distinct m.contact_id) from messages m where m.tenant_id = p_tenant
        and m.conversation_id = p_conversation and m.contact_id is not null),
    (select jsonb_agg(jsonb_build_object('id', i.id, 'epoch', i.epoch, 'attempts', i.attempts,
              'channel', i.channel, 'body', i.body) order by i.id)
       from inbox i where i.tenant_id = p_tenant and i.conversation_id = p_conversation and i.state = 'waiting'),
    (select jsonb_agg(jsonb_build_object('id', o.id, 'turn', o.turn_id, 'part', o.part, 'text', o.text, 'state', o.state,
              'external_id', o.external_id, 'created_at', extract(epoch from o.created_at),
              'channel', o.channel, 'address', o.address, 'source_id', o.source_id) order by o.created_at, o.part)
       from outbox o
       where o.tenant_id = p_tenant and o.conversation_id = p_conversation and o.state in ('streaming', 'pending'))
    from (select 1) one left join conversations k on k.tenant_id = p_tenant and k.id = p_conversation;
end $$;

-- C2: one turn, all or nothing. KF001 = fenced; KF002 = the conversation moved on, read it anew.
create function commit_turn(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_version bigint, p_turn uuid, p_inbox bigint[],
  p_outcome text, p_channel text, p_address jsonb, p_counters jsonb, p_pause jsonb, p_contacts jsonb, p_said jsonb,
  p_memories jsonb, p_replies jsonb, p_usage jsonb, p_claim_seconds double precision)
  returns void language plpgsql as $$
declare
  v_consumed int;
  v_paused_until timestamptz := now() + make_interval(secs => (p_pause ->> 'seconds')::double precision);
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  insert into conversations as c (tenant_id, id, shard, channel, address, version, last_turn_at, counters,
                                  paused_reason, paused_until)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address, 1, now(), p_counters,
            p_pause ->> 'reason', v_paused_until)
    on conflict (tenant_id, id) do update set version = c.version + 1, last_turn_at = now(),
      address = excluded.address, counters = excluded.counters,
      paused_reason = case when p_pause is null then c.paused_reason else excluded.paused_reason end,
      paused_until = case when p_pause is null then c.paused_until else excluded.paused_until end
    where c.version = p_version;
  if not found then
    raise exception 'conversation is not at version %', p_version using errcode = 'KF002';
  end if;
  -- What was said is in messages from now on; a deletion there must not leave a copy here.
  update inbox set state = p_outcome, turn_id = p_turn, body = '{}'
    where tenant_id = p_tenant and id = any (p_inbox) and conversation_id = p_conversation and state = 'waiting';
  get diagnostics v_consumed = row_count;
  if v_consumed <> cardinality(p_inbox) or exists (
      select from inbox where tenant_id = p_tenant and conversation_id = p_conversation and state = 'waiting'
        and id < p_inbox[cardinality(p_inbox)]) then
    raise exception 'the inbox of the conversation is not as the turn saw it' using errcode = 'KF002';
  end if;
  insert into contacts (tenant_id, id, channel, external_id)
    select p_tenant, (e ->> 'id')::uuid, p_channel, e ->> 'external_id' from jsonb_array_elements(p_contacts) e
    on conflict do nothing;
  insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text, source_id)
    select p_tenant, p_conversation, p_turn, p_version + 1, e ->> 'role', (e ->> 'contact')::uuid, e ->> 'text',
           e ->> 'source_id' from jsonb_array_elements(p_said) e;
  insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private, text)
    select p_tenant, p_turn, (e ->> 'contact')::uuid, p_conversation, p_shard, p_version + 1,
           (e ->> 'private')::boolean, e ->> 'text' from jsonb_array_elements(p_memories) e;
  if p_outcome <> 'answered' then
    -- What was visible of an answer that is not wanted any more stays as it is.
    update outbox set state = 'cancelled' where tenant_id = p_tenant and conversation_id = p_conversation
      and state = 'streaming' and part = 0;
  end if;
  if p_usage is not null then
    insert into usage (tenant_id, turn_id, conversation_id, employee_id, model, calls, prompt_tokens, completion_tokens)
      select p_tenant, p_turn, p_conversation, (p_usage ->> 'employee')::uuid, p_usage ->> 'model',
             (p_usage ->> 'calls')::int, (p_usage ->> 'prompt_tokens')::int, (p_usage ->> 'completion_tokens')::int;
  end if;
  insert into outbox as o (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,
                           claimed_until, channel, address, source_id)
    select p_tenant, (e ->> 'id')::uuid, p_conversation, p_shard, p_turn, (e ->> 'part')::int, e ->> 'text', 'pending',
           p_epoch, clock_timestamp() + make_interval(secs => p_claim_seconds), e ->> 'channel', e -> 'address',
           e ->> 'source_id' from jsonb_array_elements(p_replies) e
    on conflict (tenant_id, id) do update set text = excluded.text, state = 'pending', claim_epoch = excluded.claim_epoch,
      claimed_until = excluded.claimed_until where o.state = 'streaming';
end $$;

-- A message was edited, or deleted where p_text is null: the inbox, the history and the memory say so from now on.
-- What was derived from it is rebuilt; p_form is how a memory reads, with the asked and the said.
create function amend_message(
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
  update inbox set state = 'applied' where tenant_id = p_tenant and id = p_inbox and state = 'waiting';
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
  select turn_id, contact_id into v_turn, v_contact from messages
    where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  if not found then
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

-- The employee is silent from now on: a turn under way cannot commit, and nothing more of it becomes visible.
create function pause_conversation(p_tenant uuid, p_conversation uuid, p_reason text, p_seconds double precision)
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update conversations set version = version + 1, paused_reason = p_reason,
      paused_until = now() + make_interval(secs => p_seconds)
    where tenant_id = p_tenant and id = p_conversation;
  return found;
end $$;

-- The employee speaks again; escalation rules count from zero.
create function resume_conversation(p_tenant uuid, p_conversation uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update conversations set version = version + 1, paused_reason = null, paused_until = null, counters = '{}'
    where tenant_id = p_tenant and id = p_conversation;
  return found;
end $$;

-- A streaming answer becomes visible: durable before the first word, so that a successor continues the same message.
create function open_reply(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_version bigint, p_turn uuid, p_reply uuid,
  p_channel text, p_address jsonb, p_source_id text, p_claim_seconds double precision)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  insert into conversations (tenant_id, id, shard, channel, address)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address) on conflict do nothing;
  perform 1 from conversations where tenant_id = p_tenant and id = p_conversation and version = p_version for share;
  if not found then
    raise exception 'conversation is not at version %', p_version using errcode = 'KF002';
  end if;
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                      channel, address, source_id)
    values (p_tenant, p_reply, p_conversation, p_shard, p_turn, 0, '', 'streaming', p_epoch,
            clock_timestamp() + make_interval(secs => p_claim_seconds), p_channel, p_address, p_source_id)
    on conflict (tenant_id, id) do update set claim_epoch = excluded.claim_epoch, claimed_until = excluded.claimed_until;
end $$;

-- Something to tell that no turn said, such as a notice to operators. Told once: a repeated id changes nothing.
create function queue_reply(p_tenant uuid, p_reply uuid, p_conversation uuid, p_shard int, p_turn uuid, p_part int,
                            p_text text, p_channel text, p_address jsonb)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                      channel, address)
    values (p_tenant, p_reply, p_conversation, p_shard, p_turn, p_part, p_text, 'pending', 0, now(), p_channel, p_address)
    on conflict do nothing;
end $$;

-- What the channel reports of replies, several tenants in one commit; never backwards. A report settles a send whose
-- outcome was unknown.
create function record_deliveries(p_tenants uuid[], p_replies uuid[], p_external_ids text[], p_deliveries text[], p_errors text[])
  returns void language plpgsql as $$
declare
  v_tenant uuid;
  v_order text[] := array['sent', 'delivered', 'read', 'failed'];
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update outbox o set delivery = e.delivery, error = coalesce(e.error, o.error),
        external_id = coalesce(o.external_id, e.external_id),
        sent_at = case when o.state = 'pending' then now() else o.sent_at end,
        state = case when o.state = 'pending' then 'sent' else o.state end
      from (select distinct on (reply) reply, external_id, delivery, error
            from unnest(p_tenants, p_replies, p_external_ids, p_deliveries, p_errors)
                 as u (tenant, reply, external_id, delivery, error)
            where tenant = v_tenant order by reply, array_position(v_order, delivery) desc) e
      where o.tenant_id = v_tenant and o.id = e.reply
        and coalesce(array_position(v_order, o.delivery), 0) < array_position(v_order, e.delivery)
        and not (e.delivery = 'failed' and coalesce(o.delivery, '') in ('delivered', 'read'));
  end loop;
end $$;
