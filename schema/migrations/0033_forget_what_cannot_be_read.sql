-- Events that cannot be read are kept for eight days.

-- Events that could not be read, once nobody asks about them any more: words of people may be in there.
create function forget_malformed() returns void language sql security definer set search_path = public, pg_temp as $$
  delete from malformed_events where received_at < now() - interval '8 days';
$$;
grant delete on malformed_events to konstruct_lookup;

do $$
begin
  grant create on schema public to konstruct_lookup;
  revoke execute on function forget_malformed() from public;
  grant execute on function forget_malformed() to konstruct_app;
  alter function forget_malformed() owner to konstruct_lookup;
  revoke create on schema public from konstruct_lookup;
end $$;
