-- name: resolve_contact^
-- The contacts that these names belong to, the one that stays first; a stranger becomes one. And where they are now.
select f.contacts, written_to(:tenant, :channel, f.contacts, :recipient) as recipient
from resolve_contact(:tenant, :channel, :aliases, :said_at) as f (contacts);

-- name: move_contact$
-- A person has other names from now on; answers as resolve_contact does.
select move_contact(:tenant, :channel, :before, :after, :recipient, :moved_at);

-- name: merge_contact$
-- Two contacts are one person: history, memories and what waits go to the one that stays.
select merge_contact(:tenant, :channel, :old_name, :name, :old_contact, :contact, :old_conversation, :conversation,
                     :shard, :address);

-- name: teams_of_channel
-- Where else the tenant may have met a contact. Needs a tenant connection.
select team from channels where tenant_id = current_tenant() and kind = :kind order by team;

-- name: conversations_begun
-- Which of these conversations there are, or will be once what waits is answered. Needs a tenant connection.
select id from conversations where tenant_id = current_tenant() and id = any (:ids)
union
select conversation_id from inbox where tenant_id = current_tenant() and conversation_id = any (:ids) and state = 'waiting';

-- name: own_words
-- What the employee said in this message, and what it is about to say in this conversation: the channel may already show
-- that under an id which is not on record yet. Needs a tenant connection.
select external_id, text from outbox where tenant_id = current_tenant() and external_id = :external_id
union all
select external_id, text from outbox
where tenant_id = current_tenant() and conversation_id = :conversation and state = 'pending';

-- name: has_verify_token$
-- Whether some channel of this kind was set up with this verify token.
select has_verify_token(:kind, :digest);

-- name: quoted_reply$
-- What the employee said in the message that a contact replies to. Needs a tenant connection.
select text from outbox where tenant_id = current_tenant() and external_id = :external_id limit 1;
