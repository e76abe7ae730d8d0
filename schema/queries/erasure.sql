-- name: files_of_contact
-- Digests of kept files that came from this person and from nobody else.
select files_of_contact as digest from files_of_contact(:tenant, :channel, :contact_name);

-- name: is_known$
-- Whether rows_of_contact would give any row; those of other tables come with these. Needs a tenant connection.
with named as materialized (select names_of_contact(current_tenant(), :channel, :contact_name) as names)
select exists (select from named n, contacts k
    where k.tenant_id = current_tenant() and k.channel = :channel and k.external_id = any (n.names))
  or exists (select from named n, contact_aliases a
    where a.tenant_id = current_tenant() and a.channel = :channel and a.contact = n.names[1])
  or exists (select from named n, conversations c
    where c.tenant_id = current_tenant() and c.channel = :channel and c.address ->> 'channel' = any (n.names)
      and (c.address ->> 'private')::boolean)
  or exists (select from named n, inbox i
    where i.tenant_id = current_tenant() and i.channel = :channel and i.body ->> 'contact' = any (n.names));

-- name: begin_erasure$
-- A person is about to be forgotten: what they said and is delivered again stays outside from now on.
select begin_erasure(:tenant, :channel, :contact_name);

-- name: forget_conversations^
-- Some of a person's conversations, without keeping webhooks waiting; answers how many, and what erase_contact answers.
select forgotten, seconds from forget_conversations(:tenant, :channel, :contact_name, :limit);

-- name: erase_contact$
-- Forget a person; answers for how many seconds a reply may still be on its way.
select erase_contact(:tenant, :channel, :contact_name);

-- name: forget_unsent!
-- Replies that were shown in the web chat after the outbox forgot them. Needs a tenant connection.
delete from web_messages w where w.tenant_id = current_tenant() and w.role = 'employee'
  and w.created_at > now() - interval '5 minutes'
  and not exists (select from outbox o where o.tenant_id = current_tenant() and o.id = w.id);

-- name: close_tenant$
-- Nothing is heard, answered or sent for a tenant any more; answers as erase_contact does, null where there is none.
select close_tenant(:tenant);

-- name: thin_tenant$
-- Some rows of a tenant that is closed; answers how many.
select thin_tenant(:tenant, :limit);

-- name: drop_tenant!
-- The tenant itself, with what is left of it. Needs a tenant connection.
delete from tenants where id = current_tenant();

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
-- Nothing comes that late any more; but a tenant stays closed. Needs a tenant connection.
delete from tombstones where tenant_id = current_tenant() and erased_at < now() - interval '8 days'
  and digest <> tombstone_of(tenant_id, '', '');
