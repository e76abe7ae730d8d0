-- The name of a tenant that was erased is not given to another one.

-- A tenant's id is made of its name: another one of the name would read the audit of the one that was erased.
create function refuse_forgotten_name() returns trigger language plpgsql as $$
begin
  if exists (select from tombstones where tenant_id = new.id and digest = tombstone_of(new.id, '', ''))
      or exists (select from audit_events where tenant_id = new.id and action = 'tenant.deleted') then
    raise exception 'A tenant called % was erased here, and its audit stays under that name; take another name.', new.name
      using errcode = 'KF003';
  end if;
  return null;
end $$;
-- After, and so past the wait for an erasure under way.
create trigger refuse_forgotten_name after insert on tenants for each row execute function refuse_forgotten_name();
