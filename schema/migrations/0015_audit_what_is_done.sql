-- What was done, by whom: audit_events, written by triggers in the transaction of the effect itself. The Auditor seals
-- them into one hash chain per tenant (audit_seals), signs how far it is (audit_checkpoints), and chains and signs all
-- checkpoints of the installation once more (audit_anchors), so that a tail that is cut off is missed; see docs/audit.md.
-- Nothing here refers to other tables: audit outlives what it is about. No row holds text, names of people or secrets.

create schema audit_months;                       -- the partitions; nobody but their owner may name them

create table audit_events (
  tenant_id uuid not null,
  id uuid not null default gen_random_uuid(),
  at timestamptz not null default now(),
  actor text not null default coalesce(nullif(current_setting('app.actor', true), ''), 'system'),
  action text not null,                           -- such as reply.sent
  subject text not null,                          -- such as reply:<uuid>
  request_id text not null default coalesce(current_setting('app.request_id', true), ''),
  details jsonb not null default '{}',
  xid bigint not null default pg_current_xact_id()::text::bigint, -- what is older than all running transactions can be sealed
  primary key (tenant_id, at, id)
) partition by range (at);
create index audit_events_for_sealing on audit_events using brin (xid) with (pages_per_range = 16, autosummarize = on);

create table audit_seals (
  tenant_id uuid not null,
  seq bigint not null,                            -- the row's place in its tenant's chain: 1, 2, 3, ...
  event_at timestamptz not null,
  event_id uuid not null,
  hash bytea not null,                            -- SHA-256 over the hash before and the row
  primary key (tenant_id, seq, event_at),
  unique (tenant_id, event_at, event_id)
) partition by range (event_at);

create table audit_checkpoints (
  tenant_id uuid not null,
  number bigint not null,
  content text not null,                          -- canonical JSON: from where to where, the hash there, the one before
  signature bytea not null,                       -- Ed25519, of the content
  primary key (tenant_id, number)
);

-- One for each checkpoint of any tenant. The mark is a keyed hash of the tenant.
create table audit_anchors (
  place bigint primary key,
  mark bytea not null,
  content text not null,
  signature bytea not null,
  floor bigint not null                             -- rows of earlier transactions are sealed, of all tenants
);
create index audit_anchors_of_a_mark on audit_anchors (mark, place);

-- Public keys, each vouching for the one before; see `konstruct audit keys`.
create table audit_keys (
  number bigint primary key,
  content text not null,
  signature bytea not null
);

create function refuse_to_change_audit() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, tg_op
    using hint = 'Old months go by `konstruct audit retain`.', errcode = 'restrict_violation';
end $$;

