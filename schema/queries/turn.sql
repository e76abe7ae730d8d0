-- name: hear
-- C1: make messages durable; answers place, id and epoch of those that were new, and places of a tenant that is gone.
select place, id, epoch from hear(:tenants, :channels, :events, :conversations, :shards, :only_known, :bodies);

-- name: activate^
-- Everything a host needs to take up a conversation.
select version, counters, paused_seconds, said, contacts, waiting, replies
from activate(:tenant, :conversation, :window);

-- name: commit_turn$
-- C2: one turn, all or nothing, under the fence; answers the shares of budgets that it reached.
select commit_turn(:tenant, :conversation, :shard, :epoch, :version, :turn, :inbox, :outcome, :channel, :address,
                   :counters, :pause, :contacts, :said, :memories, :replies, :usage, :claim_seconds, :budget);

-- name: amend_message$
-- An edit or a deletion: inbox, history and memory say so from now on; answers where the message was found.
select amend_message(:tenant, :conversation, :shard, :epoch, :inbox, :target, :text, :form, :chars);

-- name: amended_in_vain
-- Tenants that keep edits and deletions of messages that will not come any more.
select amended_in_vain as tenant from amended_in_vain();

-- name: forget_early!
-- These are of no use any more. Needs a tenant connection.
delete from amended_early where tenant_id = current_tenant() and at < now() - interval '8 days';

-- name: pause_conversation$
-- The employee is silent from now on; answers whether there is such a conversation.
select pause_conversation(:tenant, :conversation, :reason, :pause_seconds);

-- name: resume_conversation$
-- The employee speaks again; answers whether there is such a conversation.
select resume_conversation(:tenant, :conversation);

-- name: open_reply$
-- A streaming answer is about to become visible.
select open_reply(:tenant, :conversation, :shard, :epoch, :version, :turn, :reply, :channel, :address, :source_id,
                  :claim_seconds);

-- name: count_attempt
-- A message whose turn crashed counts the crash; at the limit it becomes a dead letter.
select id, state, attempts from count_attempt(:tenant, :inbox, :shard, :epoch, :limit, :error);

-- name: record_malformed!
-- A signed event that cannot be read, kept for the operator.
insert into malformed_events (channel, reason, body) values (:channel, :reason, :body);

-- name: forget_malformed$
-- Those that are older than eight days.
select forget_malformed();

-- name: note_file!
-- A file of a message that waits is about to be kept.
select note_file(:tenant, :inbox, :shard, :epoch, :digest);

-- name: files_of_message
-- Digests of files kept, or about to be, that came with this message and no other; of an erasure ("" as target), those
-- that it takes along. Needs a tenant connection.
with kept (digest, conversation_id, source_id) as (
  select jsonb_array_elements_text(files), conversation_id, source_id from messages
  where tenant_id = current_tenant() and files is not null
  union all select jsonb_array_elements_text(body -> 'files'), conversation_id, body ->> 'source_id' from inbox
  where tenant_id = current_tenant() and state = 'waiting' and body ? 'files'
    and (conversation_id = :conversation or coalesce(body ->> 'kind', '') <> 'delete')
  union all select jsonb_array_elements_text(body -> 'files'), conversation_id, body ->> 'source_id' from inbox
  where tenant_id = current_tenant() and state = 'dead' and body ? 'files')
select digest from kept group by digest having bool_and(conversation_id = :conversation and source_id = :target);
