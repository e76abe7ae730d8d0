-- name: take_shards
-- A starting host takes its shards and learns their new epochs, and since when nobody crashed in them.
select shard, epoch, calm_epoch from take_shards(:host, :shards, :there);

-- name: leave_shards!
-- A host gives shards up in order.
select leave_shards(:shards, :epochs);

-- name: leave_all_shards!
-- All hosts were ended on purpose.
update shards set host = null;

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
