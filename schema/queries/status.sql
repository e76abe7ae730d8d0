-- name: installation_status^
-- Counts for an operator.
select tenants, conversations, inbox_waiting, inbox_oldest_seconds, inbox_dead, outbox_waiting, outbox_dead,
       memories_waiting, malformed from installation_status();

-- name: dead_letters
-- What was set aside, newest first; kinds as the operators' API has them.
select tenant, case kind when 'inbox' then 'message' else 'reply' end as kind, id, error, at from dead_letters(:limit);

-- name: tenant_names
-- Names of all tenants.
select tenant_names() as name;

-- name: role^
-- Who the application is to PostgreSQL, and which tenant tables lack row-level security, forced, with a whole policy.
-- Fails where there is no inbox: the database was never migrated.
select current_user as name, r.rolsuper as superuser, r.rolbypassrls as bypass, 'inbox'::regclass is not null as migrated,
  exists (select from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
          and pg_has_role(current_user, c.relowner, 'member')) as owner,
  current_setting('server_version_num')::int as version,
  array(select c.relname::text from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
          and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
          and not (c.relrowsecurity and c.relforcerowsecurity and exists (select from pg_policy p
            where p.polrelid = c.oid and p.polname = c.relname || '_by_tenant'
              and p.polpermissive and p.polcmd = '*' and pg_get_expr(p.polqual, p.polrelid) like '%current_tenant()%'
              and pg_get_expr(p.polwithcheck, p.polrelid) like '%current_tenant()%'))) as unfenced
from pg_roles r where r.rolname = current_user;

-- name: last_isolation_check^
-- What the isolation check found when it last ran.
select at, tried, holes, extract(epoch from now() - at)::double precision as age_seconds from isolation_checks
order by at desc limit 1;

-- name: record_isolation_check!
-- It has run again.
insert into isolation_checks (tried, holes) values (:tried, :holes) on conflict do nothing;

-- name: count_paused$
-- How many conversations the employee is silent in now. Needs a tenant connection.
select count(*) from conversations where tenant_id = current_tenant() and paused_until > now();
