-- Operators offer plans.

-- What an operator offers; a plan never changes. Usage is counted in its unit and told to Stripe's meter of that name.
create table plans (
  name text primary key,
  monthly_fee_micros bigint not null check (monthly_fee_micros >= 0),
  unit text not null check (unit in ('micros', 'tokens', 'replies')),
  included bigint not null check (included >= 0),
  overage_micros bigint not null check (overage_micros >= 0),
  overage_per bigint not null check (overage_per > 0),
  event_name text not null,
  fee_price text not null,                        -- Stripe's ids
  usage_price text not null
);

grant select, insert on plans to konstruct_app;
