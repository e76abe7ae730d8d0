-- What Stripe's events make of subscriptions is audited.

create trigger audit_configuration after insert or update or delete on subscriptions for each row
  execute function audit_configuration('subscription', 'id', 'observed_at period_start_at period_end_at');
create trigger audit_configuration after insert or update or delete on stripe_customers for each row
  execute function audit_configuration('stripe_customer', 'id', 'version told_at');
