-- The isolation check runs every night, and is remembered.

-- What the isolation check found, night by night: sentences, never a tenant's words.
create table isolation_checks (
  at timestamptz primary key default now(),
  tried int not null,
  holes text[] not null
);
grant select, insert on isolation_checks to konstruct_app;
