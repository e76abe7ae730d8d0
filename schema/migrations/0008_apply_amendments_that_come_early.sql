-- An edit or a deletion leaves nothing behind, and is not lost where it comes before its message.

-- Edits and deletions (text is null) that came before their message: hear() applies them when it comes. A message that
-- could not be stored comes again, for up to a week.
create table amended_early (
  tenant_id uuid not null references tenants (id) on delete cascade,
  conversation_id uuid not null,
  source_id text not null,
  text text,
  at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, source_id)
);
alter table amended_early enable row level security;
alter table amended_early force row level security;
create policy amended_early_by_tenant on amended_early using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));
grant select, insert, update, delete on amended_early to konstruct_app;
grant select (tenant_id, at) on amended_early to konstruct_lookup;
create policy amended_early_lookup on amended_early for select to konstruct_lookup using (true);

-- What was applied, or deleted as a dead letter, was kept until now.
alter table inbox no force row level security;
update inbox set body = '{}' where state = 'applied';
alter table inbox force row level security;

-- Tenants with edits and deletions whose message will not come any more.
create function amended_in_vain()
  returns setof uuid language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from amended_early where at < now() - interval ''8 days''';
revoke execute on function amended_in_vain() from public;
grant execute on function amended_in_vain() to konstruct_app;
grant create on schema public to konstruct_lookup;
alter function amended_in_vain() owner to konstruct_lookup;
revoke create on schema public from konstruct_lookup;

-- C1: make messages durable, several tenants in one commit. A message already there gets no row back, nor does one that
-- was edited or deleted before it came: the sweep finds what is left of it.
create or replace function hear(p_tenants uuid[], p_channels text[], p_events text[], p_conversations uuid[], p_shards int[],
                     p_only_known boolean[], p_bodies jsonb[])
  returns table (place int, id bigint, epoch bigint) language plpgsql as $$
declare
  v_tenant uuid;
  v_early boolean;
  v_bodies jsonb[] := p_bodies;
begin
  -- In one order, because of the locks: see amend_message.
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true),
            pg_advisory_xact_lock_shared(hashtextextended(v_tenant::text, 8));
    v_early := exists (select from amended_early where tenant_id = v_tenant);
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
          and (not v_early or v_bodies[e.n] = p_bodies[e.n])
      group by h.id, h.epoch;
  end loop;
end $$;

-- A message was edited, or deleted where p_text is null: the inbox, the history and the memory say so from now on.
-- What was derived from it is rebuilt; p_form is how a memory reads, with the asked and the said. Where the message is
-- unknown, the amendment is kept until it comes.
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

-- A file of a message that waits is about to be kept: on record before it is, so that a deletion finds it.
create function note_file(p_tenant uuid, p_inbox bigint, p_shard int, p_epoch bigint, p_digest text)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  update inbox set body = jsonb_set(body, '{files}', coalesce(body -> 'files', '[]') - p_digest || jsonb_build_array(p_digest))
    where tenant_id = p_tenant and id = p_inbox and state = 'waiting';
  if not found then
    raise exception 'message % waits no more', p_inbox using errcode = 'KF002';
  end if;
end $$;
