-- name: take_shards
-- A starting host takes its shards and learns their new epochs.
select shard, epoch from take_shards(:host, :shards);

-- name: owned_shards
-- The shards that the database says belong to this host, with their epochs.
select shard, epoch from shards where host = :host;

-- name: waiting_conversations
-- Conversations of a host with something left to do.
select tenant_id, conversation_id, shard from waiting_conversations(:host, :older_than);

-- name: hosting^
-- How many hosts there are and should be.
select generation, hosts, wanted_hosts from hosting;

-- name: want_hosts!
-- Ask the Supervisor for another number of hosts.
update hosting set wanted_hosts = :hosts;

-- name: set_hosts$
-- The mapping of shards to hosts changed.
update hosting set hosts = :hosts, generation = generation + 1 returning generation;
