-- What WhatsApp charges for messages is kept, priced by the operator's own list.

-- What WhatsApp charges for messages, one row for each, priced once. The id is made of Meta's, which would show a phone
-- number: nothing here names a person, and it outlives the conversation.
create table message_charges (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  turn_id uuid,                                   -- null: no reply of ours
  category text not null,                         -- '' = Meta has not told it
  country text not null,                          -- '' = no id of the recipient shows one
  delivered boolean not null,                     -- nothing is charged for what was only sent
  billable boolean not null,
  cost_micros bigint,                             -- null: not delivered yet, or of no known category
  price_version text not null default '',         -- '' = the operator's list had no price for it: it counts as zero
  created_at timestamptz not null,                -- of the reply; else when Meta first told of it
  primary key (tenant_id, id)
);
create index message_charges_by_day on message_charges (tenant_id, created_at);

-- The operator's list of prices; a version never changes.
create table message_prices (
  version text not null,
  category text not null,
  country text not null,                          -- ISO code, or * for all others
  price_micros bigint not null check (price_micros >= 0),
  valid_from timestamptz not null,
  primary key (version, category, country)
);
create index message_prices_by_age on message_prices (valid_from);

alter table message_charges enable row level security;
alter table message_charges force row level security;
create policy message_charges_by_tenant on message_charges using (tenant_id = (select current_tenant()))
  with check (tenant_id = (select current_tenant()));
grant select, insert, update on message_charges to konstruct_app;
grant select, insert on message_prices to konstruct_app;

-- Money ---------------------------------------------------------------------------------------------------------

-- What a message cost then, by the version of the list that was valid; no row where the list has no price for it.
create function message_price(p_category text, p_country text, p_at timestamptz)
  returns table (version text, micros bigint) language sql stable as $$
  select p.version, p.price_micros from message_prices p
  where p.valid_from = (select max(v.valid_from) from message_prices v where v.valid_from <= p_at)
    and p.category = p_category and p.country in (p_country, '*')
  order by p.country = '*', p.version desc limit 1;
$$;

-- Add a version of the price list: added, known, or different from the one of that name.
create function keep_prices(p_version text, p_valid_from timestamptz, p_categories text[], p_countries text[],
                            p_prices bigint[]) returns text language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('message_prices', 9));
  if not exists (select from message_prices where version = p_version) then
    insert into message_prices (version, category, country, price_micros, valid_from)
      select p_version, e.category, e.country, e.price, p_valid_from
      from unnest(p_categories, p_countries, p_prices) as e (category, country, price);
    return 'added';
  end if;
  if exists (
      (select category, country, price_micros, valid_from from message_prices where version = p_version
       except all select e.category, e.country, e.price, p_valid_from
                  from unnest(p_categories, p_countries, p_prices) as e (category, country, price))
      union all
      (select e.category, e.country, e.price, p_valid_from
       from unnest(p_categories, p_countries, p_prices) as e (category, country, price)
       except all select category, country, price_micros, valid_from from message_prices where version = p_version))
  then
    return 'different';
  end if;
  return 'known';
end $$;

-- What a channel tells of the price of messages, several tenants in one commit, in any order and multiplicity. A charge
-- is priced once, by the prices of the day of the reply, and stays as it is from then on.
create function record_charges(p_tenants uuid[], p_charges uuid[], p_replies uuid[], p_external_ids text[],
                               p_delivered boolean[], p_categories text[], p_countries text[], p_billable boolean[],
                               p_ats timestamptz[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    insert into message_charges as c (tenant_id, id, turn_id, category, country, delivered, billable, created_at)
      select v_tenant, e.id, (array_agg(o.turn_id) filter (where o.turn_id is not null))[1], max(e.category),
             max(e.country), bool_or(e.delivered), bool_and(e.billable), coalesce(min(o.created_at), min(e.at))
      from unnest(p_tenants, p_charges, p_replies, p_external_ids, p_delivered, p_categories, p_countries, p_billable,
                  p_ats) as e (tenant, id, reply, external_id, delivered, category, country, billable, at)
      left join outbox o on o.tenant_id = v_tenant and o.id = coalesce(e.reply,
        (select x.id from outbox x where x.tenant_id = v_tenant and x.external_id = e.external_id limit 1))
      where e.tenant = v_tenant group by e.id order by e.id
      on conflict (tenant_id, id) do update set
        turn_id = coalesce(c.turn_id, excluded.turn_id),
        category = case c.category when '' then excluded.category else c.category end,
        country = case c.country when '' then excluded.country else c.country end,
        delivered = c.delivered or excluded.delivered,
        billable = c.billable and excluded.billable,
        created_at = least(c.created_at, excluded.created_at)
      where c.cost_micros is null;
    update message_charges c set
        cost_micros = case when c.billable then coalesce(p.micros, 0) else 0 end,
        price_version = case when c.billable then coalesce(p.version, '') else 'free' end
      from message_charges k left join message_price(k.category, k.country, k.created_at) p on true
      where k.tenant_id = v_tenant and k.id = any (p_charges) and k.cost_micros is null and k.delivered
        and k.category <> '' and c.tenant_id = v_tenant and c.id = k.id;
  end loop;
end $$;
