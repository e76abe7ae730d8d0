-- name: reserve_budget^
-- Before a model is asked: hold the first of the choices that fits into every budget.
select chosen, scope, unit, held from reserve_budget(:tenant, :conversation, :employee, :turn, :choices, :hold);

-- name: save_budgets!
-- Needs a tenant connection.
update tenants set budgets = :budgets where id = current_tenant();

-- name: count_unreserved!
-- What was spent before there was a budget counts. Needs a tenant connection.
select count_unreserved(current_tenant());

-- name: spending
-- What was spent and is reserved this month, of the tenant and its employees. Needs a tenant connection.
select s.scope, s.subject_id, e.name, this_month() as month, s.reserved_micros, s.reserved_tokens,
  case when s.month = this_month() then s.spent_micros else 0 end as spent_micros,
  case when s.month = this_month() then s.spent_tokens else 0 end as spent_tokens
from spending s left join employees e on e.tenant_id = s.tenant_id and e.id = s.subject_id
where s.tenant_id = current_tenant() and (s.subject_id = s.tenant_id or e.id is not null) order by s.scope desc, e.name;

-- name: spending_of_conversations
-- The conversations that spent most this month, the first of them. Needs a tenant connection.
select scope, subject_id, null::text as name, spent_micros, spent_tokens, reserved_micros, reserved_tokens from spending
where tenant_id = current_tenant() and scope = 'conversation' and month = this_month()
order by spent_micros desc, spent_tokens desc, subject_id limit :limit;

-- name: budget_alerts
-- Budgets that were half, four fifths or wholly used, newest first. Needs a tenant connection.
select scope, subject_id, month, unit, percent, budget, spent, raised_at from budget_alerts
where tenant_id = current_tenant()
order by raised_at desc, percent desc, subject_id, unit, budget desc limit :limit offset :offset;
