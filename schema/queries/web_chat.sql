-- name: say_on_web$
-- Make something visible in the web chat; answers its number.
select say_on_web(:tenant, :conversation, :id, :role, :text, :final);

-- name: seen_on_web$
-- Whether a message of the web chat is final; null where there is none.
select seen_on_web(:tenant, :conversation, :id);

-- name: web_feed
-- What changed in a web chat after a number that the page has seen.
select id, place, seq, role, text, final, created_at from web_feed(:tenant, :conversation, :after, :limit);

-- name: employee_name$
-- Who works in a channel. Needs a tenant connection.
select name from employees where tenant_id = current_tenant() and id = :employee;
