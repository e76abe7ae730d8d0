-- name: members
-- Who may log in, after an e-mail address. Needs a tenant connection.
select id, email, role, created_at from members
where tenant_id = current_tenant() and (cast(:after_email as text) is null or email > :after_email)
order by email limit :limit;

-- name: save_member^
-- Somebody may log in with this role. Needs a tenant connection.
insert into members (tenant_id, id, email, role) values (current_tenant(), :id, :email, :role)
on conflict (tenant_id, email) do update set role = excluded.role
returning id, email, role, created_at;

-- name: drop_member$
-- Somebody may not log in any more; ends their sessions. Needs a tenant connection.
delete from members where tenant_id = current_tenant() and email = :email returning true;

-- name: end_sessions$
-- A member must log in again everywhere. Needs a tenant connection.
with member as (select id from members where tenant_id = current_tenant() and email = :email),
  ended as (delete from sessions where tenant_id = current_tenant() and member_id = (select id from member))
select true from member;

-- name: memberships
-- The tenants that somebody may enter, by e-mail address.
select tenant_id, tenant, member_id, role from memberships(:email);

-- name: begin_session$
-- A person has logged in, or goes on until then; sessions that have ended are forgotten. Needs a tenant connection.
with ended as (delete from sessions where tenant_id = current_tenant() and expires_at < now())
insert into sessions (tenant_id, token, member_id, name, expires_at)
values (current_tenant(), :token, :member, :name, least(now() + :lasts, cast(:until as timestamptz)))
returning expires_at;

-- name: find_session^
-- Whose session it is, with the role of today; nothing where it has ended.
select tenant_id, tenant, member_id, email, name, role, expires_at from find_session(:token);

-- name: end_session!
-- A person logs out. Needs a tenant connection.
delete from sessions where tenant_id = current_tenant() and token = :token;
