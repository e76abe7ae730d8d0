-- name: claim_reply$
-- Seconds to wait before this reply may be sent there; 0 = claimed, null = nothing left to send.
select claim_reply(:tenant, :reply, :shard, :epoch, :claim_seconds, :recipient);

-- name: record_external_id$
-- The platform's id of a streaming reply; false where nobody wants it any more.
select record_external_id(:tenant, :reply, :epoch, :external_id);

-- name: mark_sent$
-- C3: replies that are out, or that the channel refused.
select mark_sent(:tenants, :replies, :epochs, :external_ids, :errors);

-- name: queue_reply$
-- Something to tell that no turn said; a repeated id changes nothing.
select queue_reply(:tenant, :reply, :conversation, :shard, :turn, :part, :text, :channel, :address);

-- name: record_deliveries$
-- What the channel reports of replies; never backwards.
select record_deliveries(:tenants, :replies, :external_ids, :deliveries, :errors, :again, :closed);
