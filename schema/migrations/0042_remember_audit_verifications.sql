-- The nightly verification of the audit is remembered, so that no restart makes a night pass without it.

-- When all audit was verified, and how much was not as it was sealed.
create table audit_verifications (
  at timestamptz primary key,
  findings int not null
);
grant select, insert on audit_verifications to konstruct_app;
