-- How often a reply was claimed says nothing of how often it failed after the channel took it.

alter table outbox add column failures int not null default 0;

create or replace function record_deliveries(p_tenants uuid[], p_replies uuid[], p_external_ids text[], p_deliveries text[],
                                  p_errors text[], p_again boolean[], p_closed boolean[])
  returns void language plpgsql as $$
declare
  v_tenant uuid;
  v_order text[] := array['sent', 'delivered', 'read', 'failed'];
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update outbox o set
        delivery = case when e.again and o.failures < 3 then null else e.delivery end,
        error = case when e.delivery = 'failed' then e.external_id || ': ' || coalesce(e.error, '') else o.error end,
        external_id = case when e.again and o.failures < 3 then null else coalesce(o.external_id, e.external_id) end,
        failures = o.failures + e.again::int,
        address = case when e.closed then o.address || '{"open_until": 0}' else o.address end,
        sent_at = case when o.state = 'pending' then now() else o.sent_at end,
        state = case when e.again and o.failures < 3 then 'pending' when e.delivery = 'failed' then 'dead' else 'sent' end
      from (select distinct on (r.id) r.id, u.external_id, u.delivery, u.error, u.again, u.closed
            from unnest(p_tenants, p_replies, p_external_ids, p_deliveries, p_errors, p_again, p_closed)
                 as u (tenant, reply, external_id, delivery, error, again, closed)
            join outbox r on r.tenant_id = v_tenant
              and r.id = coalesce(u.reply, (select x.id from outbox x where x.tenant_id = v_tenant
                                            and x.channel = 'whatsapp' and x.external_id = u.external_id limit 1))
            where u.tenant = v_tenant order by r.id, array_position(v_order, u.delivery) desc) e
      where o.tenant_id = v_tenant and o.id = e.id and o.state in ('pending', 'sent')
        and coalesce(array_position(v_order, o.delivery), 0) < array_position(v_order, e.delivery)
        and not (e.delivery = 'failed' and coalesce(o.delivery, '') in ('delivered', 'read'))
        and coalesce(o.external_id, e.external_id) = e.external_id
        and not starts_with(coalesce(o.error, ''), e.external_id || ': ');
  end loop;
end $$;
