-- A report of Stripe that cannot be fetched waits by itself.

alter table meter_reports add column due_at timestamptz not null default now(), add column error text;
