-- A workspace whose installation ended may be installed by another tenant; any WhatsApp secret may have signed a batch.

drop index channels_for_lookup;
create unique index channels_of_one_tenant on channels (kind, app, team) where disconnected_at is null;
create index channels_for_lookup on channels (kind, app, team);

create or replace function find_channels(p_kind text, p_app text, p_team text)
  returns setof channels language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return query select * from channels where kind = p_kind and app = p_app and team = p_team
    order by disconnected_at desc nulls first limit 1;
  if found then return; end if;
  if p_kind = 'whatsapp' then
    return query select distinct on (coalesce(options ->> 'signed_sha256', team)) * from channels
      where kind = p_kind and p_team = '';
    return;
  end if;
  return query select * from channels where kind = p_kind and app = p_app limit 1;
  if found then return; end if;
  return query select distinct on (app) * from channels where kind = p_kind order by app limit 50;
end $$;
