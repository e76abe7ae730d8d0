-- Models that may be given pictures or recordings; and the web chat's own record of what is visible there.
-- depends: 0001_create_the_spine

alter table models add column vision boolean not null default false;
alter table models add column transcription boolean not null default false;

create table web_messages (
  tenant_id uuid not null references tenants (id) on delete cascade,
  conversation_id uuid not null,
  id uuid not null,
  place bigint not null,
  seq bigint not null,
  role text not null check (role in ('contact', 'employee', 'status')),
  text text not null,
  final boolean not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, id)
);
create unique index web_messages_for_feed on web_messages (tenant_id, conversation_id, seq);

alter table web_messages enable row level security;
alter table web_messages force row level security;
create policy web_messages_by_tenant on web_messages using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));
grant select, insert, update on web_messages to konstruct_app;

create function say_on_web(p_tenant uuid, p_conversation uuid, p_id uuid, p_role text, p_text text, p_final boolean)
  returns bigint language plpgsql as $$
declare v_seq bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_conversation::text, 5));
  select coalesce(max(seq), 0) + 1 into v_seq from web_messages
    where tenant_id = p_tenant and conversation_id = p_conversation;
  if p_role = 'employee' then
    update web_messages set text = '', seq = v_seq
      where tenant_id = p_tenant and conversation_id = p_conversation and role = 'status' and text <> '';
    v_seq := v_seq + 1;
  end if;
  insert into web_messages as w (tenant_id, conversation_id, id, place, seq, role, text, final)
    values (p_tenant, p_conversation, p_id, v_seq, v_seq, p_role, p_text, p_final)
    on conflict (tenant_id, conversation_id, id) do update
      set text = excluded.text, final = excluded.final, seq = excluded.seq
      where w.role = excluded.role and (excluded.final or not w.final)
        and (p_role = 'status' or (w.text, w.final) is distinct from (excluded.text, excluded.final));
  return v_seq;
end $$;

create function seen_on_web(p_tenant uuid, p_conversation uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return (select final from web_messages
          where tenant_id = p_tenant and conversation_id = p_conversation and id = p_id and role = 'employee');
end $$;

create function web_feed(p_tenant uuid, p_conversation uuid, p_after bigint, p_limit int)
  returns setof web_messages language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query select * from (
    select * from web_messages where tenant_id = p_tenant and conversation_id = p_conversation and seq > p_after
      order by seq desc limit p_limit) latest order by seq;
end $$;
