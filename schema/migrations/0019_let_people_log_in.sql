-- People log in.

-- People who may log in to a tenant, by the e-mail address that their identity provider has verified.
create table members (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  email text not null check (email = lower(email)),
  role text not null check (role in ('viewer', 'operator', 'owner')),
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, email)
);
create index members_for_login on members (email);

-- Browsers that people have logged in with.
create table sessions (
  tenant_id uuid not null,
  token bytea not null,                           -- hashed
  member_id uuid not null,
  name text not null,                             -- what the identity provider calls the person
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, token),
  foreign key (tenant_id, member_id) references members (tenant_id, id) on delete cascade
);
create index sessions_for_request on sessions (token);
create index sessions_of_member on sessions (tenant_id, member_id);

do $$
declare v_table text;
begin
  foreach v_table in array array['members', 'sessions'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;

grant select, insert, delete, update (role) on members to konstruct_app;
grant select, insert, delete on sessions to konstruct_app;
grant select (tenant_id, id, email, role) on members to konstruct_lookup;
grant select (tenant_id, token, member_id, name, expires_at) on sessions to konstruct_lookup;
create policy members_lookup on members for select to konstruct_lookup using (true);
create policy sessions_lookup on sessions for select to konstruct_lookup using (true);

-- The tenants that somebody may enter.
create function memberships(p_email text)
  returns table (tenant_id uuid, tenant text, member_id uuid, role text)
  language sql stable security definer set search_path = public, pg_temp as $$
  select m.tenant_id, t.name, m.id, m.role from members m join tenants t on t.id = m.tenant_id
  where m.email = p_email order by t.name;
$$;

-- Whose session it is, with the role of today; nothing where it has ended.
create function find_session(p_token bytea)
  returns table (tenant_id uuid, tenant text, member_id uuid, email text, name text, role text, expires_at timestamptz)
  language sql stable security definer set search_path = public, pg_temp as $$
  select s.tenant_id, t.name, m.id, m.email, s.name, m.role, s.expires_at
  from sessions s join members m on (m.tenant_id, m.id) = (s.tenant_id, s.member_id) join tenants t on t.id = s.tenant_id
  where s.token = p_token and s.expires_at > now();
$$;

do $$
declare v_function regprocedure;
begin
  grant create on schema public to konstruct_lookup;
  foreach v_function in array array['memberships(text)', 'find_session(bytea)']::regprocedure[] loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to konstruct_app', v_function);
    execute format('alter function %s owner to konstruct_lookup', v_function);
  end loop;
  revoke create on schema public from konstruct_lookup;
end $$;
