-- Whatever the number of apps, each one's secret is tried on what names no app; an unknown app is looked up cheaply.

create or replace function find_channels(p_kind text, p_app text, p_team text)
  returns setof channels language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return query select * from channels where kind = p_kind and app = p_app and team = p_team
    order by disconnected_at desc nulls first limit 1;
  if found then return; end if;
  if p_app <> '' then
    return query select * from channels where kind = p_kind and app = p_app limit 1;
  elsif p_team = '' then
    return query select distinct on (coalesce(options ->> 'signed_sha256', nullif(app, ''), team)) * from channels
      where kind = p_kind;
  end if;
end $$;
