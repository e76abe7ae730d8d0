-- What the catalogue must not say. Each answers (subject, hole): nothing, where all is well; :role is the application's.

-- name: unforced
-- Tables of tenants whose row-level security is off, or not forced.
select c.relname, format('Table %s has row-level security that is %s; run: alter table %s %s row level security.',
         c.relname, case when c.relrowsecurity then 'not forced' else 'off' end, c.relname,
         case when c.relrowsecurity then 'force' else 'enable' end)
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and not (c.relrowsecurity and c.relforcerowsecurity)
  and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
  and (not c.relispartition or has_any_column_privilege(:role, c.oid, 'select, insert, update'));

-- name: half_policies
-- Tables of tenants without a policy of their own that says who may read and who may write.
select c.relname, format('Table %s has no policy %s_by_tenant with USING and WITH CHECK by current_tenant().', c.relname, c.relname)
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
  and (not c.relispartition or has_any_column_privilege(:role, c.oid, 'select, insert, update'))
  and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = c.relname || '_by_tenant'
    and p.polpermissive and p.polcmd = '*' and p.polroles = '{0}'
    and pg_get_expr(p.polqual, p.polrelid) ~ '^\((tenant_id|id) = \( SELECT current_tenant\(\) AS current_tenant\)\)$'
    and pg_get_expr(p.polwithcheck, p.polrelid) = pg_get_expr(p.polqual, p.polrelid));

-- name: wider_policies
-- Policies that let the application see or write more than its tenant.
select p.polname, format('Policy %s on %s lets the application pass by the tenant''s own policy; drop it.',
         p.polname, p.polrelid::regclass)
from pg_policy p join pg_class c on c.oid = p.polrelid
where c.relnamespace = 'public'::regnamespace and p.polpermissive and p.polname <> c.relname || '_by_tenant'
  and exists (select from unnest(p.polroles) r where r = 0 or pg_has_role(:role, r, 'usage'));

-- name: powerful_roles
-- Roles of ours that could pass row-level security, or give themselves the right to.
select r.rolname, format('Role %s is%s%s%s%s; it must be none of it.', r.rolname,
         case when r.rolsuper then ' superuser' end, case when r.rolbypassrls then ' bypassrls' end,
         case when r.rolcreaterole then ' createrole' end, case when r.rolreplication then ' replication' end)
from pg_roles r where (r.rolname = :role or r.rolname like 'konstruct\_%')
  and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication);

-- name: owning_roles
-- Whatever the application owns it could alter.
select c.relname, format('The application owns %s, and could switch its row-level security off.', c.relname)
from pg_class c where c.relnamespace = 'public'::regnamespace and pg_has_role(:role, c.relowner, 'member');

-- name: memberships
-- Roles that the application may become.
select g.rolname, format('The application may become role %s; revoke that.', g.rolname)
from pg_auth_members m join pg_roles r on r.oid = m.member join pg_roles g on g.oid = m.roleid where r.rolname = :role;

