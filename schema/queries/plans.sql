-- name: plans
-- The plans that are offered, or were.
select name, monthly_fee_micros, unit, included, overage_micros, overage_per, event_name, fee_price, usage_price
from plans order by name;

-- name: keep_plan!
-- Add a plan; one of that name stays as it is.
insert into plans (name, monthly_fee_micros, unit, included, overage_micros, overage_per, event_name, fee_price, usage_price)
values (:name, :monthly_fee_micros, :unit, :included, :overage_micros, :overage_per, :event_name, :fee_price, :usage_price)
on conflict (name) do nothing;
