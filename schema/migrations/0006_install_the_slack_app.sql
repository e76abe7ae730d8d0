-- Installations of the Slack app by OAuth, their end, tokens that expire, and what people think of answers.

alter table channels add column installed_by text not null default 'file' check (installed_by in ('file', 'oauth'));
alter table channels add column installed_at timestamptz not null default now();
alter table channels add column disconnected_at timestamptz;
alter table channels add column expires_at timestamptz;
alter table channels add column refreshing_until timestamptz;

create index outbox_for_reactions on outbox (tenant_id, external_id) where external_id is not null;
-- What people pause and resume is a place: in a channel, all its threads.
create index conversations_of_a_place on conversations (tenant_id, channel, (address ->> 'channel'));

create table install_states (
  tenant_id uuid not null references tenants (id) on delete cascade,
  state bytea not null,
  browser bytea not null,
  expires_at timestamptz not null,
  primary key (tenant_id, state)
);
create table feedback (
  tenant_id uuid not null,
  turn_id uuid not null,
  contact_id uuid not null,
  conversation_id uuid not null,
  positive boolean not null,
  given_at timestamptz not null default now(),
  primary key (tenant_id, turn_id, contact_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade
);

do $$
declare v_table text;
begin
  foreach v_table in array array['install_states', 'feedback'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
grant select, insert, delete on install_states to konstruct_app;
grant select, insert, update on feedback to konstruct_app;

-- Channels that ask for a connection of ours instead of webhooks.
create function socket_channels()
  returns setof channels language sql stable security definer set search_path = public, pg_temp as $$
  select * from channels where options ? 'socket_mode' and disconnected_at is null order by kind, app, team;
$$;
revoke execute on function socket_channels() from public;
grant execute on function socket_channels() to konstruct_app;
grant create on schema public to konstruct_lookup;
alter function socket_channels() owner to konstruct_lookup;
revoke create on schema public from konstruct_lookup;

-- The provider says that the connection ended at p_at; p_accounts: only for these accounts, none = for all. What is
-- older than the installation is about an earlier one. What still was to be sent there will never be.
create function disconnect_channel(
  p_tenant uuid, p_kind text, p_app text, p_team text, p_at timestamptz, p_accounts text[])
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update channels set disconnected_at = p_at
    where tenant_id = p_tenant and kind = p_kind and app = p_app and team = p_team and installed_at <= p_at
      and (cardinality(p_accounts) = 0 or account = any (p_accounts));
  if not found then
    return false;
  end if;
  update outbox set state = 'cancelled', error = 'The channel was disconnected.'
    where tenant_id = p_tenant and channel = p_kind and address ->> 'team' = p_team
      and state in ('streaming', 'pending');
  return true;
end $$;

-- What a person thinks of a turn's answer; the last word counts. Each change to "bad" is one more attempt that did
-- not satisfy. False where the reply is unknown.
create function give_feedback(p_tenant uuid, p_turn uuid, p_reply uuid, p_contact uuid, p_positive boolean)
  returns boolean language plpgsql as $$
declare
  v_conversation uuid;
  v_before boolean;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  select conversation_id into v_conversation from outbox
    where tenant_id = p_tenant and id = p_reply and turn_id = p_turn;
  if not found then
    return false;
  end if;
  -- One press at a time, and in the order of commit_turn.
  perform 1 from conversations where tenant_id = p_tenant and id = v_conversation for update;
  select positive into v_before from feedback
    where tenant_id = p_tenant and turn_id = p_turn and contact_id = p_contact;
  insert into feedback (tenant_id, turn_id, contact_id, conversation_id, positive)
    values (p_tenant, p_turn, p_contact, v_conversation, p_positive)
    on conflict (tenant_id, turn_id, contact_id) do update set positive = excluded.positive, given_at = now();
  if not p_positive and v_before is distinct from false then
    -- The new version makes a host that knows older counters read them again.
    update conversations set version = version + 1, counters = jsonb_set(counters, '{attempts}',
        to_jsonb(coalesce((counters ->> 'attempts')::int, 0) + 1))
      where tenant_id = p_tenant and id = v_conversation;
  end if;
  return true;
end $$;

-- The right to spend the refresh token of a channel whose token expires within p_left, for one caller at a time: its
-- secrets as they are now, or nothing.
create function lease_refresh(
  p_tenant uuid, p_kind text, p_app text, p_team text, p_left interval, p_lease interval)
  returns bytea language plpgsql as $$
declare v_secrets bytea;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update channels set refreshing_until = clock_timestamp() + p_lease
    where tenant_id = p_tenant and kind = p_kind and app = p_app and team = p_team and disconnected_at is null
      and expires_at < now() + p_left and coalesce(refreshing_until, '-infinity') < clock_timestamp()
    returning secrets into v_secrets;
  return v_secrets;
end $$;
