-- name: usage_of_tenant
-- What model calls cost from a day to a day (UTC), by whatever :by names. Needs a tenant connection.
select case when 'day' = any (:by) then (u.created_at at time zone 'utc')::date end as day,
  case when 'employee' = any (:by) then u.employee_id end as employee_id,
  case when 'employee' = any (:by) then e.name end as employee,
  case when 'model' = any (:by) then u.model end as model,
  case when 'provider' = any (:by) then u.provider end as provider,
  case when 'channel' = any (:by) then coalesce(u.channel, c.channel) end as channel,
  count(*) as turns, sum(u.calls)::bigint as calls, sum(u.prompt_tokens)::bigint as prompt_tokens,
  sum(u.cached_tokens)::bigint as cached_tokens, sum(u.completion_tokens)::bigint as completion_tokens,
  sum(u.cost_micros)::bigint as cost_micros
from usage u join conversations c on c.tenant_id = u.tenant_id and c.id = u.conversation_id
left join employees e on e.tenant_id = u.tenant_id and e.id = u.employee_id
where u.tenant_id = current_tenant() and u.created_at >= :first_day::date::timestamp at time zone 'utc'
  and u.created_at < (:last_day::date + 1)::timestamp at time zone 'utc'
group by 1, 2, 3, 4, 5, 6
order by 1, 3, 4, 5, 6, 2 limit :limit offset :offset;