do $$
declare v_table text;
begin
  foreach v_table in array array['audit_events', 'audit_seals', 'audit_checkpoints', 'audit_anchors', 'audit_keys'] loop
    execute format('grant select on %I to konstruct_app', v_table);
    execute format('create trigger append_only before update or delete on %I for each row
                    execute function refuse_to_change_audit()', v_table);
    execute format('create trigger append_only_whole before truncate on %I execute function refuse_to_change_audit()', v_table);
  end loop;
  foreach v_table in array array['audit_events', 'audit_seals', 'audit_checkpoints'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
-- When, in which transaction and under which id is not the application's to say.
grant insert (tenant_id, actor, action, subject, request_id, details) on audit_events to konstruct_app;
grant insert on audit_seals, audit_checkpoints, audit_anchors, audit_keys to konstruct_app;
grant select (tenant_id, id, at, xid) on audit_events to konstruct_lookup;
grant select (tenant_id, event_at, event_id) on audit_seals to konstruct_lookup;
create policy audit_events_lookup on audit_events for select to konstruct_lookup using (true);
create policy audit_seals_lookup on audit_seals for select to konstruct_lookup using (true);

-- Partitions of this month and the next three, UTC; answers how many are new. What no partition takes goes into one for
-- the rest, so that no effect ever fails for lack of a month; a month of which the rest has rows already stays there.
create function prepare_audit_months() returns int
  language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  v_first timestamp := date_trunc('month', now() at time zone 'utc');
  v_month timestamp;
  v_kind text;
  v_name text;
  v_made int := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('audit months', 9));
  foreach v_kind in array array['events', 'seals'] loop
    for v_month in select generate_series(v_first, v_first + interval '3 months', interval '1 month') loop
      v_name := v_kind || to_char(v_month, '_YYYY_MM');
      continue when to_regclass('audit_months.' || v_name) is not null;
      begin
        -- Attached, not created in place: that would lock out every turn that writes audit meanwhile.
        execute format('create table audit_months.%I (like audit_%s including defaults including constraints)', v_name, v_kind);
        execute format('alter table audit_months.%I enable row level security', v_name);
        execute format('create trigger append_only_whole before truncate on audit_months.%I
                        execute function refuse_to_change_audit()', v_name);
        execute format('alter table audit_%s attach partition audit_months.%I for values from (%L) to (%L)', v_kind, v_name,
                       v_month at time zone 'utc', (v_month + interval '1 month') at time zone 'utc');
        v_made := v_made + 1;
      exception when check_violation then
        null;
      end;
    end loop;
  end loop;
  return v_made;
end $$;

create table audit_months.events_rest partition of audit_events default;
create table audit_months.seals_rest partition of audit_seals default;
alter table audit_months.events_rest enable row level security;
alter table audit_months.seals_rest enable row level security;
create trigger append_only_whole before truncate on audit_months.events_rest execute function refuse_to_change_audit();
create trigger append_only_whole before truncate on audit_months.seals_rest execute function refuse_to_change_audit();
do $$ begin perform prepare_audit_months(); end $$;

-- Tenants with rows between two transactions that are not sealed, and when the rows were written.
create function audit_waiting(p_floor bigint, p_ceiling bigint)
  returns table (tenant_id uuid, earliest timestamptz, latest timestamptz, events bigint)
  language sql stable security definer set search_path = public, pg_temp as $$
  select e.tenant_id, min(e.at), max(e.at), count(*) from audit_events e
  where e.xid >= p_floor and e.xid < p_ceiling and not exists (
    select from audit_seals s where s.tenant_id = e.tenant_id and s.event_at = e.at and s.event_id = e.id)
  group by e.tenant_id;
$$;

-- Tenants with audit, also those that are gone.
create function audited_tenants()
  returns setof uuid language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from audit_checkpoints order by 1';
grant select (tenant_id) on audit_checkpoints to konstruct_lookup;
create policy audit_checkpoints_lookup on audit_checkpoints for select to konstruct_lookup using (true);

do $$
declare v_function regprocedure;
begin
  revoke execute on function prepare_audit_months() from public;
  grant execute on function prepare_audit_months() to konstruct_app;
  grant create on schema public to konstruct_lookup;
  foreach v_function in array array['audit_waiting(bigint, bigint)', 'audited_tenants()']::regprocedure[] loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to konstruct_app', v_function);
    execute format('alter function %s owner to konstruct_lookup', v_function);
  end loop;
  revoke create on schema public from konstruct_lookup;
end $$;

-- Sealed rows of one tenant, its checkpoint and the anchor of that, in one statement.
create function seal_audit(
  p_tenant uuid, p_number bigint, p_checkpoint text, p_signature bytea, p_first bigint, p_ids uuid[], p_times timestamptz[],
  p_hashes bytea[], p_place bigint, p_mark bytea, p_anchor text, p_anchor_signature bytea, p_floor bigint)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into audit_checkpoints (tenant_id, number, content, signature)
    values (p_tenant, p_number, p_checkpoint, p_signature);
  insert into audit_anchors (place, mark, content, signature, floor)
    values (p_place, p_mark, p_anchor, p_anchor_signature, p_floor);
  insert into audit_seals (tenant_id, seq, event_at, event_id, hash)
    select p_tenant, p_first + e.n - 1, e.at, e.id, e.hash
    from unnest(p_ids, p_times, p_hashes) with ordinality as e (id, at, hash, n);
end $$;

-- Effects write their row themselves, so that nobody can forget it. Row by row with a condition, because that costs the
-- many updates nothing that are no effect (a claim, an id, a counter).

create function audit_model_call() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id, 'model.called', 'turn:' || new.turn_id,
            jsonb_build_object('model', new.model, 'calls', new.calls, 'prompt_tokens', new.prompt_tokens,
              'completion_tokens', new.completion_tokens, 'employee', new.employee_id, 'conversation', new.conversation_id));
  return null;
end $$;
create trigger audit_model_call after insert on usage for each row execute function audit_model_call();

create function audit_send() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id,
            case new.state when 'sent' then 'reply.sent' when 'dead' then 'reply.failed' when 'cancelled' then 'reply.cancelled'
                           else 'reply.retried' end,
            'reply:' || new.id,
            jsonb_build_object('channel', new.channel, 'conversation', new.conversation_id, 'turn', new.turn_id, 'part', new.part));
  return null;
