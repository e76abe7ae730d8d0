-- name: save_install_state!
-- An installation begins in a browser; what has lapsed is forgotten. Needs a tenant connection.
with lapsed as (delete from install_states where tenant_id = current_tenant() and expires_at < now())
insert into install_states (tenant_id, state, browser, expires_at)
values (current_tenant(), :state, :browser, now() + make_interval(secs => :seconds));

-- name: take_install_state$
-- Whether the installation began in this browser, lately; asked once. Needs a tenant connection.
delete from install_states where tenant_id = current_tenant() and state = :state
returning browser = :browser and expires_at > now();

-- name: save_installation!
-- A channel by OAuth, new or again. Needs a tenant connection.
insert into channels as c (tenant_id, kind, app, team, employee_id, account, secrets, options, installed_by, expires_at)
values (current_tenant(), :kind, :app, :team, :employee, :account, :secrets, :options, 'oauth',
        now() + make_interval(secs => :seconds))
on conflict (tenant_id, kind, app, team) do update set account = excluded.account, secrets = excluded.secrets,
  options = c.options || excluded.options, installed_by = 'oauth', installed_at = now(), disconnected_at = null,
  expires_at = excluded.expires_at, refreshing_until = null;

-- name: disconnect_channel$
-- The connection ended; false where this is about an earlier installation.
select disconnect_channel(:tenant, :kind, :app, :team, :at, :accounts);

-- name: lease_refresh$
-- The secrets of a channel whose refresh token the caller may spend now, or nothing.
select lease_refresh(:tenant, :kind, :app, :team, :left, :lease);

-- name: hold_secrets$
-- A channel's secrets, that nobody else may change before the end of the transaction. Needs a tenant connection.
select secrets from channels
where tenant_id = current_tenant() and kind = :kind and app = :app and team = :team for update;

-- name: store_refreshed!
-- New tokens. Needs a tenant connection.
update channels set secrets = :secrets, refreshing_until = null, expires_at = now() + make_interval(secs => :seconds)
where tenant_id = current_tenant() and kind = :kind and app = :app and team = :team;

-- name: give_feedback$
-- What a person thinks of a turn's answer; false where the reply is unknown.
select give_feedback(:tenant, :turn, :reply, :contact, :positive);
