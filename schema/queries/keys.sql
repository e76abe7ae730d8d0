-- name: ciphertexts
-- Everything of a tenant that the vault encrypted. Needs a tenant connection.
select 'model' as kind, '' as app, name as place, api_key as ciphertext from models
where tenant_id = current_tenant() and api_key is not null
union all
select kind, app, team, secrets from channels where tenant_id = current_tenant()
union all
select 'answer', actor, key, answer from idempotency_keys
where tenant_id = current_tenant() and created_at > now() - interval '24 hours'
order by 1, 2, 3;

-- name: rotate_model$
-- A model's key under another master key, unless another was set meanwhile. Needs a tenant connection.
update models set api_key = :api_key where tenant_id = current_tenant() and name = :name and api_key = :before
returning true;

-- name: rotate_channel$
-- A channel's secrets under another master key, unless others were stored meanwhile. Needs a tenant connection.
update channels set secrets = :secrets
where tenant_id = current_tenant() and kind = :kind and app = :app and team = :team and secrets = :before
returning true;

-- name: rotate_answer$
-- A kept answer under another master key. Needs a tenant connection.
update idempotency_keys set answer = :answer
where tenant_id = current_tenant() and actor = :actor and key = :key and answer = :before
returning true;