end $$;
create trigger audit_send after update on outbox for each row
  when (old.state <> new.state and (new.state in ('sent', 'dead', 'cancelled') or old.state in ('sent', 'dead')))
  execute function audit_send();

create function audit_silence() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id,
            case when new.paused_until is null then 'conversation.resumed'
                 when new.paused_reason like 'rule: %' then 'conversation.escalated' else 'conversation.taken_over' end,
            'conversation:' || new.id, jsonb_build_object('channel', new.channel));
  return null;
end $$;
create trigger audit_silence_from_the_start after insert on conversations for each row
  when (new.paused_until is not null) execute function audit_silence();
-- An operator who goes on speaking extends a takeover; that is no second one.
create trigger audit_silence after update on conversations for each row
  when (old.paused_until is distinct from new.paused_until
        and (old.paused_until is null or new.paused_until is null or old.paused_until < now()
             or old.paused_reason is distinct from new.paused_reason))
  execute function audit_silence();

-- Which fields of a configured thing changed, never their values. Arguments: what the subject is called, the columns
-- that name it, after a dash those that are no configuration.
create function audit_configuration() returns trigger language plpgsql as $$
declare
  v_row jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
  v_named text[] := string_to_array(tg_argv[1], ' ');
  v_ignored text[] := string_to_array(coalesce(tg_argv[2], ''), ' ');
  v_fields text[];
begin
  if tg_op = 'UPDATE' then
    select array_agg(n.key order by n.key) into v_fields
      from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o on o.key = n.key
      where n.value is distinct from o.value and n.key <> all (v_ignored);
    if v_fields is null then
      return null;
    end if;
  end if;
  insert into audit_events (tenant_id, action, subject, details)
    values (coalesce(v_row ->> 'tenant_id', v_row ->> 'id')::uuid,
            tg_argv[0] || case tg_op when 'INSERT' then '.created' when 'UPDATE' then '.changed' else '.deleted' end,
            tg_argv[0] || ':' || (select string_agg(v_row ->> c, '/') from unnest(v_named) c),
            case when v_fields is null then '{}' else jsonb_build_object('fields', v_fields) end);
  return null;
end $$;
create trigger audit_configuration after insert or update or delete on tenants for each row
  execute function audit_configuration('tenant', 'id', 'created_at');
create trigger audit_configuration after insert or update or delete on employees for each row
  execute function audit_configuration('employee', 'id');
create trigger audit_configuration after insert or update or delete on models for each row
  execute function audit_configuration('model', 'name');
create trigger audit_configuration after insert or update or delete on channels for each row
  execute function audit_configuration('channel', 'kind app team', 'refreshing_until installed_at');
create trigger audit_configuration after insert or update or delete on api_tokens for each row
  execute function audit_configuration('token', 'id', 'last_used_at');

create function audit_token_use() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject) values (new.tenant_id, 'token.used', 'token:' || new.id);
  return null;
end $$;
create trigger audit_token_use after update on api_tokens for each row
  when (old.last_used_at is distinct from new.last_used_at) execute function audit_token_use();

-- What operators do with messages that were set aside.
create function audit_dead_letter() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id, case new.state when 'waiting' then 'message.retried' else 'message.discarded' end,
            'message:' || new.id, jsonb_build_object('channel', new.channel, 'conversation', new.conversation_id));
  return null;
end $$;
create trigger audit_dead_letter after update on inbox for each row
  when (old.state = 'dead' and new.state <> 'dead') execute function audit_dead_letter();
