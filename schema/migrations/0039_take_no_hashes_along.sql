-- What a tenant takes along holds no hashes of its secrets.

-- A tenant's rows of one table, without what is encrypted, hashed or made of the rest.
create or replace function rows_of_tenant(p_tenant uuid, p_table text) returns setof jsonb language plpgsql as $$
declare v_left_out text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  if p_table not in (select tables_of_tenants()) then
    raise exception '% is no table of tenants', p_table using errcode = '42P01';
  end if;
  select coalesce(array_agg(a.attname::text), '{}') into v_left_out from pg_attribute a
    where a.attrelid = p_table::regclass and a.atttypid in ('bytea'::regtype, 'vector'::regtype);
  -- Options of channels hold hashes of secrets, to be found by.
  return query execute format('select to_jsonb(t) - %L::text[] %s from %I t where t.%I = %L', v_left_out,
    case p_table when 'channels' then
      $sql$ || jsonb_build_object('options', (select coalesce(jsonb_object_agg(o.key, o.value), '{}')
        from jsonb_each(t.options) o where o.key not like '%\_sha256')) $sql$ end,
    p_table, case p_table when 'tenants' then 'id' else 'tenant_id' end, p_tenant);
end $$;
