-- name: conversations_of_tenant
-- Conversations, the liveliest first, from a position on; `pattern` (of like) must be in something that was said.
-- Needs a tenant connection.
select id, channel, address, turns, created_at, active_at, paused_reason, paused_at, paused_until from (
  select c.id, c.channel, c.address, c.version as turns, c.created_at, coalesce(c.last_turn_at, c.created_at) as active_at,
    case when c.paused_until > now() then c.paused_reason end as paused_reason,
    case when c.paused_until > now() then c.paused_at end as paused_at,
    case when c.paused_until > now() then c.paused_until end as paused_until
  from conversations c
  where c.tenant_id = current_tenant() and (:channel::text is null or c.channel = :channel)
    and (not :only_paused or c.paused_until > now())
    and (:pattern::text is null or exists (select from messages m where m.tenant_id = current_tenant()
           and m.conversation_id = c.id and m.text ilike :pattern))) listed
where :at::timestamptz is null or (active_at, id) < (:at, :before_id)
order by active_at desc, id desc limit :limit;

-- name: conversation_of_tenant^
-- One conversation. Needs a tenant connection.
select c.id, c.channel, c.address, c.version as turns, c.created_at, coalesce(c.last_turn_at, c.created_at) as active_at,
  case when c.paused_until > now() then c.paused_reason end as paused_reason,
  case when c.paused_until > now() then c.paused_at end as paused_at,
  case when c.paused_until > now() then c.paused_until end as paused_until
from conversations c where c.tenant_id = current_tenant() and c.id = :conversation;

-- name: history
-- What was said in a conversation, newest first, before a message. Needs a tenant connection.
select m.id, m.turn_id, m.role, m.text, m.created_at, p.external_id as contact, coalesce(jsonb_array_length(m.files), 0) as files
from messages m left join contacts p on p.tenant_id = m.tenant_id and p.id = m.contact_id
where m.tenant_id = current_tenant() and m.conversation_id = :conversation and (:before_message::bigint is null or m.id < :before_message)
order by m.id desc limit :limit;
