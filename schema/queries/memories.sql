-- name: has_memories$
-- Whether these contacts have memories that the window does not hold.
select has_memories(:tenant, :contacts, :private, :conversation, :window_start);

-- name: recall
-- The nearest memories of these contacts outside the window, nearest first.
select recall_memories(:tenant, :contacts, :private, :conversation, :window_start, :query, :limit) as text;

-- name: waiting_memories
-- Memory jobs of a host that are still to be done.
select tenant_id, turn_id, contact_id from waiting_memories(:host, :older_than);

-- name: memory_text$
-- The text of one memory. Needs a tenant connection.
select text from memories where tenant_id = current_tenant() and turn_id = :turn and contact_id = :contact;

-- name: store_embeddings$
-- Memory jobs done, several tenants in one commit.
select store_embeddings(:tenants, :turns, :contacts, :embeddings);
