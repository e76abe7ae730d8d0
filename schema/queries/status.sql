-- name: installation_status^
-- Counts for an operator.
select tenants, conversations, inbox_waiting, inbox_oldest_seconds, inbox_dead, outbox_waiting, outbox_dead,
       memories_waiting, malformed from installation_status();

-- name: dead_letters
-- What was set aside, newest first.
select tenant, kind, id, error, at from dead_letters(:limit);

-- name: tenant_names
-- Names of all tenants.
select tenant_names() as name;

-- name: role^
-- Who the application is to PostgreSQL, and which tenant tables are not fenced by forced row-level security.
select current_user as name, r.rolsuper as superuser, r.rolbypassrls as bypass,
  exists (select from pg_class c where c.relname = 'inbox' and pg_has_role(current_user, c.relowner, 'member')) as owner,
  current_setting('server_version_num')::int as version,
  array(select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
        where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
          and not (c.relrowsecurity and c.relforcerowsecurity)) as unfenced
from pg_roles r where r.rolname = current_user;
