-- name: find_channels
-- Candidates for the channel of an event: the team's own, or others of the app to check the signature with.
select tenant_id, kind, app, team, employee_id, account, secrets, options, installed_by,
  disconnected_at is not null as disconnected, extract(epoch from expires_at)::double precision as expires_at
from find_channels(:kind, :app, :team);

-- name: socket_channels
-- Every channel that asks for a connection of ours instead of webhooks.
select tenant_id, kind, app, team, employee_id, account, secrets, options, installed_by,
  disconnected_at is not null as disconnected, extract(epoch from expires_at)::double precision as expires_at
from socket_channels();

-- name: save_tenant!
-- Needs a tenant connection.
insert into tenants (id, name, quiet_seconds, escalation, operators)
values (current_tenant(), :name, :quiet_seconds, :escalation, :operators)
on conflict (id) do update set quiet_seconds = excluded.quiet_seconds, escalation = excluded.escalation,
  operators = excluded.operators;

-- name: save_limits!
-- Needs a tenant connection.
update tenants set limits = :limits where id = current_tenant();

-- name: save_employee!
-- Needs a tenant connection.
insert into employees (tenant_id, id, name, instructions, model, fallback_model, options)
values (current_tenant(), :id, :name, :instructions, :model, :fallback_model, :options)
on conflict (tenant_id, id) do update set instructions = excluded.instructions, model = excluded.model,
  fallback_model = excluded.fallback_model, options = excluded.options;

-- name: save_model!
-- Needs a tenant connection.
insert into models (tenant_id, name, litellm, api_base, api_key, vision, transcription, price, max_answer_tokens)
values (current_tenant(), :name, :litellm, :api_base, :api_key, :vision, :transcription, :price, :max_answer_tokens)
on conflict (tenant_id, name) do update set litellm = excluded.litellm, api_base = excluded.api_base,
  api_key = excluded.api_key, vision = excluded.vision, transcription = excluded.transcription,
  price = excluded.price, max_answer_tokens = excluded.max_answer_tokens;

-- name: drop_other_models!
-- Models that the tenant file no longer names. Needs a tenant connection.
delete from models where tenant_id = current_tenant() and name <> all (:names);

-- name: save_channel!
-- Needs a tenant connection.
insert into channels (tenant_id, kind, app, team, employee_id, account, secrets, options)
values (current_tenant(), :kind, :app, :team, :employee, :account, :secrets, :options)
on conflict (tenant_id, kind, app, team) do update set employee_id = excluded.employee_id, account = excluded.account,
  secrets = excluded.secrets, options = excluded.options, installed_by = 'file', installed_at = now(),
  disconnected_at = null, expires_at = null;

-- name: adopt_channels!
-- Channels that no file names work with the employee of today. Needs a tenant connection.
update channels set employee_id = :employee
where tenant_id = current_tenant() and installed_by <> 'file' and employee_id <> :employee;

-- name: drop_other_channels!
-- Channels that the tenant file no longer names. Needs a tenant connection.
delete from channels where tenant_id = current_tenant() and installed_by = 'file' and kind || '/' || app || '/' || team <> all (:keys);

-- name: drop_other_employees!
-- Employees that no channel needs any more. Needs a tenant connection.
delete from employees where tenant_id = current_tenant() and id <> all (:ids);

-- name: tenant^
-- Needs a tenant connection.
select name, quiet_seconds, escalation, operators, limits, budgets,
  coalesce((select c.suspends_at <= now() from stripe_customers c where c.tenant_id = t.id), false) as suspended
from tenants t where t.id = current_tenant();

-- name: employees
-- Needs a tenant connection.
select id, name, instructions, model, fallback_model, options from employees where tenant_id = current_tenant();

-- name: models
-- Needs a tenant connection.
select name, litellm, api_base, api_key, vision, transcription, price, max_answer_tokens from models where tenant_id = current_tenant();

-- name: channels
-- Needs a tenant connection.
select kind, app, team, employee_id, account, secrets, options, installed_by,
  disconnected_at is not null as disconnected, extract(epoch from expires_at)::double precision as expires_at
from channels where tenant_id = current_tenant() order by kind, app, team;

-- name: has_hosted_models$
-- Whether any tenant uses a model through LiteLLM.
select has_hosted_models();

-- name: lock_tenant!
-- Whoever changes the tenant's configuration next waits until we are done. Needs a tenant connection.
select from tenants where id = current_tenant() for update;

-- name: drop_model$
-- Needs a tenant connection.
delete from models where tenant_id = current_tenant() and name = :name returning true;

-- name: drop_channel$
-- Needs a tenant connection.
delete from channels where tenant_id = current_tenant() and kind = :kind and app = :app and team = :team returning true;
