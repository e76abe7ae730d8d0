-- name: record_charges$
-- What a channel tells of the price of messages; one charge for each.
select record_charges(:tenants, :charges, :replies, :external_ids, :delivered, :categories, :countries, :billable, :ats);

-- name: keep_prices$
-- Add a version of the operator's message prices: added, known or different.
select keep_prices(:version, :valid_from, :categories, :countries, :prices);
