-- name: files_of_contact
-- Digests of kept files that came from this person and from nobody else.
select files_of_contact as digest from files_of_contact(:tenant, :channel, :contact_name);

-- name: erase_contact$
-- Forget a person; answers for how many seconds a reply may still be on its way.
select erase_contact(:tenant, :channel, :contact_name);

-- name: forget_unsent!
-- Replies that were shown in the web chat after the outbox forgot them. Needs a tenant connection.
delete from web_messages w where w.tenant_id = current_tenant() and w.role = 'employee'
  and w.created_at > now() - interval '5 minutes'
  and not exists (select from outbox o where o.tenant_id = current_tenant() and o.id = w.id);

-- name: erase_tenant$
-- Forget a tenant; answers as erase_contact does, null where there is none.
select erase_tenant(:tenant);

-- name: rows_of_contact
-- Everything about one person, by table.
select place, content from rows_of_contact(:tenant, :channel, :contact_name);

-- name: tables_of_tenants
-- The tables in which a tenant may have rows.
select tables_of_tenants as name from tables_of_tenants();

-- name: rows_of_tenant
-- A tenant's rows of one table.
select rows_of_tenant as content from rows_of_tenant(:tenant, :table_name);

-- name: drop_tombstones!
-- Of a tenant that was none but a canary. Needs a tenant connection.
delete from tombstones where tenant_id = current_tenant();

-- name: forget_tombstones!
-- Nothing comes that late any more. Needs a tenant connection.
delete from tombstones where tenant_id = current_tenant() and erased_at < now() - interval '8 days';
