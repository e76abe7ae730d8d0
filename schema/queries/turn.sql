-- name: hear
-- C1: make messages durable; answers place, id and epoch of those that were new.
select place, id, epoch from hear(:tenants, :channels, :events, :conversations, :shards, :bodies);

-- name: activate^
-- Everything a host needs to take up a conversation.
select version, said, contacts, waiting, replies from activate(:tenant, :conversation, :window);

-- name: commit_turn$
-- C2: one turn, all or nothing, under the fence.
select commit_turn(:tenant, :conversation, :shard, :epoch, :version, :turn, :inbox, :channel, :address, :contacts,
                   :said, :memories, :replies, :usage, :claim_seconds);

-- name: open_reply$
-- A streaming answer is about to become visible.
select open_reply(:tenant, :conversation, :shard, :epoch, :turn, :reply, :channel, :address, :claim_seconds);

-- name: count_attempt
-- A message whose turn crashed counts the crash; at the limit it becomes a dead letter.
select id, state, attempts from count_attempt(:tenant, :inbox, :shard, :epoch, :limit, :error);

-- name: record_malformed!
-- A signed event that cannot be read, kept for the operator.
insert into malformed_events (channel, reason, body) values (:channel, :reason, :body);
