-- name: count_place^
-- The conversations of one place, those paused, and the messages that wait there. Needs a tenant connection.
select count(*)::int as conversations, count(*) filter (where c.paused_until > now())::int as paused,
  coalesce(sum((select count(*) from inbox i where i.tenant_id = c.tenant_id and i.conversation_id = c.id
                  and i.state = 'waiting')), 0)::int as waiting
from conversations c
where c.tenant_id = current_tenant() and c.channel = :channel and c.address ->> 'channel' = :place;

-- name: pause_place$
-- Pause the conversations of one place. Needs a tenant connection.
select count(*) filter (where pause_conversation(tenant_id, id, :reason, :seconds))::int from conversations
where tenant_id = current_tenant() and channel = :channel and address ->> 'channel' = :place;

-- name: resume_place$
-- Resume the conversations of one place. Needs a tenant connection.
select count(*) filter (where resume_conversation(tenant_id, id))::int from conversations
where tenant_id = current_tenant() and channel = :channel and address ->> 'channel' = :place and paused_until > now();

-- name: message_place^
-- The conversation of a message that somebody said (its event) or the employee wrote (its external id).
-- Needs a tenant connection.
select c.id, c.address from conversations c
where c.tenant_id = current_tenant() and c.channel = :channel and c.id in (
  select conversation_id from inbox where tenant_id = current_tenant() and channel = :channel and event = :event
  union all
  select conversation_id from outbox where tenant_id = current_tenant() and channel = :channel
    and external_id = :external_id and address ->> 'channel' = :place)
limit 1;
