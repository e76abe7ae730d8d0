-- name: recognise_api_token^
-- Whose token this is, unless it has expired. Needs a tenant connection.
with used as (
  update api_tokens set last_used_at = now()
  where tenant_id = current_tenant() and sha256 = :digested and expires_at > now()
    and coalesce(last_used_at, '-infinity') < now() - interval '5 minutes')
select id, name, role from api_tokens
where tenant_id = current_tenant() and sha256 = :digested and expires_at > now();

-- name: save_api_token^
-- A new token, answered as it is listed. Needs a tenant connection.
insert into api_tokens (tenant_id, id, sha256, name, role, created_by, expires_at)
values (current_tenant(), :id, :digested, :name, :role, :created_by, now() + make_interval(days => :days))
returning id, name, role, created_by, created_at, expires_at, last_used_at;

-- name: api_tokens
-- The tenant's tokens, expired ones too, newest first. Needs a tenant connection.
select id, name, role, created_by, created_at, expires_at, last_used_at from api_tokens
where tenant_id = current_tenant() order by created_at desc, id;

-- name: revoke_api_token$
-- A token is good for nothing from now on. Needs a tenant connection.
delete from api_tokens where tenant_id = current_tenant() and id = :id returning true;

-- name: lock_idempotency_key!
-- One request at a time with this key. Needs a tenant connection.
select pg_advisory_xact_lock(hashtextextended(current_tenant()::text || :actor || ' ' || :key, 9));

-- name: idempotent_answer^
-- What was answered to this key. Needs a tenant connection.
select request, answer from idempotency_keys
where tenant_id = current_tenant() and actor = :actor and key = :key and created_at > now() - interval '24 hours';

-- name: answered_long_ago
-- Tenants with keys that are over a day old.
select answered_long_ago as tenant from answered_long_ago();

-- name: forget_idempotency_keys!
-- Keys that are over a day old. Needs a tenant connection.
delete from idempotency_keys where tenant_id = current_tenant() and created_at <= now() - interval '24 hours';

-- name: save_idempotent_answer!
-- What is answered to this key from now on. Needs a tenant connection.
insert into idempotency_keys (tenant_id, actor, key, request, answer)
values (current_tenant(), :actor, :key, :request, :answer);

-- name: dead_letters_of_tenant
-- What was set aside in one tenant, newest first, from a position on. Needs a tenant connection.
select kind, id, conversation_id, channel, error, attempts, at from (
  select 'message' as kind, id::text, conversation_id, channel, error, attempts, received_at as at
  from inbox where tenant_id = current_tenant() and state = 'dead'
  union all
  select 'reply', id::text, conversation_id, channel, error, attempts, created_at
  from outbox where tenant_id = current_tenant() and state = 'dead') dead
where :at::timestamptz is null or (at, kind, id) < (:at, :kind, :position)
order by at desc, kind desc, id desc limit :limit;

-- name: dead_message^
-- Where a dead message belongs. Needs a tenant connection.
select conversation_id from inbox where tenant_id = current_tenant() and id = :inbox_id and state = 'dead';

-- name: retry_message$
-- A dead message is tried again; false where it is none.
select retry_message(:tenant, :inbox_id, :turn);

-- name: retry_reply$
-- A refused reply is sent again; false where it is none.
select retry_reply(:tenant, :reply, :again_as);

-- name: discard_message$
-- A dead message will not be answered. Needs a tenant connection.
update inbox set state = 'suppressed', body = '{}'
where tenant_id = current_tenant() and id = :inbox_id and state = 'dead' returning true;

-- name: discard_reply$
-- A refused reply will not be sent. Needs a tenant connection.
update outbox set state = 'cancelled' where tenant_id = current_tenant() and id = :reply and state = 'dead' returning true;