-- name: wide_grants
-- TRUNCATE ignores row-level security, and so do foreign keys and triggers of one's own; PUBLIC is everybody.
select g.table_name, format('%s may %s %s; revoke that.', g.grantee, g.privilege_type, g.table_name)
from information_schema.table_privileges g where g.table_schema = 'public'
  and (g.grantee = 'PUBLIC' or g.grantee = :role and g.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER'));

-- name: crossing_keys
-- Foreign keys ignore row-level security: each must carry the tenant.
select c.conname, format('Foreign key %s of %s does not carry the tenant: it tells whether another tenant has a row.',
         c.conname, c.conrelid::regclass)
from pg_constraint c join pg_attribute t on t.attrelid = c.conrelid and t.attname = 'tenant_id'
where c.contype = 'f' and c.connamespace = 'public'::regnamespace and not exists (
  select from unnest(c.conkey, c.confkey) k (ours, theirs)
    join pg_attribute f on f.attrelid = c.confrelid and f.attnum = k.theirs
  where k.ours = t.attnum and (f.attname = 'tenant_id' or c.confrelid = 'tenants'::regclass and f.attname = 'id'))
  and (c.confrelid = 'tenants'::regclass
    or exists (select from pg_attribute a where a.attrelid = c.confrelid and a.attname = 'tenant_id'));

-- name: global_keys
-- A unique index reports conflicts with rows that row-level security hides.
select i.indexrelid::regclass::text, format('Unique key %s on %s does not begin with the tenant: a conflict tells what another tenant has.',
         i.indexrelid::regclass, i.indrelid::regclass)
from pg_index i join pg_class t on t.oid = i.indrelid
where i.indisunique and t.relnamespace = 'public'::regnamespace
  and (t.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id'))
  and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id' and a.attnum = any (i.indkey))
  and (not t.relispartition or has_any_column_privilege(:role, t.oid, 'insert'));

-- name: wide_views
-- A view reads with its owner's rights unless it says otherwise; a materialised view always does.
select c.relname, format('%s %s reads with its owner''s rights; %s.', case c.relkind when 'v' then 'View' else 'Relation' end, c.relname,
         case c.relkind when 'v' then 'set (security_invoker = true)' else 'revoke it from the application' end)
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('v', 'm', 'f')
  and has_any_column_privilege(:role, c.oid, 'select')
  and not (c.relkind = 'v' and coalesce(c.reloptions, '{}') && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'])
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e');

-- name: definers
-- Functions that read with their owner's rights: see the list of those that may.
select p.proname, format('Function %s reads with its owner''s rights, and is not on the list of those that may.', p.oid::regprocedure)
from pg_proc p where p.prosecdef and p.pronamespace = 'public'::regnamespace
  and has_function_privilege(:role, p.oid, 'execute')
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e');

-- name: loose_definers
-- Those on the list: a fixed search_path, no writing, not for everybody, and an owner who may read little.
select p.proname, format('Function %s reads with its owner''s rights, and %s.', p.oid::regprocedure,
         case when p.proconfig is null or not p.proconfig && array['search_path=public, pg_temp'] then 'has no fixed search_path'
              when p.provolatile = 'v' then 'may write'
              when r.rolsuper or r.rolbypassrls then format('belongs to %s, who passes row-level security', r.rolname)
              else 'everybody may call it' end)
from pg_proc p join pg_roles r on r.oid = p.proowner
where p.prosecdef and p.pronamespace = 'public'::regnamespace
  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  and (p.proconfig is null or not p.proconfig && array['search_path=public, pg_temp'] or p.provolatile = 'v'
    or r.rolsuper or r.rolbypassrls
    or exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) where grantee = 0));

-- name: beside_the_schema
-- Only the schema public is examined, so the application may open nothing in any other.
select o.subject, format('%s lies outside the schema public, where nothing is examined, and the application may %s it; revoke that.',
         o.subject, o.verb)
from (
  select c.oid::regclass::text, 'open', c.relnamespace from pg_class c
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and case when c.relkind = 'S' then has_sequence_privilege(:role, c.oid, 'select, usage, update')
      else has_any_column_privilege(:role, c.oid, 'select, insert, update') or has_table_privilege(:role, c.oid, 'delete, truncate') end
    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
  union all
  select p.oid::regprocedure::text, 'call', p.pronamespace from pg_proc p
  where p.prosecdef and has_function_privilege(:role, p.oid, 'execute')
    and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
) o (subject, verb, space) join pg_namespace n on n.oid = o.space
where n.nspname not in ('public', 'pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
  and has_schema_privilege(:role, n.oid, 'usage');

-- name: silent_effects
-- Triggers that write the audit: each is there, is on, at the events it is for, and writes.
select w.place, format('Trigger %s on %s is %s: what happens there leaves no audit row; create it anew as in schema/schema.sql.',
         w.name, w.place, case when t.oid is null then 'gone' when t.tgenabled not in ('O', 'A') then 'off' else 'not what it was' end)
from (values
  ('usage', 'audit_model_call', 'audit_model_call', 5), ('outbox', 'audit_send', 'audit_send', 17),
  ('conversations', 'audit_silence_from_the_start', 'audit_silence', 5), ('conversations', 'audit_silence', 'audit_silence', 17),
  ('tenants', 'audit_configuration', 'audit_configuration', 29), ('employees', 'audit_configuration', 'audit_configuration', 29),
  ('models', 'audit_configuration', 'audit_configuration', 29), ('channels', 'audit_configuration', 'audit_configuration', 29),
  ('api_tokens', 'audit_configuration', 'audit_configuration', 29), ('members', 'audit_configuration', 'audit_configuration', 29),
  ('subscriptions', 'audit_configuration', 'audit_configuration', 29),
  ('stripe_customers', 'audit_configuration', 'audit_configuration', 29),
  ('sessions', 'audit_login', 'audit_login', 5), ('sessions', 'audit_logout', 'audit_login', 9),
  ('api_tokens', 'audit_token_use', 'audit_token_use', 17), ('inbox', 'audit_dead_letter', 'audit_dead_letter', 17)
) w (place, name, writer, events)
  left join pg_trigger t on t.tgrelid = to_regclass('public.' || w.place) and t.tgname = w.name
  left join pg_proc p on p.oid = t.tgfoid
where t.oid is null or t.tgenabled not in ('O', 'A') or t.tgtype <> w.events or p.proname <> w.writer
  or p.prosrc !~ 'insert into audit_events';

-- name: changeable_audit
-- Triggers that keep the audit from being changed, in every table and every month of it.
select a.oid::regclass::text, format('Trigger %s on %s is gone or off: the audit could be changed there; create it anew as in schema/schema.sql.',
         w.name, a.oid::regclass)
from (
  select c.oid from pg_class c where c.relnamespace = 'public'::regnamespace
    and c.relname in ('audit_events', 'audit_seals', 'audit_checkpoints', 'audit_anchors', 'audit_keys')
  union all
  select i.inhrelid from pg_inherits i where i.inhparent in (to_regclass('public.audit_events'), to_regclass('public.audit_seals'))
) a (oid) cross join (values ('append_only', 27), ('append_only_whole', 34)) w (name, events)
where not exists (select from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgrelid = a.oid and t.tgname = w.name
  and t.tgenabled in ('O', 'A') and t.tgtype = w.events and p.proname = 'refuse_to_change_audit' and p.prosrc ~ 'raise exception');

-- name: read_sequences
-- A sequence that all tenants share tells how much the others do.
select c.relname, format('The application may read or move sequence %s, which all tenants share; revoke that.', c.relname)
from pg_class c where c.relnamespace = 'public'::regnamespace
  and case when c.relkind = 'S' then has_sequence_privilege(:role, c.oid, 'select, usage, update') end;

-- name: old_server
-- Before 16.10 and 17.6 statistics told of rows that row-level security hides (CVE-2025-8713).
select 'server', format('PostgreSQL %s lets statistics tell of hidden rows (CVE-2025-8713); 16.10, 17.6 or 18 is needed.',
         current_setting('server_version'))
from (select current_setting('server_version_num')::int as number) s
where number < 160010 or number between 170000 and 170005;
