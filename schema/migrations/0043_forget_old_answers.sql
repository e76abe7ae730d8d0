-- What the operators' API answered is forgotten after a day, also where nobody writes again.

-- Tenants with answers that are kept no longer.
create function answered_long_ago()
  returns setof uuid language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from idempotency_keys where created_at <= now() - interval ''24 hours''';

revoke execute on function answered_long_ago() from public;
grant execute on function answered_long_ago() to konstruct_app;
grant create on schema public to konstruct_lookup;
alter function answered_long_ago() owner to konstruct_lookup;
revoke create on schema public from konstruct_lookup;

grant select (tenant_id, created_at) on idempotency_keys to konstruct_lookup;
create policy idempotency_keys_lookup on idempotency_keys for select to konstruct_lookup using (true);
