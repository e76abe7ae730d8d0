-- name: usage_of_tenant
-- What model calls cost from a day to a day (UTC), by whatever :by names. Where a turn asked several models, each has its own
-- calls, and the turn is its model's. Needs a tenant connection.
select case when 'day' = any (:by) then (u.created_at at time zone 'utc')::date end as day,
  case when 'employee' = any (:by) then u.employee_id end as employee_id,
  case when 'employee' = any (:by) then e.name end as employee,
  case when 'model' = any (:by) then p.model end as model,
  case when 'provider' = any (:by) then p.provider end as provider,
  case when 'channel' = any (:by) then coalesce(u.channel, c.channel) end as channel,
  sum(p.turns)::bigint as turns, sum(p.calls)::bigint as calls, sum(p.prompt_tokens)::bigint as prompt_tokens,
  sum(p.cached_tokens)::bigint as cached_tokens, sum(p.completion_tokens)::bigint as completion_tokens,
  sum(p.cost_micros)::bigint as cost_micros
from usage u join conversations c on c.tenant_id = u.tenant_id and c.id = u.conversation_id
left join employees e on e.tenant_id = u.tenant_id and e.id = u.employee_id
cross join lateral (
  select u.model, u.provider, 1 as turns, 0 as calls, 0 as prompt_tokens, 0 as cached_tokens, 0 as completion_tokens,
    0 as cost_micros
  union all
  select u.model, u.provider, 0, u.calls, u.prompt_tokens, u.cached_tokens, u.completion_tokens, u.cost_micros
  where nullif(u.each_call, 'null') is null
  union all
  -- A turn is rounded up once; what that adds is the call's at which it happens.
  select a.call ->> 'model', a.call ->> 'provider', 0, 1, (a.call ->> 'prompt_tokens')::int,
    coalesce((a.call ->> 'cached_tokens')::int, 0), (a.call ->> 'completion_tokens')::int,
    ceil(sum((a.call ->> 'picos')::numeric) over sofar / 1000000)
      - ceil((sum((a.call ->> 'picos')::numeric) over sofar - (a.call ->> 'picos')::numeric) / 1000000)
  from jsonb_array_elements(nullif(u.each_call, 'null')) with ordinality a (call, nth) window sofar as (order by a.nth)) p
where u.tenant_id = current_tenant() and u.created_at >= :first_day::date::timestamp at time zone 'utc'
  and u.created_at < (:last_day::date + 1)::timestamp at time zone 'utc'
group by 1, 2, 3, 4, 5, 6
order by 1, 3, 4, 5, 6, 2 limit :limit offset :offset;

-- name: models_asked_in_vain
-- Models that turns of the last hour asked without getting their answer, and how many turns asked them at all. A turn
-- that says nothing was given up: an operator answers. Needs a tenant connection.
select a.model, count(distinct a.turn_id) as turns, count(distinct a.turn_id) filter (where a.in_vain) as in_vain
from (
  select u.turn_id, p.model, p.model <> u.model or not u.answered and exists (
      select from outbox o where o.tenant_id = u.tenant_id and o.conversation_id = u.conversation_id
        and o.turn_id = u.turn_id and o.part = 0) as in_vain
  from usage u cross join lateral (
    select u.model where nullif(u.each_call, 'null') is null and u.calls > 0
    union select a.call ->> 'model' from jsonb_array_elements(nullif(u.each_call, 'null')) a (call)) p (model)
  where u.tenant_id = current_tenant() and u.created_at > now() - interval '1 hour') a
group by a.model having bool_or(a.in_vain) order by a.model;
