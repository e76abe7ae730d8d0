-- Tenants subscribe through Stripe; what its events say is kept, and their service follows from all of them together.

-- A tenant's customer in Stripe. Whoever lets an event take effect locks the row: effects come one by one.
create table stripe_customers (
  tenant_id uuid primary key references tenants (id) on delete cascade,
  id text not null,                               -- Stripe's
  version bigint not null default 0,              -- grows with every effect
  suspends_at timestamptz,                        -- from then on no employee answers; null: service goes on
  told_at timestamptz                             -- the suspends_at of which operators were told
);
create index stripe_customers_for_lookup on stripe_customers (id); -- find_stripe_customer
create index stripe_customers_suspended on stripe_customers (suspends_at) where suspends_at is distinct from told_at;

create table subscriptions (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id text not null,                               -- Stripe's
  customer text not null,
  plan text,                                      -- null: its prices are those of no plan
  status text not null,                           -- Stripe's word, known to us or not
  started_at timestamptz not null,
  ended_at timestamptz,
  period_start_at timestamptz,
  period_end_at timestamptz,
  trial_ends_at timestamptz,
  cancels_at timestamptz,
  overdue_at timestamptz,                         -- since when, while it is
  suspends_at timestamptz,                        -- as far as this subscription goes
  observed_at timestamptz not null,               -- by Stripe's clock: the event that this is known from
  primary key (tenant_id, id)
);

-- Events that took effect, each once. What a subscription is follows from all of its snapshots, in Stripe's order.
create table stripe_events (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id text not null,
  type text not null,
  at bigint not null,                             -- Unix seconds, by Stripe's clock
  received_at timestamptz not null default now(),
  subscription text,
  rank int not null,                              -- among events of the same second
  place bigint not null,                          -- the customer's version then: orders what was fetched
  snapshot jsonb,                                 -- the subscription as the event shows it, in our words
  asked jsonb,                                    -- ... and as Stripe answered when it was asked because of the event
  primary key (tenant_id, id)
);
create index stripe_events_of_subscription on stripe_events (tenant_id, subscription) where coalesce(snapshot, asked) is not null;

do $$
declare v_table text;
begin
  foreach v_table in array array['stripe_customers', 'subscriptions', 'stripe_events'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
grant select, insert, update on stripe_customers, subscriptions to konstruct_app;
grant select, insert on stripe_events to konstruct_app;
grant select (tenant_id, id, suspends_at, told_at) on stripe_customers to konstruct_lookup;
create policy stripe_customers_lookup on stripe_customers for select to konstruct_lookup using (true);

-- Whose customer is it?
create function find_stripe_customer(p_customer text)
  returns uuid language sql stable security definer set search_path = public, pg_temp as $$
  select c.tenant_id from stripe_customers c where c.id = p_customer order by c.tenant_id limit 1;
$$;

-- Tenants whose service has ended since, and whose operators have not been told.
create function suspended_untold()
  returns table (tenant_id uuid) language sql stable security definer set search_path = public, pg_temp as $$
  select c.tenant_id from stripe_customers c
    where c.suspends_at <= now() and c.suspends_at is distinct from c.told_at limit 100;
$$;

-- Something to tell operators that no conversation said: in one of its own, where they are told.
create function tell_operators(p_tenant uuid, p_notice uuid, p_conversation uuid, p_shard int, p_text text,
                               p_channel text, p_address jsonb)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into conversations (tenant_id, id, shard, channel, address)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address) on conflict do nothing;
  perform queue_reply(p_tenant, p_notice, p_conversation, p_shard, p_notice, 1000, p_text, p_channel, p_address);
end $$;

do $$
declare v_function regprocedure;
begin
  grant create on schema public to konstruct_lookup;
  foreach v_function in array array['find_stripe_customer(text)', 'suspended_untold()']::regprocedure[] loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to konstruct_app', v_function);
    execute format('alter function %s owner to konstruct_lookup', v_function);
  end loop;
  revoke create on schema public from konstruct_lookup;
end $$;
