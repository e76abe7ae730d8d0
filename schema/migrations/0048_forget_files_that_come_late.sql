-- Files that are being kept while their sender, or their tenant, is forgotten are deleted, too.

-- Digests of kept files that came from this person and from nobody else.
create or replace function files_of_contact(p_tenant uuid, p_channel text, p_name text) returns setof text language plpgsql as $$
declare v_names text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  return query
    with kept (digest, theirs) as (
      select jsonb_array_elements_text(m.files), coalesce(k.channel = p_channel and k.external_id = any (v_names), false)
        from messages m left join contacts k on k.tenant_id = p_tenant and k.id = m.contact_id
        where m.tenant_id = p_tenant and m.files is not null
      union all
      select jsonb_array_elements_text(i.body -> 'files'), coalesce(i.channel = p_channel and i.body ->> 'contact' = any (v_names), false)
        from inbox i where i.tenant_id = p_tenant and i.state in ('waiting', 'dead') and i.body ? 'files'
          and coalesce(i.body ->> 'kind', '') <> 'delete')
    select k.digest from kept k group by k.digest having bool_and(k.theirs);
end $$;
