-- The end state of the database, for reading. A test proves that migrations/ lead exactly here.
--
-- A message's rows: inbox (C1) -> conversations, messages, memories, usage, outbox (C2) -> outbox sent (C3).
-- Every tenant table has tenant_id, row-level security enabled and forced, and one policy named <table>_by_tenant.
-- Whatever must be atomic is one function; each takes the tenant as an argument and sets it for its transaction.
-- Two roles: konstruct_app runs the product (neither owner nor superuser nor bypassrls); konstruct_lookup owns the
-- few security definer look-ups that must see across tenants, and may read only the columns granted to it.

create extension if not exists vector;

do $$ begin
  if not exists (select from pg_roles where rolname = 'konstruct_app') then
    create role konstruct_app login nosuperuser nobypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'konstruct_lookup') then
    create role konstruct_lookup nologin nosuperuser nobypassrls;
  end if;
end $$;

create function current_tenant() returns uuid language sql stable parallel safe
  return nullif(current_setting('app.current_tenant', true), '')::uuid;

-- Tenants and what operators configure -------------------------------------------------------------------------

create table tenants (
  id uuid primary key,
  name text not null unique,
  quiet_seconds double precision not null default 0 check (quiet_seconds between 0 and 60),
  created_at timestamptz not null default now(),
  escalation jsonb not null default '{}',         -- rules, message, web_message, resume_after_minutes
  operators jsonb not null default '{}',          -- where operators are told: slack_channel
  limits jsonb not null default '{}',             -- what the tenant file says: answers_per_minute, ...; null = no limit
  budgets jsonb not null default '{}'             -- a month's {micros, tokens} of tenant, employee, conversation; at_limit, message
);

create table employees (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  name text not null,
  instructions text not null,
  model text not null,
  fallback_model text,
  options jsonb not null default '{}',
  primary key (tenant_id, id)
);

create table models (
  tenant_id uuid not null references tenants (id) on delete cascade,
  name text not null,
  litellm text not null,
  api_base text,
  api_key bytea,                                  -- encrypted by the vault
  vision boolean not null default false,          -- may be given pictures
  transcription boolean not null default false,   -- writes down recordings
  price jsonb,                                    -- micro-USD per million tokens: input, cached, output; null: as listed
  max_answer_tokens int not null default 4096,    -- thinking included
  primary key (tenant_id, name)
);

create table channels (
  tenant_id uuid not null references tenants (id) on delete cascade,
  kind text not null,                             -- slack, whatsapp, web
  app text not null,                              -- Slack: api_app_id; elsewhere ''
  team text not null,                             -- Slack: team id; WhatsApp: phone_number_id; web: site
  employee_id uuid not null,
  account text not null,                          -- Slack: the bot's user id
  secrets bytea not null,                         -- encrypted JSON: tokens and signing secrets
  options jsonb not null default '{}',            -- what an operator chose for this channel
  installed_by text not null default 'file' check (installed_by in ('file', 'oauth')),
  installed_at timestamptz not null default now(),
  disconnected_at timestamptz,                    -- the provider said so; nothing is sent any more
  expires_at timestamptz,                         -- of the token, where it must be renewed
  refreshing_until timestamptz,                   -- somebody spends the refresh token until then
  primary key (tenant_id, kind, app, team),
  foreign key (tenant_id, employee_id) references employees (tenant_id, id)
);
-- One workspace and app belong to one tenant: an event must never have two possible owners.
create unique index channels_of_one_tenant on channels (kind, app, team) where disconnected_at is null;
create index channels_for_lookup on channels (kind, app, team); -- find_channels

-- Installations by OAuth that have begun in a browser; state and cookie are kept hashed, and are good for one use.
create table install_states (
  tenant_id uuid not null references tenants (id) on delete cascade,
  state bytea not null,
  browser bytea not null,
  expires_at timestamptz not null,
  primary key (tenant_id, state)
);

-- Tokens of the operators' API: a tenant's own, for one role, until they expire. Only their SHA-256 is kept.
create table api_tokens (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  sha256 bytea not null,
  name text not null,
  role text not null check (role in ('viewer', 'operator', 'owner')),
  created_by text not null,                       -- the actor
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,                       -- to five minutes
  primary key (tenant_id, id)
);
create unique index api_tokens_by_secret on api_tokens (tenant_id, sha256); -- recognise_api_token

-- What the operators' API answered to a write with an idempotency key, in the transaction of its effect; for a day.
create table idempotency_keys (
  tenant_id uuid not null references tenants (id) on delete cascade,
  actor text not null,
  key text not null,
  request bytea not null,                         -- SHA-256 of what was asked
  answer bytea not null,                          -- encrypted by the vault: it may hold a secret
  created_at timestamptz not null default now(),
  primary key (tenant_id, actor, key)
);

-- Conversations ------------------------------------------------------------------------------------------------

create table conversations (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  shard int not null,
  channel text not null,
  address jsonb not null,
  version bigint not null default 0,              -- turns committed; compare-and-set in commit_turn
  created_at timestamptz not null default now(),
  last_turn_at timestamptz,
  counters jsonb not null default '{}',           -- for escalation rules; survive the window and restarts
  paused_reason text,                             -- the employee is silent: escalated, or an operator speaks
  paused_until timestamptz,
  paused_by text check (paused_by in ('rule', 'operator')), -- an escalation, or a takeover
  paused_at timestamptz,                          -- since when; see note_silence
  primary key (tenant_id, id)
);

-- What people pause and resume is a place: in a channel, all its threads.
create index conversations_of_a_place on conversations (tenant_id, channel, (address ->> 'channel'));

create table contacts (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  channel text not null,
  external_id text not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index contacts_by_name on contacts (tenant_id, channel, external_id); -- forget_conversations

-- What a person is called on a channel: several names (phone, business-scoped id), one contact.
create table contact_aliases (
  tenant_id uuid not null references tenants (id) on delete cascade,
  channel text not null,
  alias text not null,
  contact text not null,                          -- the external id that contacts and conversations are named after
  created_at timestamptz not null default now(),
  retired_at timestamptz,                         -- given up; counts for what was said before
  primary key (tenant_id, channel, alias)
);
create index contact_aliases_of_contact on contact_aliases (tenant_id, channel, contact);

create table messages (
  tenant_id uuid not null,
  id bigint generated always as identity,
  conversation_id uuid not null,
  turn_id uuid not null,
  turn bigint not null,                           -- the conversation's version when this was said
  role text not null check (role in ('contact', 'employee', 'operator')),
  contact_id uuid,
  text text not null,
  created_at timestamptz not null default now(),
  source_id text,                                 -- the channel's id of the message, by which edits name it
  files jsonb,                                    -- digests of the kept files that came with it
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id)
);
create index messages_of_contact on messages (tenant_id, contact_id) where contact_id is not null; -- forget_conversations
create index messages_with_files on messages (tenant_id) where files is not null;
create index messages_for_window on messages (tenant_id, conversation_id, id desc);

create table memories (
  tenant_id uuid not null,
  turn_id uuid not null,
  contact_id uuid not null,
  conversation_id uuid not null,
  shard int not null,
  turn bigint not null,
  private boolean not null,                       -- said in a direct conversation: never recalled where others read
  text text not null,
  embedding vector(384),                          -- null: the memory job is still to be done
  created_at timestamptz not null default now(),
  primary key (tenant_id, turn_id, contact_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade,
  foreign key (tenant_id, contact_id) references contacts (tenant_id, id) on delete cascade
);
-- Exact search within one contact; an approximate index would lose recall behind the filter.
create index memories_for_recall on memories (tenant_id, contact_id);
create index memories_for_embedding on memories (shard, created_at) where embedding is null;
-- Here and below: a key's own deletion would look through all rows of the tenant once for every conversation.
create index memories_of_conversation on memories (tenant_id, conversation_id);

create table inbox (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id bigint generated always as identity,
  channel text not null,
  event text not null,                            -- the provider's identity of the message
  conversation_id uuid not null,
  shard int not null,
  epoch bigint not null,                          -- the shard's epoch on arrival, or when a crash was counted
  body jsonb not null,
  -- suppressed: heard, not to be answered; applied: an edit or deletion; withdrawn: deleted before it was answered
  state text not null default 'waiting'
    check (state in ('waiting', 'answered', 'suppressed', 'escalated', 'applied', 'withdrawn', 'dead')),
  attempts int not null default 0,
  error text,
  turn_id uuid,
  received_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index inbox_once_per_event on inbox (tenant_id, channel, event);
create index inbox_for_sweep on inbox (shard, received_at) where state = 'waiting';
create index inbox_for_turn on inbox (tenant_id, conversation_id, id) where state = 'waiting';
create index inbox_dead_letters on inbox (received_at) where state = 'dead';

-- Edits and deletions (text is null) that came before their message: hear() applies them when it comes. A message that
-- could not be stored comes again, for up to a week.
create table amended_early (
  tenant_id uuid not null references tenants (id) on delete cascade,
  conversation_id uuid not null,
  source_id text not null,
  text text,
  at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, source_id)
);

-- Whoever was erased, hashed, and when: what they said before and comes late stays outside. An empty name is a whole
-- tenant, for good; no key into tenants, for it outlives them.
create table tombstones (
  tenant_id uuid not null,
  digest bytea not null,                          -- see tombstone_of
  erased_at timestamptz not null default now(),
  primary key (tenant_id, digest)
);

create table outbox (
  tenant_id uuid not null,
  id uuid not null,                               -- uuid5(tenant, turn, part); also the channel's idempotency id
  conversation_id uuid not null,
  shard int not null,
  turn_id uuid not null,
  part int not null,
  text text not null,
  state text not null check (state in ('streaming', 'pending', 'sent', 'cancelled', 'dead')),
  claim_epoch bigint not null,                    -- who may send it ...
  claimed_until timestamptz not null,             -- ... and until when nobody else may
  external_id text,                               -- the platform's message id, durable before text is appended
  attempts int not null default 0,
  error text,
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  channel text not null,                          -- where it goes: mostly, but not always, where the contact is
  address jsonb not null,
  source_id text not null default '',             -- the message that is answered
  delivery text check (delivery in ('sent', 'delivered', 'read', 'failed')), -- what the channel reported since
  failures int not null default 0,                -- how often it reported that it failed, for a reason that may pass
  primary key (tenant_id, id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade
);
create index outbox_of_conversation on outbox (tenant_id, conversation_id);
create index outbox_for_sweep on outbox (shard, created_at) where state in ('streaming', 'pending');
create index outbox_for_delivery on outbox (tenant_id, conversation_id, created_at) where state in ('streaming', 'pending');
create index outbox_dead on outbox (created_at) where state = 'dead';

-- A reaction names the platform's id of what it is about.
create index outbox_for_reactions on outbox (tenant_id, external_id) where external_id is not null;

-- What people think of answers; the last word of each counts.
create table feedback (
  tenant_id uuid not null,
  turn_id uuid not null,
  contact_id uuid not null,
  conversation_id uuid not null,
  positive boolean not null,
  given_at timestamptz not null default now(),
  primary key (tenant_id, turn_id, contact_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade
);
create index feedback_of_conversation on feedback (tenant_id, conversation_id);

create table usage (
  tenant_id uuid not null,
  turn_id uuid not null,
  conversation_id uuid not null,
  employee_id uuid not null,
  model text not null,
  calls int not null,                             -- model calls made for this turn, failed and repeated ones included
  prompt_tokens int not null,                     -- of all those calls
  completion_tokens int not null,
  created_at timestamptz not null default now(),
  cost_micros bigint not null default 0,          -- USD; the calls' exact sum, rounded up once
  provider text,                                  -- of the model that answered
  channel text,
  price_version text,                             -- the list and its micro-USD per million tokens
  cached_tokens int not null default 0,           -- of the prompt's
  each_call jsonb,                                -- where there were several: model, tokens, picos (USD), price_version
  counted boolean not null default false,         -- in spending; not before the tenant has a budget
  answered boolean not null default true,         -- a model did; without that, calls cost, but there is no reply to bill
  primary key (tenant_id, turn_id),
  foreign key (tenant_id, conversation_id) references conversations (tenant_id, id) on delete cascade
);
create index usage_of_conversation on usage (tenant_id, conversation_id);
create index usage_by_time on usage (tenant_id, created_at);
create index usage_uncounted on usage (tenant_id, created_at) where not counted; -- count_unreserved

-- Budgets ------------------------------------------------------------------------------------------------------

-- What a tenant, each employee and each conversation has spent this month (UTC), and what turns under way may still
-- spend. Who changes a row of a tenant has locked the row of the tenant itself first.
create table spending (
  tenant_id uuid not null references tenants (id) on delete cascade,
  subject_id uuid not null,                       -- the tenant itself, an employee or a conversation
  scope text not null check (scope in ('tenant', 'employee', 'conversation')),
  month date not null,                            -- in which it was spent; what was before is in usage
  spent_micros bigint not null default 0,
  spent_tokens bigint not null default 0,
  reserved_micros bigint not null default 0 check (reserved_micros >= 0),
  reserved_tokens bigint not null default 0 check (reserved_tokens >= 0),
  primary key (tenant_id, subject_id)
) with (fillfactor = 50);

-- What one turn may spend at most; gone once it has committed, or has not for too long.
create table reservations (
  tenant_id uuid not null,
  turn_id uuid not null,
  conversation_id uuid not null,
  employee_id uuid not null,
  micros bigint not null,
  tokens bigint not null,
  expires_at timestamptz not null,
  primary key (tenant_id, turn_id),
  foreign key (tenant_id, conversation_id) references spending (tenant_id, subject_id) on delete cascade
);
-- reserve_budget: without it, it would walk over all that turns have held since the last vacuum.
create index reservations_expired on reservations (tenant_id, expires_at);

-- Once for each budget, month and share of it; a limit that was changed is a new one.
create table budget_alerts (
  tenant_id uuid not null references tenants (id) on delete cascade,
  subject_id uuid not null,
  month date not null,
  unit text not null check (unit in ('micros', 'tokens')),
  percent int not null check (percent between 1 and 100), -- 100: also where another turn could cost more than is left
  budget bigint not null,
  scope text not null,
  spent bigint not null,
  raised_at timestamptz not null default now(),
  primary key (tenant_id, subject_id, month, unit, percent, budget)
);

-- What WhatsApp charges for messages, one row for each, priced once. The id is made of Meta's, which would show a phone
-- number: nothing here names a person, and it outlives the conversation.
create table message_charges (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  turn_id uuid,                                   -- null: no reply of ours
  category text not null,                         -- '' = Meta has not told it
  country text not null,                          -- '' = no id of the recipient shows one
  delivered boolean not null,                     -- nothing is charged for what was only sent
  billable boolean not null,
  cost_micros bigint,                             -- null: not delivered yet, or of no known category
  price_version text not null default '',         -- '' = the operator's list had no price for it: it counts as zero
  created_at timestamptz not null,                -- of the reply; else when Meta first told of it
  priced_at timestamptz,                          -- since when it is in the ledger
  primary key (tenant_id, id)
);
create index message_charges_by_time on message_charges (tenant_id, priced_at);

-- The operator's list of prices; a version never changes.
create table message_prices (
  version text not null,
  category text not null,
  country text not null,                          -- ISO code, or * for all others
  price_micros bigint not null check (price_micros >= 0),
  valid_from timestamptz not null,
  primary key (version, category, country)
);
create index message_prices_by_age on message_prices (valid_from);

-- What an operator offers; a plan never changes. Usage is counted in its unit and told to Stripe's meter of that name.
create table plans (
  name text primary key,
  monthly_fee_micros bigint not null check (monthly_fee_micros >= 0),
  unit text not null check (unit in ('micros', 'tokens', 'replies')),
  included bigint not null check (included >= 0),
  overage_micros bigint not null check (overage_micros >= 0),
  overage_per bigint not null check (overage_per > 0),
  event_name text not null,
  fee_price text not null,                        -- Stripe's ids
  usage_price text not null
);

-- Subscriptions: what Stripe says, and what follows from it -------------------------------------------------------

-- A tenant's customer in Stripe. Whoever lets an event take effect locks the row: effects come one by one.
create table stripe_customers (
  tenant_id uuid primary key references tenants (id) on delete cascade,
  id text not null,                               -- Stripe's
  version bigint not null default 0,              -- grows with every effect
  suspends_at timestamptz,                        -- from then on no employee answers; null: service goes on
  told_at timestamptz                             -- the suspends_at of which operators were told
);
create index stripe_customers_for_lookup on stripe_customers (id); -- find_stripe_customer
create index stripe_customers_suspended on stripe_customers (suspends_at) where suspends_at is distinct from told_at;

create table subscriptions (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id text not null,                               -- Stripe's
  customer text not null,
  plan text,                                      -- null: its prices are those of no plan, nothing follows from it
  status text not null,                           -- Stripe's word, known to us or not
  started_at timestamptz not null,
  ended_at timestamptz,
  period_start_at timestamptz,
  period_end_at timestamptz,
  trial_ends_at timestamptz,
  cancels_at timestamptz,
  overdue_at timestamptz,                         -- since when, while it is
  suspends_at timestamptz,                        -- as far as this subscription goes
  observed_at timestamptz not null,               -- by Stripe's clock: the event that this is known from
  former_plans text[] not null default '{}',      -- before `plan`, in order; null within: prices of no plan
  left_at timestamptz[] not null default '{}',    -- when it moved on from each of them
  primary key (tenant_id, id)
);

-- Events that took effect, each once. What a subscription is follows from all of its snapshots, in Stripe's order.
create table stripe_events (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id text not null,
  type text not null,
  at bigint not null,                             -- Unix seconds, by Stripe's clock
  received_at timestamptz not null default now(),
  subscription text,
  rank int not null,                              -- among events of the same second
  place bigint not null,                          -- the customer's version then: orders what was fetched
  snapshot jsonb,                                 -- the subscription as the event shows it, in our words
  asked jsonb,                                    -- ... and as Stripe answered when it was asked because of the event
  primary key (tenant_id, id)
);
create index stripe_events_of_subscription on stripe_events (tenant_id, subscription) where coalesce(snapshot, asked) is not null;

-- What Stripe's meters are told: one row for each turn and each charged message of a tenant that subscribes. Rows follow
-- from the ledger by derive_meter_events; nothing here names a person, and it outlives the conversation.
--   waiting -> sending (claimed; Stripe may have it) -> sent, or refused (an operator must look)
--   sending for longer than Stripe knows identifiers, or sent but in doubt -> doubtful -> sent, or waiting anew
create table meter_events (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,                               -- the turn's, or that of the message's charge: Stripe's identifier
  source text not null check (source in ('turn', 'message')),
  customer text not null,                         -- Stripe's
  event_name text not null,
  value bigint not null check (value > 0),
  at timestamptz not null,                        -- when the ledger got it
  stamped_at timestamptz,                         -- what Stripe was told; later than `at` where that period was over
  state text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'doubtful', 'refused')),
  attempts int not null default 0,
  anew int not null default 0,                    -- how often begun again under a new identifier: it had not been counted
  due_at timestamptz not null,
  first_sent_at timestamptz,                      -- under this identifier
  sent_at timestamptz,
  error text,
  primary key (tenant_id, id)
);
create index meter_events_due on meter_events (tenant_id, due_at) where state in ('waiting', 'sending', 'doubtful');
create index meter_events_by_time on meter_events (tenant_id, (coalesce(stamped_at, at)));

-- The last comparison of a month's ledger with Stripe, in the plan's units and in money.
create table reconciliations (
  tenant_id uuid not null references tenants (id) on delete cascade,
  month date not null,
  customer text not null,
  event_name text not null,
  ledger bigint not null,
  stripe bigint not null,
  unsent bigint not null,                         -- of the ledger: on its way
  refused bigint not null,                        -- of the ledger: refused or in doubt
  difference bigint not null,                     -- ledger - stripe
  difference_micros bigint not null,              -- at the plan's price
  at timestamptz not null,
  primary key (tenant_id, month, customer, event_name)
);

-- What Stripe says was wrong with meter events, to be fetched and applied; of the whole account.
create table meter_reports (
  event text primary key,
  type text not null,
  body jsonb not null,
  received_at timestamptz not null default now(),
  errors int,                                     -- how many events it is about
  summary text,
  handled_at timestamptz,                         -- applied, or given up
  due_at timestamptz not null default now(),      -- when to fetch it, again where that failed
  error text                                      -- why it could not be fetched
);
create index meter_reports_waiting on meter_reports (received_at) where handled_at is null;

-- What is visible in the web chat; upserted by id, so that a repeated send is one message.
create table web_messages (
  tenant_id uuid not null references tenants (id) on delete cascade,
  conversation_id uuid not null,                  -- no key into conversations: what a contact says is shown at once
  id uuid not null,                               -- the reply's id, or one made of the contact's own message id
  place bigint not null,                          -- its order on the page
  seq bigint not null,                            -- grows with every change: a reader asks for what is newer
  role text not null check (role in ('contact', 'employee', 'status')),
  text text not null,
  final boolean not null,                         -- false: the answer still grows
  created_at timestamptz not null default now(),
  primary key (tenant_id, conversation_id, id)
);
create unique index web_messages_for_feed on web_messages (tenant_id, conversation_id, seq);

-- Access --------------------------------------------------------------------------------------------------------------

-- People log in.

-- People who may log in to a tenant, by the e-mail address that their identity provider has verified.
create table members (
  tenant_id uuid not null references tenants (id) on delete cascade,
  id uuid not null,
  email text not null check (email = lower(email)),
  role text not null check (role in ('viewer', 'operator', 'owner')),
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, email)
);
create index members_for_login on members (email);

-- Browsers that people have logged in with.
create table sessions (
  tenant_id uuid not null,
  token bytea not null,                           -- hashed
  member_id uuid not null,
  name text not null,                             -- what the identity provider calls the person
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, token),
  foreign key (tenant_id, member_id) references members (tenant_id, id) on delete cascade
);
create index sessions_for_request on sessions (token);
create index sessions_of_member on sessions (tenant_id, member_id);

-- Hosting (no tenant data) ---------------------------------------------------------------------------------------

create table shards (
  shard int primary key check (shard between 0 and 1023),
  host int,                                       -- null: nobody, and its last owner left in order
  epoch bigint not null default 0,
  calm_epoch bigint not null default 0,           -- since then no owner ended without leaving in order
  calm_since timestamptz                          -- who took it after the last crash was there already
);
insert into shards (shard) select generate_series(0, 1023);

create table hosting (
  single boolean primary key default true check (single),
  generation bigint not null default 1,           -- grows whenever the mapping of shards to hosts changes
  hosts int not null default 0,
  wanted_hosts int not null default 0
);
insert into hosting default values;

-- Signed, but not readable as JSON of a known shape: kept for the operator for eight days, never answered.
create table malformed_events (
  id bigint generated always as identity primary key,
  channel text not null,
  reason text not null,
  body bytea not null,
  received_at timestamptz not null default now()
);

-- What the isolation check found, night by night: sentences, never a tenant's words.
create table isolation_checks (
  at timestamptz primary key default now(),
  tried int not null,
  holes text[] not null
);

-- When all audit was verified, and how much was not as it was sealed.
create table audit_verifications (
  at timestamptz primary key,
  findings int not null
);

-- Row-level security -----------------------------------------------------------------------------------------------

do $$
declare v_table text;
begin
  foreach v_table in array array['employees', 'models', 'channels', 'conversations', 'contacts', 'messages',
                                 'contact_aliases', 'memories', 'inbox', 'outbox', 'usage', 'install_states',
                                 'feedback', 'web_messages', 'amended_early', 'spending', 'reservations', 'budget_alerts', 'tombstones',
                                 'message_charges', 'api_tokens',
                                 'idempotency_keys', 'stripe_customers', 'subscriptions', 'stripe_events', 'members', 'sessions',
                                 'meter_events', 'reconciliations'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenants_by_tenant on tenants using (id = (select current_tenant())) with check (id = (select current_tenant()));

grant select, insert, update on tenants, conversations, contacts, inbox, outbox, usage, memories, web_messages, hosting to konstruct_app;
grant select, insert, update, delete on employees, models, channels to konstruct_app;
grant select, insert, update, delete on contact_aliases to konstruct_app;
grant select, insert, delete, update (text) on messages to konstruct_app; -- what a contact edits or deletes
grant update (conversation_id, turn, contact_id) on messages to konstruct_app; -- two contacts turn out to be one
grant delete on memories to konstruct_app;
grant select, update on shards to konstruct_app;
grant select, insert, update, delete on amended_early to konstruct_app;
grant select, insert, delete on install_states to konstruct_app;
grant select, insert, update on feedback, spending to konstruct_app;
grant select, insert, delete, update (role) on members to konstruct_app;
grant select, insert, delete on sessions to konstruct_app;
grant select, insert, update, delete on reservations to konstruct_app;
grant select, insert on budget_alerts to konstruct_app;
grant insert on malformed_events to konstruct_app;
grant select, insert on isolation_checks, audit_verifications to konstruct_app;
grant select, insert, update, delete on tombstones to konstruct_app;
grant delete on tenants, conversations, contacts, inbox, outbox, feedback, web_messages to konstruct_app; -- who is to be forgotten
grant select, insert, delete, update (last_used_at) on api_tokens to konstruct_app;
grant select, insert, delete, update (answer) on idempotency_keys to konstruct_app;
grant select, insert, update on message_charges to konstruct_app;
grant select, insert on message_prices, plans to konstruct_app;
grant select, insert, update on meter_events, reconciliations, meter_reports to konstruct_app;
grant select, insert, update on stripe_customers, subscriptions to konstruct_app;
grant select, insert on stripe_events to konstruct_app;

-- What konstruct_lookup may see across tenants: routing and counting, no message text.
grant select (id, name) on tenants to konstruct_lookup;
grant select on channels, shards, hosting, malformed_events to konstruct_lookup;
grant delete on malformed_events to konstruct_lookup; -- of no other table
grant select (tenant_id, id, conversation_id, shard, state, attempts, error, received_at) on inbox to konstruct_lookup;
grant select (tenant_id, id, conversation_id, shard, state, error, created_at) on outbox to konstruct_lookup;
grant select (tenant_id, turn_id, contact_id, shard, embedding, created_at) on memories to konstruct_lookup;
grant select (tenant_id, id) on conversations to konstruct_lookup;
grant select (tenant_id) on models to konstruct_lookup;
grant select (tenant_id, at) on amended_early to konstruct_lookup;
grant select (tenant_id, created_at) on idempotency_keys to konstruct_lookup;
grant select (tenant_id, id, suspends_at, told_at) on stripe_customers to konstruct_lookup;
create policy stripe_customers_lookup on stripe_customers for select to konstruct_lookup using (true);
grant select (tenant_id, id, email, role) on members to konstruct_lookup;
grant select (tenant_id, token, member_id, name, expires_at) on sessions to konstruct_lookup;
grant select (tenant_id, created_at) on usage to konstruct_lookup;
grant select (tenant_id, priced_at) on message_charges to konstruct_lookup;
grant select (tenant_id, state, due_at) on meter_events to konstruct_lookup;
grant select (tenant_id, at) on reconciliations to konstruct_lookup;
grant select (tenant_id, plan, former_plans) on subscriptions to konstruct_lookup;
create policy tenants_lookup on tenants for select to konstruct_lookup using (true);
create policy usage_lookup on usage for select to konstruct_lookup using (true);
create policy message_charges_lookup on message_charges for select to konstruct_lookup using (true);
create policy meter_events_lookup on meter_events for select to konstruct_lookup using (true);
create policy reconciliations_lookup on reconciliations for select to konstruct_lookup using (true);
create policy subscriptions_lookup on subscriptions for select to konstruct_lookup using (true);
create policy channels_lookup on channels for select to konstruct_lookup using (true);
create policy inbox_lookup on inbox for select to konstruct_lookup using (true);
create policy outbox_lookup on outbox for select to konstruct_lookup using (true);
create policy memories_lookup on memories for select to konstruct_lookup using (true);
create policy models_lookup on models for select to konstruct_lookup using (true);
create policy conversations_lookup on conversations for select to konstruct_lookup using (true);
create policy amended_early_lookup on amended_early for select to konstruct_lookup using (true);
create policy idempotency_keys_lookup on idempotency_keys for select to konstruct_lookup using (true);
create policy members_lookup on members for select to konstruct_lookup using (true);
create policy sessions_lookup on sessions for select to konstruct_lookup using (true);

-- Look-ups across tenants (security definer) ----------------------------------------------------------------------

-- The channel of an event. Where the team is unknown, channels of the same app, so that the signature can still be
-- checked. Where neither app nor team is asked for, all that may have signed what names none (url_verification, news
-- of an account). Each secret once: a channel says which it has, and those of an app that do not have one and the same.
create function find_channels(p_kind text, p_app text, p_team text)
  returns setof channels language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  return query select * from channels where kind = p_kind and app = p_app and team = p_team
    order by disconnected_at desc nulls first limit 1;
  if found then return; end if;
  if p_app <> '' then
    return query select distinct on (options ->> 'signed_sha256') * from channels where kind = p_kind and app = p_app;
  elsif p_team = '' then
    return query select distinct on (coalesce(options ->> 'signed_sha256', nullif(app, ''), team)) * from channels
      where kind = p_kind;
  end if;
end $$;

-- Conversations of a host with something left to do, that nobody has touched for p_older_than; tenants take turns, so
-- that a flood of one leaves room for the others'.
create function waiting_conversations(p_host int, p_older_than interval)
  returns table (tenant_id uuid, conversation_id uuid, shard int)
  language sql stable security definer set search_path = public, pg_temp as $$
  select w.tenant_id, w.conversation_id, w.shard from (
    select l.tenant_id, l.conversation_id, l.shard,
           row_number() over (partition by l.tenant_id order by min(l.since)) as place
    from (select i.tenant_id, i.conversation_id, i.shard, i.received_at as since from inbox i join shards s using (shard)
            where s.host = p_host and i.state = 'waiting' and i.received_at <= now() - p_older_than
          union all
          select o.tenant_id, o.conversation_id, o.shard, o.created_at from outbox o join shards s using (shard)
            where s.host = p_host and o.state in ('streaming', 'pending') and o.created_at <= now() - p_older_than) l
    group by l.tenant_id, l.conversation_id, l.shard) w
  order by w.place limit 2000;
$$;

-- Memory jobs of a host that are still to be done.
create function waiting_memories(p_host int, p_older_than interval)
  returns table (tenant_id uuid, turn_id uuid, contact_id uuid)
  language sql stable security definer set search_path = public, pg_temp as $$
  select m.tenant_id, m.turn_id, m.contact_id from memories m join shards s using (shard)
  where s.host = p_host and m.embedding is null and m.created_at <= now() - p_older_than
  order by m.created_at limit 256;
$$;

create function installation_status()
  returns table (tenants bigint, conversations bigint, inbox_waiting bigint, inbox_oldest_seconds double precision,
                 inbox_dead bigint, outbox_waiting bigint, outbox_dead bigint, memories_waiting bigint, malformed bigint)
  language sql stable security definer set search_path = public, pg_temp as $$
  select (select count(*) from tenants),
         (select count(*) from conversations),
         (select count(*) from inbox where state = 'waiting'),
         (select coalesce(extract(epoch from now() - min(received_at)), 0)::double precision from inbox where state = 'waiting'),
         (select count(*) from inbox where state = 'dead'),
         (select count(*) from outbox where state in ('streaming', 'pending')),
         (select count(*) from outbox where state = 'dead'),
         (select count(*) from memories where embedding is null),
         (select count(*) from malformed_events);
$$;

create function dead_letters(p_limit int)
  returns table (tenant text, kind text, id text, error text, at timestamptz)
  language sql stable security definer set search_path = public, pg_temp as $$
  select t.name, d.kind, d.id, d.error, d.at from (
    select tenant_id, 'inbox' as kind, id::text, error, received_at as at from inbox where state = 'dead'
    union all
    select tenant_id, 'outbox', id::text, error, created_at from outbox where state = 'dead'
  ) d join tenants t on t.id = d.tenant_id order by d.at desc limit p_limit;
$$;

-- Events that could not be read, once nobody asks about them any more: words of people may be in there.
create function forget_malformed() returns void language sql security definer set search_path = public, pg_temp as $$
  delete from malformed_events where received_at < now() - interval '8 days';
$$;

create function tenant_names()
  returns setof text language sql stable security definer set search_path = public, pg_temp
  as 'select name from tenants order by name';

-- Channels that ask for a connection of ours instead of webhooks.
create function socket_channels()
  returns setof channels language sql stable security definer set search_path = public, pg_temp as $$
  select * from channels where options ? 'socket_mode' and disconnected_at is null order by kind, app, team;
$$;

create function has_hosted_models()
  returns boolean language sql stable security definer set search_path = public, pg_temp
  as 'select exists (select tenant_id from models)';

-- Whether some channel of this kind was set up with this verify token; the token itself is encrypted.
create function has_verify_token(p_kind text, p_sha256 text)
  returns boolean language sql stable security definer set search_path = public, pg_temp
  return exists (select from channels where kind = p_kind and options ->> 'verify_sha256' = p_sha256);

-- Tenants with edits and deletions whose message will not come any more.
create function amended_in_vain()
  returns setof uuid language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from amended_early where at < now() - interval ''8 days''';

-- Tenants with answers that are kept no longer.
create function answered_long_ago()
  returns setof uuid language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from idempotency_keys where created_at <= now() - interval ''24 hours''';

-- Whose customer is it?
create function find_stripe_customer(p_customer text)
  returns uuid language sql stable security definer set search_path = public, pg_temp as $$
  select c.tenant_id from stripe_customers c where c.id = p_customer order by c.tenant_id limit 1;
$$;

-- Tenants whose service has ended since, and whose operators have not been told.
create function suspended_untold()
  returns table (tenant_id uuid) language sql stable security definer set search_path = public, pg_temp as $$
  select c.tenant_id from stripe_customers c
    where c.suspends_at <= now() and c.suspends_at is distinct from c.told_at limit 100;
$$;

-- The tenants that somebody may enter.
create function memberships(p_email text)
  returns table (tenant_id uuid, tenant text, member_id uuid, role text)
  language sql stable security definer set search_path = public, pg_temp as $$
  select m.tenant_id, t.name, m.id, m.role from members m join tenants t on t.id = m.tenant_id
  where m.email = p_email order by t.name;
$$;

-- Whose session it is, with the role of today; nothing where it has ended.
create function find_session(p_token bytea)
  returns table (tenant_id uuid, tenant text, member_id uuid, email text, name text, role text, expires_at timestamptz)
  language sql stable security definer set search_path = public, pg_temp as $$
  select s.tenant_id, t.name, m.id, m.email, s.name, m.role, s.expires_at
  from sessions s join members m on (m.tenant_id, m.id) = (s.tenant_id, s.member_id) join tenants t on t.id = s.tenant_id
  where s.token = p_token and s.expires_at > now();
$$;

-- Tenants with something to bill: usage since, meter events due, or no comparison with Stripe since p_nightly.
create function tenants_to_bill(p_since timestamptz, p_now timestamptz, p_nightly timestamptz)
  returns table (tenant_id uuid, reconcile boolean)
  language sql stable security definer set search_path = public, pg_temp as $$
  select t.tenant_id, t.unreconciled from (
    select s.tenant_id, not exists (select from reconciliations r where r.tenant_id = s.tenant_id and r.at >= p_nightly)
             as unreconciled
    from (select distinct tenant_id from subscriptions where plan is not null or cardinality(former_plans) > 0) s) t
  where t.unreconciled
    or exists (select from usage u where u.tenant_id = t.tenant_id and u.created_at >= p_since)
    or exists (select from message_charges c where c.tenant_id = t.tenant_id and c.priced_at >= p_since)
    or exists (select from meter_events m where m.tenant_id = t.tenant_id and m.due_at <= p_now
                 and m.state in ('waiting', 'sending', 'doubtful'));
$$;

create function subscribers()
  returns table (tenant_id uuid) language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from subscriptions order by 1';

-- Nobody but the product may call them.
do $$
declare v_function regprocedure;
begin
  execute format('grant konstruct_lookup to %I', current_user);
  -- Where the owner is no superuser: the pool logs in as the owner and becomes konstruct_app.
  execute format('grant konstruct_app to %I', current_user);
  grant create on schema public to konstruct_lookup;
  foreach v_function in array array[
    'find_channels(text, text, text)', 'waiting_conversations(int, interval)', 'waiting_memories(int, interval)',
    'installation_status()', 'dead_letters(int)', 'tenant_names()', 'has_hosted_models()', 'socket_channels()',
    'has_verify_token(text, text)', 'amended_in_vain()', 'answered_long_ago()', 'find_stripe_customer(text)',
    'suspended_untold()',
    'memberships(text)', 'find_session(bytea)', 'tenants_to_bill(timestamptz, timestamptz, timestamptz)',
    'subscribers()', 'forget_malformed()']::regprocedure[] loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to konstruct_app', v_function);
    execute format('alter function %s owner to konstruct_lookup', v_function);
  end loop;
  revoke create on schema public from konstruct_lookup;
end $$;

-- The turn -----------------------------------------------------------------------------------------------------

-- How a name is kept of whom nothing else is kept.
create function tombstone_of(p_tenant uuid, p_channel text, p_name text) returns bytea language sql immutable parallel safe
  return sha256(convert_to(p_tenant::text || ':' || p_channel || ':' || p_name, 'UTF8'));

-- Whether something of then belongs to a person who was erased since, or to a tenant who was: that one does not come
-- back. Nothing comes later than a week.
create function is_erased(p_tenant uuid, p_channel text, p_names text[], p_at timestamptz)
  returns boolean language sql stable as $$
  select exists (select from tombstones where tenant_id = p_tenant and erased_at > now() - interval '8 days'
    and (digest = tombstone_of(p_tenant, '', '') or erased_at >= p_at
      and digest in (select tombstone_of(p_tenant, p_channel, n) from unnest(p_names) n)));
$$;

-- C1: make messages durable, several tenants in one commit. A message already there gets no row back, nor does one that
-- was edited or deleted before it came: the sweep finds what is left of it. One of a tenant that is gone is not stored; it
-- gets a row without an id.
create function hear(p_tenants uuid[], p_channels text[], p_events text[], p_conversations uuid[], p_shards int[],
                     p_only_known boolean[], p_bodies jsonb[])
  returns table (place int, id bigint, epoch bigint) language plpgsql
  set plan_cache_mode = force_generic_plan as $$
declare
  v_tenant uuid;
  v_early boolean;
  v_erased boolean;
  v_known boolean;
  v_bodies jsonb[] := p_bodies;
begin
  -- In one order, because of the locks: see amend_message.
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true),
            pg_advisory_xact_lock_shared(hashtextextended(v_tenant::text, 8));
    select exists (select from amended_early where tenant_id = v_tenant),
           exists (select from tombstones where tenant_id = v_tenant and erased_at > now() - interval '8 days'),
           exists (select from tenants where tenants.id = v_tenant)
      into v_early, v_erased, v_known;
    if not v_known or v_erased and is_erased(v_tenant, '', '{}', now()) then
      return query select e.n::int - 1, null::bigint, null::bigint
        from unnest(p_tenants) with ordinality as e (tenant, n) where e.tenant = v_tenant;
      continue;
    end if;
    if v_early then
      v_bodies := array(
        select case when a.source_id is null then e.body when a.text is null then '{}'
                    else jsonb_set(e.body, '{text}', to_jsonb(a.text)) end
        from unnest(p_conversations, v_bodies) with ordinality as e (conversation, body, n)
        left join amended_early a on a.tenant_id = v_tenant and a.conversation_id = e.conversation
          and a.source_id = e.body ->> 'source_id' and e.body -> 'target' is null and a.at > now() - interval '8 days'
        order by e.n);
    end if;
    return query
      with heard as (
        insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state)
        select v_tenant, e.channel, e.event, e.conversation, e.shard, s.epoch, e.body,
               case e.body when '{}' then 'withdrawn' else 'waiting' end
        from unnest(p_tenants, p_channels, p_events, p_conversations, p_shards, p_only_known, v_bodies) with ordinality
             as e (tenant, channel, event, conversation, shard, only_known, body, n)
        join shards s on s.shard = e.shard
        where e.tenant = v_tenant and not (v_erased and coalesce(is_erased(v_tenant, e.channel,
            array[e.body ->> 'contact'], to_timestamp((e.body ->> 'said_at')::double precision)), false))
          and (not e.only_known
          or exists (select from conversations c where c.tenant_id = v_tenant and c.id = e.conversation)
          or exists (select from inbox i where i.tenant_id = v_tenant and i.conversation_id = e.conversation
                       and i.state = 'waiting'))
        order by e.n
        on conflict (tenant_id, channel, event) do nothing
        returning inbox.id, inbox.event, inbox.channel, inbox.epoch)
      select min(e.n)::int - 1, h.id, h.epoch
      from heard h join unnest(p_tenants, p_channels, p_events) with ordinality as e (tenant, channel, event, n)
        on e.tenant = v_tenant and e.channel = h.channel and e.event = h.event
          and (not v_early or v_bodies[e.n] = p_bodies[e.n])
      group by h.id, h.epoch;
  end loop;
end $$;

-- Business-scoped user ids; a person has one, and a new one with every new phone number. Parents outlast both.
create function is_user_id(p_alias text) returns boolean language sql immutable parallel safe
  return p_alias like '__.%' and p_alias not like '__.ENT.%';

-- The contacts that these names belong to, oldest first. A name that was given up counts for what was said before. A
-- phone number known with another user id than the one that now comes with it is somebody else's by now.
create function known_contacts(p_tenant uuid, p_channel text, p_aliases text[], p_said_at timestamptz)
  returns text[] language sql stable as $$
  select coalesce(array_agg(k.contact order by k.since, k.contact), '{}') from (
    select n.contact, (select min(f.created_at) from contact_aliases f
                       where f.tenant_id = p_tenant and f.channel = p_channel and f.contact = n.contact) as since
    from contact_aliases n
    where n.tenant_id = p_tenant and n.channel = p_channel and n.alias = any (p_aliases)
      and (n.retired_at is null or n.retired_at > p_said_at)
      and (n.alias !~ '^[0-9]+$' or not exists (select from unnest(p_aliases) a where is_user_id(a))
        or not exists (select from contact_aliases o where o.tenant_id = p_tenant and o.channel = p_channel
             and o.contact = n.contact and o.retired_at is null and is_user_id(o.alias))
        or exists (select from contact_aliases o where o.tenant_id = p_tenant and o.channel = p_channel
             and o.contact = n.contact and o.retired_at is null and is_user_id(o.alias) and o.alias = any (p_aliases)))
    group by n.contact) k;
$$;

-- The names that a channel gives one person, most lasting first, to the contacts that they are known as, oldest
-- first; a stranger becomes a contact. More than one: they turn out to be the same person, see merge_contact.
create function resolve_contact(p_tenant uuid, p_channel text, p_aliases text[], p_said_at timestamptz)
  returns text[] language plpgsql as $$
declare
  v_known text[];
  v_name text := p_aliases[1];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_known := known_contacts(p_tenant, p_channel, p_aliases, p_said_at);
  if cardinality(v_known) = 1 and cardinality(p_aliases) = (
      select count(*) from contact_aliases where tenant_id = p_tenant and channel = p_channel
        and alias = any (p_aliases) and contact = v_known[1]) then
    return v_known;
  end if;
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  v_known := known_contacts(p_tenant, p_channel, p_aliases, p_said_at);
  if v_known = '{}' and is_erased(p_tenant, p_channel, p_aliases, p_said_at) then
    return array[v_name]; -- hear will not store it
  end if;
  if v_known = '{}' then
    -- Whoever had this name before keeps the history that goes by it.
    while exists (select from contact_aliases where tenant_id = p_tenant and channel = p_channel and contact = v_name) loop
      v_name := v_name || '+';
    end loop;
    v_known := array[v_name];
  end if;
  insert into contact_aliases as c (tenant_id, channel, alias, contact)
    select p_tenant, p_channel, a, v_known[1] from unnest(p_aliases) a
    on conflict (tenant_id, channel, alias) do update
      set contact = excluded.contact, created_at = now(), retired_at = null
      where c.contact <> all (v_known) or c.retired_at <= p_said_at;
  return v_known;
end $$;

-- As whom these contacts, who are one person, are written to: p_name, or what they go by now if they gave it up. Not
-- stable: it sees what resolve_contact wrote in the same statement.
create function written_to(p_tenant uuid, p_channel text, p_contacts text[], p_name text) returns text language sql as $$
  select coalesce((select alias from contact_aliases where tenant_id = p_tenant and channel = p_channel
                     and contact = any (p_contacts) and retired_at is null
                   order by alias <> p_name, alias like '__.ENT.%', is_user_id(alias), created_at desc, alias limit 1), p_name);
$$;

-- A person has other names from p_at on: what they are called now leads to the same contact, and what they were called
-- may belong to somebody else one day. What is still to be answered or sent goes to p_recipient; turns under way there
-- begin anew. Answers as resolve_contact does.
create function move_contact(p_tenant uuid, p_channel text, p_before text[], p_after text[], p_recipient text,
                             p_at timestamptz)
  returns text[] language plpgsql as $$
declare
  v_contacts text[];
  v_met text[];
  v_names text[];
  v_recipient text;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant::text, 8)); -- see amend_message
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  if is_erased(p_tenant, p_channel, p_before, p_at) then
    return p_before[1:1];
  end if;
  v_contacts := resolve_contact(p_tenant, p_channel, p_before, p_at - interval '1 microsecond');
  update contact_aliases set retired_at = p_at where tenant_id = p_tenant and channel = p_channel
    and alias = any (p_before) and alias <> all (p_after) and retired_at is null;
  -- Whoever wrote under the new name since then is the same person; who had it before was another.
  select coalesce(array_agg(distinct a.contact), '{}') into v_met from contact_aliases a
    where a.tenant_id = p_tenant and a.channel = p_channel and a.alias = any (p_after) and a.contact <> all (v_contacts)
      and p_at - interval '1 hour' <= (select min(f.created_at) from contact_aliases f
        where f.tenant_id = p_tenant and f.channel = p_channel and f.contact = a.contact);
  insert into contact_aliases as c (tenant_id, channel, alias, contact)
    select p_tenant, p_channel, a, v_contacts[1] from unnest(p_after) a
    on conflict (tenant_id, channel, alias) do update
      set contact = excluded.contact, created_at = now(), retired_at = null
      where c.contact <> all (v_met) and (c.contact <> excluded.contact or c.retired_at <= p_at);
  v_recipient := written_to(p_tenant, p_channel, v_contacts || v_met, p_recipient);
  v_names := array(select alias from contact_aliases where tenant_id = p_tenant and channel = p_channel
                     and contact = any (v_contacts) and alias <> v_recipient);
  -- In the order of commit_turn. Also of what was never answered: a first turn under way meets this version.
  insert into conversations as c (tenant_id, id, shard, channel, address, version)
    select distinct on (w.id) p_tenant, w.id, w.shard, p_channel, jsonb_set(w.address, '{channel}', to_jsonb(v_recipient)), 1
    from (select conversation_id, shard, address from outbox
            where tenant_id = p_tenant and channel = p_channel and state = 'pending'
          union all
          select conversation_id, shard, body -> 'address' from inbox
            where tenant_id = p_tenant and channel = p_channel and state = 'waiting') w (id, shard, address)
    where w.address ->> 'channel' = any (v_names) order by w.id
    on conflict (tenant_id, id) do update set version = c.version + 1;
  update inbox set body = jsonb_set(body, '{address,channel}', to_jsonb(v_recipient))
    where tenant_id = p_tenant and channel = p_channel and state = 'waiting' and body -> 'address' ->> 'channel' = any (v_names);
  update outbox set address = jsonb_set(address, '{channel}', to_jsonb(v_recipient))
    where tenant_id = p_tenant and channel = p_channel and state = 'pending' and address ->> 'channel' = any (v_names);
  return v_contacts || v_met;
end $$;

-- Two contacts are one person: history, memories and what waits or was set aside go to the contact and the conversation
-- that stay; where a human speaks in either, the employee is silent. Turns under way in either begin anew.
create function merge_contact(
  p_tenant uuid, p_channel text, p_from text, p_into text, p_from_contact uuid, p_into_contact uuid,
  p_from_conversation uuid, p_into_conversation uuid, p_into_shard int, p_address jsonb)
  returns void language plpgsql as $$
declare v_version bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant::text, 8)); -- see amend_message
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  update contact_aliases set contact = p_into
    where tenant_id = p_tenant and channel = p_channel and contact = p_from;
  insert into contacts (tenant_id, id, channel, external_id)
    values (p_tenant, p_into_contact, p_channel, p_into) on conflict do nothing;
  insert into conversations (tenant_id, id, shard, channel, address)
    values (p_tenant, p_into_conversation, p_into_shard, p_channel, p_address) on conflict do nothing;
  perform 1 from conversations where tenant_id = p_tenant and id in (p_from_conversation, p_into_conversation)
    order by id for update;
  update conversations set version = version + 1
    where tenant_id = p_tenant and id in (p_from_conversation, p_into_conversation);
  update conversations k set last_turn_at = greatest(k.last_turn_at, f.last_turn_at),
      counters = jsonb_build_object(
        'messages', coalesce((k.counters ->> 'messages')::int, 0) + coalesce((f.counters ->> 'messages')::int, 0),
        'attempts', coalesce((k.counters ->> 'attempts')::int, 0) + coalesce((f.counters ->> 'attempts')::int, 0),
        'counts', (select coalesce(jsonb_object_agg(t.rule, t.total), '{}') from (
          select e.key as rule, sum(e.value::int) as total
          from (select * from jsonb_each_text(k.counters -> 'counts')
                union all select * from jsonb_each_text(f.counters -> 'counts')) e group by e.key) t)),
      (paused_reason, paused_until, paused_by, paused_at) = (
        select p.paused_reason, p.paused_until, p.paused_by, p.paused_at from conversations p
        where p.tenant_id = p_tenant and (p.id = k.id or p.id = f.id and p.paused_until > now())
        order by p.paused_until desc nulls last limit 1)
    from conversations f where k.tenant_id = p_tenant and k.id = p_into_conversation
      and f.tenant_id = p_tenant and f.id = p_from_conversation;
  -- Counted once.
  update conversations set counters = '{}' where tenant_id = p_tenant and id = p_from_conversation;
  select version into v_version from conversations where tenant_id = p_tenant and id = p_into_conversation;
  update messages set conversation_id = p_into_conversation, turn = v_version,
      contact_id = case when contact_id = p_from_contact then p_into_contact else contact_id end
    where tenant_id = p_tenant and conversation_id = p_from_conversation;
  update memories set conversation_id = p_into_conversation, contact_id = p_into_contact, shard = p_into_shard, turn = 0
    where tenant_id = p_tenant and conversation_id = p_from_conversation and contact_id = p_from_contact;
  update inbox set conversation_id = p_into_conversation, shard = p_into_shard,
      epoch = (select s.epoch from shards s where s.shard = p_into_shard),
      body = jsonb_set(body, '{contact}', to_jsonb(p_into))
    where tenant_id = p_tenant and conversation_id = p_from_conversation and state = 'waiting';
  update inbox set conversation_id = p_into_conversation, shard = p_into_shard,
      body = case body when '{}' then body else jsonb_set(body, '{contact}', to_jsonb(p_into)) end
    where tenant_id = p_tenant and conversation_id = p_from_conversation and state = 'dead';
  with early as (
    delete from amended_early where tenant_id = p_tenant and conversation_id = p_from_conversation returning *)
  insert into amended_early (tenant_id, conversation_id, source_id, text, at)
    select p_tenant, p_into_conversation, source_id, text, at from early on conflict do nothing;
end $$;

-- A starting host takes all its shards: from now on no older host can commit for them.
create function take_shards(p_host int, p_shards int[], p_there interval default interval '0')
  returns table (shard int, epoch bigint, calm_epoch bigint) language sql as $$
  update shards set epoch = shards.epoch + 1, host = p_host,
      calm_epoch = case when shards.host is null then shards.calm_epoch else shards.epoch + 1 end,
      calm_since = case when shards.host is null then shards.calm_since else now() - p_there end
    where shards.shard = any (p_shards)
  returning shards.shard, shards.epoch, shards.calm_epoch;
$$;

-- A host gives shards up that it still owns, with nothing running in them: no message there met a crash.
create function leave_shards(p_shards int[], p_epochs bigint[]) returns void language sql as $$
  update shards s set host = null from unnest(p_shards, p_epochs) as l (shard, epoch)
    where s.shard = l.shard and s.epoch = l.epoch;
$$;

-- Everything a host needs to take up a conversation.
create function activate(p_tenant uuid, p_conversation uuid, p_window int)
  returns table (version bigint, counters jsonb, paused_seconds double precision, said jsonb, contacts uuid[],
                 waiting jsonb, replies jsonb) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query select
    k.version, k.counters, extract(epoch from k.paused_until - now())::double precision,
    (select jsonb_agg(jsonb_build_object('role', w.role, 'text', w.text, 'turn', w.turn) order by w.id)
       from (select m.id, m.role, m.text, m.turn from messages m where m.tenant_id = p_tenant
              and m.conversation_id = p_conversation order by m.id desc limit p_window) w),
    (select array_agg(distinct m.contact_id) from messages m where m.tenant_id = p_tenant
        and m.conversation_id = p_conversation and m.contact_id is not null),
    -- What came while nobody was there met no crash.
    (select jsonb_agg(jsonb_build_object('id', i.id,
              'epoch', case when i.received_at >= s.calm_since then greatest(i.epoch, s.calm_epoch) else i.epoch end,
              'attempts', i.attempts, 'channel', i.channel, 'body', i.body) order by i.id)
       from inbox i join shards s using (shard)
         where i.tenant_id = p_tenant and i.conversation_id = p_conversation and i.state = 'waiting'),
    (select jsonb_agg(jsonb_build_object('id', o.id, 'turn', o.turn_id, 'part', o.part, 'text', o.text, 'state', o.state,
              'external_id', o.external_id, 'created_at', extract(epoch from o.created_at),
              'channel', o.channel, 'address', o.address, 'source_id', o.source_id) order by o.created_at, o.part)
       from outbox o
       where o.tenant_id = p_tenant and o.conversation_id = p_conversation and o.state in ('streaming', 'pending'))
    from (select 1) one left join conversations k on k.tenant_id = p_tenant and k.id = p_conversation;
end $$;

-- Fails unless this host still owns the shard; the shared lock makes a take-over wait for the commit.
create function check_fence(p_shard int, p_epoch bigint) returns void language plpgsql as $$
begin
  perform 1 from shards where shard = p_shard and epoch = p_epoch for share;
  if not found then
    raise exception 'shard % is owned under a newer epoch than %', p_shard, p_epoch using errcode = 'KF001';
  end if;
end $$;

-- Budgets: reserve and settle --------------------------------------------------------------------------------------

-- The month that it is, UTC.
create function this_month() returns date language sql stable parallel safe
  return date_trunc('month', now() at time zone 'utc')::date;

-- What was spent by turns that reserved nothing, because there was no budget yet, counts from now on. Here and below the
-- month is that of the tenant's row where that is later: who waited for its lock may have begun before the month did.
create function count_unreserved(p_tenant uuid) returns void language plpgsql as $$
declare v_month date;
begin
  insert into spending (tenant_id, subject_id, scope, month) values (p_tenant, p_tenant, 'tenant', this_month())
    on conflict do nothing;
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  with counted as (
    update usage set counted = true
      where tenant_id = p_tenant and not counted and created_at >= v_month::timestamp at time zone 'utc'
      returning employee_id, conversation_id, cost_micros, prompt_tokens + completion_tokens as tokens)
  insert into spending as s (tenant_id, subject_id, scope, month, spent_micros, spent_tokens)
    select p_tenant, x.subject, x.scope, v_month, sum(c.cost_micros), sum(c.tokens)
      from counted c cross join lateral (values ('tenant', p_tenant), ('employee', c.employee_id),
        ('conversation', c.conversation_id)) x (scope, subject) group by x.subject, x.scope
    on conflict (tenant_id, subject_id) do update set month = excluded.month,
      spent_micros = case when s.month = excluded.month then s.spent_micros else 0 end + excluded.spent_micros,
      spent_tokens = case when s.month = excluded.month then s.spent_tokens else 0 end + excluded.spent_tokens;
end $$;

-- What turns had reserved that never ended is free again.
create function release_expired(p_tenant uuid, p_but_of uuid) returns void language sql as $$
  with gone as (
    delete from reservations
      where tenant_id = p_tenant and turn_id <> p_but_of and expires_at <= clock_timestamp() returning *)
  update spending s set reserved_micros = s.reserved_micros - f.micros, reserved_tokens = s.reserved_tokens - f.tokens
    from (select x.subject, sum(g.micros)::bigint as micros, sum(g.tokens)::bigint as tokens
          from gone g cross join lateral (values (p_tenant), (g.employee_id), (g.conversation_id)) x (subject)
          group by x.subject) f
    where s.tenant_id = p_tenant and s.subject_id = f.subject;
$$;

-- The budget that has no room for what a turn may cost ({micros, tokens}) instead of what it holds already.
create function full_budget(p_held reservations, p_cost jsonb, p_month date)
  returns table (scope text, unit text) language sql stable as $$
  select s.scope, u.unit
    from tenants t join spending s on s.tenant_id = t.id cross join lateral (values
      ('micros', (p_cost ->> 'micros')::bigint, p_held.micros, s.spent_micros, s.reserved_micros),
      ('tokens', (p_cost ->> 'tokens')::bigint, p_held.tokens, s.spent_tokens, s.reserved_tokens))
      u (unit, cost, held, spent, reserved)
    where t.id = p_held.tenant_id and s.subject_id in (t.id, p_held.employee_id, p_held.conversation_id)
      and u.cost > u.held and (t.budgets -> s.scope ->> u.unit)::bigint
        < case when s.month >= p_month then u.spent else 0 end + u.reserved - u.held + u.cost
    order by array_position(array['tenant', 'employee', 'conversation'], s.scope), u.unit limit 1;
$$;

-- Before a model is asked: hold the first of the options that fits into every budget. `chosen` counts from 0, -1: none
-- fits; `scope` and `unit` name the budget that has no room for the first; `held`: whether the turn holds anything. A
-- turn that is repeated holds once. Nothing waits for the disk: what PostgreSQL loses in a crash, settle_budget misses.
create function reserve_budget(p_tenant uuid, p_conversation uuid, p_employee uuid, p_turn uuid, p_options jsonb,
                               p_hold interval, out chosen int, out scope text, out unit text, out held boolean)
  language plpgsql as $$
#variable_conflict use_column
declare
  v_month date;
  v_held reservations;
  v_cost jsonb;
  v_now timestamptz;
begin
  perform set_config('app.current_tenant', p_tenant::text, true), set_config('synchronous_commit', 'off', true);
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  v_month := coalesce(v_month, this_month());
  if not found or exists (select from usage where tenant_id = p_tenant and not counted
                            and created_at >= v_month::timestamp at time zone 'utc') then
    perform count_unreserved(p_tenant);
  end if;
  v_now := clock_timestamp(); -- a constant, which an index takes
  if exists (select from reservations where tenant_id = p_tenant and turn_id <> p_turn and expires_at <= v_now) then
    perform release_expired(p_tenant, p_turn);
  end if;
  if exists (select from usage where tenant_id = p_tenant and turn_id = p_turn) then
    raise exception 'turn % has been committed before', p_turn using errcode = 'KF002';
  end if;
  select * into v_held from reservations where tenant_id = p_tenant and turn_id = p_turn;
  held := found;
  if not held then
    v_held := row (p_tenant, p_turn, p_conversation, p_employee, 0, 0, now());
    insert into spending (tenant_id, subject_id, scope, month)
      values (p_tenant, p_employee, 'employee', v_month), (p_tenant, p_conversation, 'conversation', v_month)
      on conflict do nothing;
  end if;
  select f.scope, f.unit into scope, unit from full_budget(v_held, p_options -> 0, v_month) f;
  chosen := case when not found then 0 else coalesce((
    select min(o.n) - 1 from jsonb_array_elements(p_options) with ordinality o (cost, n)
      where o.n > 1 and not exists (select from full_budget(v_held, o.cost, v_month))), -1) end;
  if chosen >= 0 then
    v_cost := p_options -> chosen;
    insert into reservations (tenant_id, turn_id, conversation_id, employee_id, micros, tokens, expires_at)
      values (p_tenant, p_turn, v_held.conversation_id, v_held.employee_id, (v_cost ->> 'micros')::bigint,
              (v_cost ->> 'tokens')::bigint, clock_timestamp() + p_hold)
      on conflict (tenant_id, turn_id) do update
        set micros = excluded.micros, tokens = excluded.tokens, expires_at = excluded.expires_at;
    update spending set reserved_micros = reserved_micros - v_held.micros + (v_cost ->> 'micros')::bigint,
        reserved_tokens = reserved_tokens - v_held.tokens + (v_cost ->> 'tokens')::bigint
      where tenant_id = p_tenant and subject_id in (p_tenant, v_held.employee_id, v_held.conversation_id);
    held := true;
  end if;
end $$;

-- A turn commits: what it cost takes the place of what it held, and operators are told of a budget that is half, four
-- fifths or wholly used. Answers the percentages that were reached just now. KF002 = what it held is gone.
create function settle_budget(p_tenant uuid, p_conversation uuid, p_shard int, p_turn uuid, p_usage jsonb, p_budget jsonb)
  returns int[] language plpgsql as $$
declare
  v_month date;
  v_held reservations;
  v_raised int[];
begin
  select greatest(month, this_month()) into v_month
    from spending where tenant_id = p_tenant and subject_id = p_tenant for update;
  if (p_budget ->> 'held')::boolean then
    delete from reservations where tenant_id = p_tenant and turn_id = p_turn returning * into v_held;
    if not found then
      raise exception 'what turn % had reserved has expired', p_turn using errcode = 'KF002';
    end if;
    update spending set reserved_micros = reserved_micros - v_held.micros, reserved_tokens = reserved_tokens - v_held.tokens,
        spent_micros = case when month < v_month then 0 else spent_micros end + (p_usage ->> 'cost_micros')::bigint,
        spent_tokens = case when month < v_month then 0 else spent_tokens end
          + (p_usage ->> 'prompt_tokens')::bigint + (p_usage ->> 'completion_tokens')::bigint,
        month = v_month
      where tenant_id = p_tenant and subject_id in (p_tenant, v_held.employee_id, v_held.conversation_id);
  end if;
  -- Mostly there is nothing to tell, and it is found out for less than it takes to tell it.
  if jsonb_typeof(p_budget -> 'full') is distinct from 'object' and not exists (
      select from tenants t join spending s on s.tenant_id = t.id
        where t.id = p_tenant and s.subject_id in (p_tenant, (p_usage ->> 'employee')::uuid, p_conversation)
          and (s.spent_micros * 2 >= (t.budgets -> s.scope ->> 'micros')::bigint
            or s.spent_tokens * 2 >= (t.budgets -> s.scope ->> 'tokens')::bigint)) then
    return null;
  end if;
  with due as (
    select s.subject_id, s.scope, v_month as month, u.unit, p.percent, u.spent, u.budget
      from tenants t join spending s on s.tenant_id = t.id cross join lateral (values
        ('micros', case when s.month = v_month then s.spent_micros else 0 end, (t.budgets -> s.scope ->> 'micros')::bigint),
        ('tokens', case when s.month = v_month then s.spent_tokens else 0 end, (t.budgets -> s.scope ->> 'tokens')::bigint))
        u (unit, spent, budget) cross join unnest(array[50, 80, 100]) p (percent)
      where t.id = p_tenant
        and s.subject_id in (p_tenant, (p_usage ->> 'employee')::uuid, p_conversation)
        and u.budget is not null and (u.spent * 100 >= u.budget * p.percent or (p.percent = 100
          and s.scope = p_budget -> 'full' ->> 'scope' and u.unit = p_budget -> 'full' ->> 'unit'))),
  raised as (
    insert into budget_alerts (tenant_id, subject_id, month, unit, percent, budget, scope, spent)
      select p_tenant, subject_id, month, unit, percent, budget, scope, spent from due on conflict do nothing returning *),
  told as (
    insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                        channel, address)
      select p_tenant, md5(concat_ws('|', r.tenant_id, r.subject_id, r.month, r.unit, r.percent, r.budget))::uuid,
             p_conversation, p_shard, p_turn, 1500 + row_number() over (order by r.percent),
             format(p_budget -> 'tell' ->> case r.percent when 100 then 'full' else 'part' end,
               p_budget -> 'tell' ->> r.scope, r.percent, shown_amount(r.spent, r.unit), shown_amount(r.budget, r.unit)),
             'pending', 0, now(), 'slack', p_budget -> 'tell' -> 'address'
        from raised r where jsonb_typeof(p_budget -> 'tell' -> 'address') = 'object')
  select array_agg(percent) into v_raised from raised;
  return v_raised;
end $$;

create function shown_amount(p_amount bigint, p_unit text) returns text language sql immutable
  return case p_unit when 'micros' then to_char(p_amount / 1000000.0, 'FM999999999990.00') || ' USD'
              else p_amount || ' tokens' end;

-- C2: one turn, all or nothing. KF001 = fenced; KF002 = the conversation moved on, read it anew. Answers what
-- settle_budget does; `p_budget` is null where the turn reserved nothing.
create function commit_turn(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_version bigint, p_turn uuid, p_inbox bigint[],
  p_outcome text, p_channel text, p_address jsonb, p_counters jsonb, p_pause jsonb, p_contacts jsonb, p_said jsonb,
  p_memories jsonb, p_replies jsonb, p_usage jsonb, p_claim_seconds double precision, p_budget jsonb)
  returns int[] language plpgsql as $$
declare
  v_consumed int;
  v_paused_until timestamptz := now() + make_interval(secs => (p_pause ->> 'seconds')::double precision);
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  insert into conversations as c (tenant_id, id, shard, channel, address, version, last_turn_at, counters,
                                  paused_reason, paused_until, paused_by)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address, 1, now(), p_counters,
            p_pause ->> 'reason', v_paused_until, p_pause ->> 'by')
    on conflict (tenant_id, id) do update set version = c.version + 1, last_turn_at = now(),
      address = excluded.address, counters = excluded.counters,
      paused_reason = case when p_pause is null then c.paused_reason else excluded.paused_reason end,
      paused_until = case when p_pause is null then c.paused_until else excluded.paused_until end,
      paused_by = case when p_pause is null then c.paused_by else excluded.paused_by end
    where c.version = p_version;
  if not found then
    raise exception 'conversation is not at version %', p_version using errcode = 'KF002';
  end if;
  -- What was said is in messages from now on; a deletion there must not leave a copy here.
  update inbox set state = p_outcome, turn_id = p_turn, body = '{}'
    where tenant_id = p_tenant and id = any (p_inbox) and conversation_id = p_conversation and state = 'waiting';
  get diagnostics v_consumed = row_count;
  if v_consumed <> cardinality(p_inbox) or exists (
      select from inbox where tenant_id = p_tenant and conversation_id = p_conversation and state = 'waiting'
        and id < p_inbox[cardinality(p_inbox)]) then
    raise exception 'the inbox of the conversation is not as the turn saw it' using errcode = 'KF002';
  end if;
  insert into contacts (tenant_id, id, channel, external_id)
    select p_tenant, (e ->> 'id')::uuid, p_channel, e ->> 'external_id' from jsonb_array_elements(p_contacts) e
    on conflict do nothing;
  insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text, source_id, files)
    select p_tenant, p_conversation, p_turn, p_version + 1, e ->> 'role', (e ->> 'contact')::uuid, e ->> 'text',
           e ->> 'source_id', e -> 'files' from jsonb_array_elements(p_said) e;
  insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private, text)
    select p_tenant, p_turn, (e ->> 'contact')::uuid, p_conversation, p_shard, p_version + 1,
           (e ->> 'private')::boolean, e ->> 'text' from jsonb_array_elements(p_memories) e;
  if p_outcome <> 'answered' then
    -- What was visible of an answer that is not wanted any more stays as it is, unless this turn goes on with it.
    update outbox set state = 'cancelled' where tenant_id = p_tenant and conversation_id = p_conversation
      and state = 'streaming' and part = 0
      and id not in (select (e ->> 'id')::uuid from jsonb_array_elements(p_replies) e);
  end if;
  if p_usage is not null then
    insert into usage (tenant_id, turn_id, conversation_id, employee_id, model, calls, prompt_tokens, completion_tokens,
                       cost_micros, provider, channel, price_version, cached_tokens, each_call, counted, answered)
      select p_tenant, p_turn, p_conversation, (p_usage ->> 'employee')::uuid, p_usage ->> 'model',
             (p_usage ->> 'calls')::int, (p_usage ->> 'prompt_tokens')::int, (p_usage ->> 'completion_tokens')::int,
             coalesce((p_usage ->> 'cost_micros')::bigint, 0), p_usage ->> 'provider', p_channel,
             p_usage ->> 'price_version', coalesce((p_usage ->> 'cached_tokens')::int, 0), p_usage -> 'each_call',
             coalesce((p_budget ->> 'held')::boolean, false), coalesce((p_usage ->> 'answered')::boolean, true);
  end if;
  insert into outbox as o (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,
                           claimed_until, channel, address, source_id)
    select p_tenant, (e ->> 'id')::uuid, p_conversation, p_shard, p_turn, (e ->> 'part')::int, e ->> 'text', 'pending',
           p_epoch, clock_timestamp() + make_interval(secs => p_claim_seconds), e ->> 'channel', e -> 'address',
           e ->> 'source_id' from jsonb_array_elements(p_replies) e
    on conflict (tenant_id, id) do update set text = excluded.text, state = 'pending', claim_epoch = excluded.claim_epoch,
      claimed_until = excluded.claimed_until where o.state = 'streaming';
  -- Last, because it locks what all turns of a tenant share.
  return case when p_budget is not null then settle_budget(p_tenant, p_conversation, p_shard, p_turn, p_usage, p_budget) end;
end $$;

-- A message was edited, or deleted where p_text is null: the inbox, the history and the memory say so from now on.
-- What was derived from it is rebuilt; p_form is how a memory reads, with the asked and the said. Where the message is
-- unknown, the amendment is kept until it comes.
create function amend_message(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_inbox bigint, p_target text, p_text text,
  p_form text, p_chars int)
  returns text language plpgsql as $$
declare
  v_turn uuid;
  v_contact uuid;
  v_asked text;
  v_said text;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  if p_target <> '' and not exists (select from messages
                 where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target) then
    -- Whoever stores or moves the message at this moment sees the amendment, or is seen. First of all locks: they hold it,
    -- too, while they wait for rows.
    perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  end if;
  -- Also where it has no row yet: see forget_conversations.
  perform pg_advisory_xact_lock(hashtextextended(p_conversation::text, 4));
  -- In the order of commit_turn.
  perform 1 from conversations where tenant_id = p_tenant and id = p_conversation for no key update;
  update inbox set state = 'applied', body = '{}'
    where tenant_id = p_tenant and id = p_inbox and conversation_id = p_conversation and state = 'waiting';
  if not found then
    raise exception 'the amendment was applied before, or is another conversation''s by now' using errcode = 'KF002';
  end if;
  if p_target = '' then
    return 'answered'; -- of forget_conversations: only to be read anew
  end if;
  update inbox set state = case when p_text is null then 'withdrawn' else state end,
      body = case when p_text is null then '{}' else jsonb_set(body, '{text}', to_jsonb(p_text)) end
    where tenant_id = p_tenant and conversation_id = p_conversation and state = 'waiting'
      and body ->> 'source_id' = p_target and coalesce(body ->> 'target', '') = '';
  if found then
    return 'waiting';
  end if;
  -- A dead letter is kept for its error.
  update inbox set body = '{}' where tenant_id = p_tenant and conversation_id = p_conversation and state = 'dead'
    and body ->> 'source_id' = p_target;
  select turn_id, contact_id into v_turn, v_contact from messages
    where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  if not found then
    insert into amended_early as a (tenant_id, conversation_id, source_id, text)
      values (p_tenant, p_conversation, p_target, p_text)
      on conflict (tenant_id, conversation_id, source_id) do update
        set text = case when a.text is not null then excluded.text end, at = now();
    return 'unknown';
  end if;
  update conversations set version = version + 1 where tenant_id = p_tenant and id = p_conversation;
  if p_text is null then
    delete from messages where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  else
    update messages set text = p_text
      where tenant_id = p_tenant and conversation_id = p_conversation and source_id = p_target;
  end if;
  select string_agg(text, ' ' order by id) filter (where contact_id = v_contact),
         string_agg(text, ' ' order by id) filter (where role = 'employee') into v_asked, v_said
    from messages where tenant_id = p_tenant and conversation_id = p_conversation and turn_id = v_turn;
  if v_asked is null then
    delete from memories where tenant_id = p_tenant and turn_id = v_turn and contact_id = v_contact;
  else
    update memories set text = format(p_form, left(v_asked, p_chars), left(v_said, p_chars)), embedding = null
      where tenant_id = p_tenant and turn_id = v_turn and contact_id = v_contact;
  end if;
  return 'answered';
end $$;

-- A file of a message that waits is about to be kept: on record before it is, so that a deletion finds it.
create function note_file(p_tenant uuid, p_inbox bigint, p_shard int, p_epoch bigint, p_digest text)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  update inbox set body = jsonb_set(body, '{files}', coalesce(body -> 'files', '[]') - p_digest || jsonb_build_array(p_digest))
    where tenant_id = p_tenant and id = p_inbox and state = 'waiting';
  if not found then
    raise exception 'message % waits no more', p_inbox using errcode = 'KF002';
  end if;
end $$;

-- An operator takes over, the employee is silent from now on: a turn under way cannot commit, and nothing more of it becomes visible.
create function pause_conversation(p_tenant uuid, p_conversation uuid, p_reason text, p_seconds double precision)
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update conversations set version = version + 1, paused_reason = p_reason, paused_by = 'operator',
      paused_until = now() + make_interval(secs => p_seconds)
    where tenant_id = p_tenant and id = p_conversation;
  return found;
end $$;

-- The employee speaks again; escalation rules count from zero.
create function resume_conversation(p_tenant uuid, p_conversation uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update conversations set version = version + 1, paused_reason = null, paused_until = null, paused_by = null,
      counters = '{}'
    where tenant_id = p_tenant and id = p_conversation;
  return found;
end $$;

-- A streaming answer becomes visible: durable before the first word, so that a successor continues the same message.
create function open_reply(
  p_tenant uuid, p_conversation uuid, p_shard int, p_epoch bigint, p_version bigint, p_turn uuid, p_reply uuid,
  p_channel text, p_address jsonb, p_source_id text, p_claim_seconds double precision)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  insert into conversations (tenant_id, id, shard, channel, address)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address) on conflict do nothing;
  perform 1 from conversations where tenant_id = p_tenant and id = p_conversation and version = p_version for share;
  if not found then
    raise exception 'conversation is not at version %', p_version using errcode = 'KF002';
  end if;
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                      channel, address, source_id)
    values (p_tenant, p_reply, p_conversation, p_shard, p_turn, 0, '', 'streaming', p_epoch,
            clock_timestamp() + make_interval(secs => p_claim_seconds), p_channel, p_address, p_source_id)
    on conflict (tenant_id, id) do update set claim_epoch = excluded.claim_epoch, claimed_until = excluded.claimed_until;
end $$;

-- Something to tell that no turn said, such as a notice to operators. Told once: a repeated id changes nothing.
create function queue_reply(p_tenant uuid, p_reply uuid, p_conversation uuid, p_shard int, p_turn uuid, p_part int,
                            p_text text, p_channel text, p_address jsonb)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                      channel, address)
    values (p_tenant, p_reply, p_conversation, p_shard, p_turn, p_part, p_text, 'pending', 0, now(), p_channel, p_address)
    on conflict do nothing;
end $$;

-- Something to tell operators that no conversation said: in one of its own, where they are told.
create function tell_operators(p_tenant uuid, p_notice uuid, p_conversation uuid, p_shard int, p_text text,
                               p_channel text, p_address jsonb)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into conversations (tenant_id, id, shard, channel, address)
    values (p_tenant, p_conversation, p_shard, p_channel, p_address) on conflict do nothing;
  perform queue_reply(p_tenant, p_notice, p_conversation, p_shard, p_notice, 1000, p_text, p_channel, p_address);
end $$;

-- The right to write to the channel for one reply, for p_claim_seconds. Answers the seconds to wait until an earlier
-- owner's right has run out; 0 = claimed; null = nothing left to send, or nothing to p_recipient: who is called
-- otherwise by now, see move_contact.
create function claim_reply(p_tenant uuid, p_reply uuid, p_shard int, p_epoch bigint, p_claim_seconds double precision,
                            p_recipient text default null)
  returns double precision language plpgsql as $$
declare v_wait double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  select case when claim_epoch = p_epoch then 0
              else greatest(0, extract(epoch from claimed_until - clock_timestamp())) end into v_wait
    from outbox where tenant_id = p_tenant and id = p_reply and state in ('streaming', 'pending')
      and address ->> 'channel' = coalesce(p_recipient, address ->> 'channel') for update;
  if v_wait = 0 then
    update outbox set claim_epoch = p_epoch, attempts = attempts + 1,
        claimed_until = clock_timestamp() + make_interval(secs => p_claim_seconds)
      where tenant_id = p_tenant and id = p_reply;
  end if;
  return v_wait;
end $$;

-- The platform's id of a streaming reply, before any text is appended to it. False: nobody wants the reply any more, it
-- was erased or its channel disconnected.
create function record_external_id(p_tenant uuid, p_reply uuid, p_epoch bigint, p_external_id text)
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update outbox set external_id = p_external_id
    where tenant_id = p_tenant and id = p_reply and claim_epoch = p_epoch and state in ('streaming', 'pending');
  if found then
    return true;
  end if;
  if exists (select from outbox where tenant_id = p_tenant and id = p_reply and claim_epoch <> p_epoch) then
    raise exception 'reply % is claimed under another epoch', p_reply using errcode = 'KF001';
  end if;
  return false;
end $$;

-- C3: replies that are out, several tenants in one commit. Only the holder of the claim may say so, and not of a
-- message that the channel has reported as failed meanwhile.
create function mark_sent(p_tenants uuid[], p_replies uuid[], p_epochs bigint[], p_external_ids text[], p_errors text[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update outbox o set state = case when e.error is null then 'sent' else 'dead' end, error = e.error,
        external_id = coalesce(e.external_id, o.external_id), sent_at = case when e.error is null then now() end
      from unnest(p_tenants, p_replies, p_epochs, p_external_ids, p_errors) as e (tenant, reply, epoch, external_id, error)
      where e.tenant = v_tenant and o.tenant_id = v_tenant and o.id = e.reply and o.claim_epoch = e.epoch
        and o.state in ('streaming', 'pending') and not starts_with(coalesce(o.error, ''), coalesce(e.external_id, '-') || ': ');
  end loop;
end $$;

-- What the channel reports of replies, by their id or by the channel's, several tenants in one commit; never backwards.
-- A report settles a send whose outcome was unknown. A failure that may pass (p_again) is sent again, a few times, as a
-- template where the contact's window was closed (p_closed); what is reported of the failed message afterwards is of no
-- interest.
create function record_deliveries(p_tenants uuid[], p_replies uuid[], p_external_ids text[], p_deliveries text[],
                                  p_errors text[], p_again boolean[], p_closed boolean[])
  returns void language plpgsql as $$
declare
  v_tenant uuid;
  v_order text[] := array['sent', 'delivered', 'read', 'failed'];
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update outbox o set
        delivery = case when e.again and o.failures < 3 then null else e.delivery end,
        error = case when e.delivery = 'failed' then e.external_id || ': ' || coalesce(e.error, '') else o.error end,
        external_id = case when e.again and o.failures < 3 then null else coalesce(o.external_id, e.external_id) end,
        failures = o.failures + e.again::int,
        address = case when e.closed then o.address || '{"open_until": 0}' else o.address end,
        sent_at = case when o.state = 'pending' then now() else o.sent_at end,
        state = case when e.again and o.failures < 3 then 'pending' when e.delivery = 'failed' then 'dead' else 'sent' end
      from (select distinct on (r.id) r.id, u.external_id, u.delivery, u.error, u.again, u.closed
            from unnest(p_tenants, p_replies, p_external_ids, p_deliveries, p_errors, p_again, p_closed)
                 as u (tenant, reply, external_id, delivery, error, again, closed)
            join outbox r on r.tenant_id = v_tenant
              and r.id = coalesce(u.reply, (select x.id from outbox x where x.tenant_id = v_tenant
                                            and x.channel = 'whatsapp' and x.external_id = u.external_id limit 1))
            where u.tenant = v_tenant order by r.id, array_position(v_order, u.delivery) desc) e
      where o.tenant_id = v_tenant and o.id = e.id and o.state in ('pending', 'sent')
        and coalesce(array_position(v_order, o.delivery), 0) < array_position(v_order, e.delivery)
        and not (e.delivery = 'failed' and coalesce(o.delivery, '') in ('delivered', 'read'))
        and coalesce(o.external_id, e.external_id) = e.external_id
        and not starts_with(coalesce(o.error, ''), e.external_id || ': ');
  end loop;
end $$;

-- A message whose turn crashed counts the crash; from p_limit on it is a dead letter.
create function count_attempt(p_tenant uuid, p_inbox bigint[], p_shard int, p_epoch bigint, p_limit int, p_error text)
  returns table (id bigint, state text, attempts int) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform check_fence(p_shard, p_epoch);
  return query
    update inbox i set attempts = i.attempts + 1, error = coalesce(p_error, i.error),
        epoch = case when p_error is null then p_epoch else i.epoch end,  -- that crash is on record
        state = case when i.attempts + 1 >= p_limit then 'dead' else i.state end
      where i.tenant_id = p_tenant and i.id = any (p_inbox) and i.state = 'waiting'
      returning i.id, i.state, i.attempts;
  -- What was visible of its answer stays as it is: nobody goes on with it. An answer belongs to the first message.
  update outbox o set state = 'cancelled' from inbox i
    where i.tenant_id = p_tenant and i.id = any (p_inbox) and i.state = 'dead'
      and o.tenant_id = p_tenant and o.conversation_id = i.conversation_id and o.state = 'streaming'
      and not exists (select from inbox w where w.tenant_id = p_tenant and w.conversation_id = i.conversation_id
                        and w.state = 'waiting' and w.id < i.id);
end $$;

-- An operator has a dead letter tried again: the message as if it had come now, and what was begun to show of its answer
-- goes on. False where it is none (any more).
create function retry_message(p_tenant uuid, p_inbox bigint, p_turn uuid) returns boolean language plpgsql as $$
declare v_conversation uuid;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update inbox i set state = 'waiting', attempts = 0, error = null, received_at = now(),
      epoch = (select s.epoch from shards s where s.shard = i.shard)
    where i.tenant_id = p_tenant and i.id = p_inbox and i.state = 'dead' and i.body <> '{}' returning i.conversation_id into v_conversation;
  if not found then
    return false;
  end if;
  update outbox set state = 'streaming'
    where tenant_id = p_tenant and conversation_id = v_conversation and turn_id = p_turn and part = 0
      and state = 'cancelled';
  return true;
end $$;

-- A refused reply is sent again as another, for hosts know this one as settled. False where it is none (any more).
create function retry_reply(p_tenant uuid, p_reply uuid, p_again uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update outbox set state = 'cancelled' where tenant_id = p_tenant and id = p_reply and state = 'dead';
  if not found then
    return false;
  end if;
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until,
                      channel, address, source_id)
    select tenant_id, p_again, conversation_id, shard, turn_id, part, text, 'pending', 0, now(), channel, address, source_id
      from outbox where tenant_id = p_tenant and id = p_reply;
  return true;
end $$;

-- Whether these contacts have memories that the window does not hold.
create function has_memories(p_tenant uuid, p_contacts uuid[], p_private boolean, p_conversation uuid, p_window_start bigint)
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return exists (select from memories where tenant_id = p_tenant and contact_id = any (p_contacts)
    and (not private or p_private) and not (conversation_id = p_conversation and turn >= p_window_start));
end $$;

-- The nearest of those memories, nearest first. One plan serves every question: planning took longer than searching.
create function recall_memories(p_tenant uuid, p_contacts uuid[], p_private boolean, p_conversation uuid,
                                p_window_start bigint, p_query text, p_limit int)
  returns setof text language plpgsql set plan_cache_mode = force_generic_plan as $$
declare v_query vector := p_query;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query select m.text from memories m where m.tenant_id = p_tenant and m.contact_id = any (p_contacts)
    and m.embedding is not null and (not m.private or p_private)
    and not (m.conversation_id = p_conversation and m.turn >= p_window_start)
    order by m.embedding <=> v_query limit p_limit;
end $$;

-- Memory jobs done, several tenants in one commit.
create function store_embeddings(p_tenants uuid[], p_turns uuid[], p_contacts uuid[], p_embeddings text[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    update memories m set embedding = e.embedding::vector
      from unnest(p_tenants, p_turns, p_contacts, p_embeddings) as e (tenant, turn, contact, embedding)
      where e.tenant = v_tenant and m.tenant_id = v_tenant and m.turn_id = e.turn and m.contact_id = e.contact;
  end loop;
end $$;

-- Erasure and export ----------------------------------------------------------------------------------------------

-- Everything that a person is called on a channel, the name of their contact first.
create function names_of_contact(p_tenant uuid, p_channel text, p_name text) returns text[] language sql stable as $$
  with contact as (
    select coalesce((select a.contact from contact_aliases a
                     where a.tenant_id = p_tenant and a.channel = p_channel and a.alias = p_name), p_name) as name)
  select array[c.name] || array(select a.alias from contact_aliases a where a.tenant_id = p_tenant
    and a.channel = p_channel and a.contact = c.name and a.alias <> c.name order by a.alias) from contact c;
$$;

-- The conversations that a person took part in; theirs alone: nobody else reads along.
create function conversations_of_contact(p_tenant uuid, p_channel text, p_names text[])
  returns table (conversation uuid, alone boolean) language sql stable as $$
  -- Each by its own index: nobody's erasure looks through all conversations of the tenant.
  select f.id, bool_or(f.private) from (
    select c.id, coalesce((c.address ->> 'private')::boolean, false) as private from conversations c
      where c.tenant_id = p_tenant and c.channel = p_channel and c.address ->> 'channel' = any (p_names)
    union all
    select c.id, coalesce((c.address ->> 'private')::boolean, false) from conversations c
      where c.tenant_id = p_tenant and c.channel = p_channel and c.id in (
        select m.conversation_id from contacts k join messages m on m.tenant_id = p_tenant and m.contact_id = k.id
          where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (p_names))
    union all
    select i.conversation_id, coalesce((i.body -> 'address' ->> 'private')::boolean, false) from inbox i
      where i.tenant_id = p_tenant and i.channel = p_channel and i.state = 'waiting' and i.body ->> 'contact' = any (p_names)
    union all
    select i.conversation_id, coalesce((i.body -> 'address' ->> 'private')::boolean, false) from inbox i
      where i.tenant_id = p_tenant and i.channel = p_channel and i.state = 'dead' and i.body ->> 'contact' = any (p_names)) f
  group by f.id;
$$;

-- Digests of kept files that came from this person and from nobody else.
create function files_of_contact(p_tenant uuid, p_channel text, p_name text) returns setof text language plpgsql as $$
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

-- What operators are told of other people's turns quotes what was said before. What still waits to be told goes without
-- the quotations, as another notice, for hosts know this one with them; alerts about budgets (from 1500 on) quote nobody.
create function forget_quotations(p_tenant uuid, p_conversations uuid[]) returns void language sql as $$
  with gone as (
    delete from outbox where tenant_id = p_tenant and conversation_id = any (p_conversations) and part between 1000 and 1499
    returning *),
  told as (
    select conversation_id, shard, turn_id, channel, address, string_agg(text, E'\n\n' order by part) as text
    from gone where state = 'pending' group by conversation_id, shard, turn_id, channel, address)
  insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch, claimed_until, channel, address)
    select p_tenant, gen_random_uuid(), conversation_id, shard, turn_id, 1000,
           concat_ws(E'\n\n', split_part(text, E'\n\n', 1), 'What was said is not quoted: somebody who took part was forgotten.',
                     substring(text from '\n\n(Conversation: [^\n]*(\n[^\n]*)?)$')),
           'pending', 0, now(), channel, address from told;
$$;

-- An erasure begins: what is delivered again from now on stays outside, and the audit says so, also if it is interrupted.
create function begin_erasure(p_tenant uuid, p_channel text, p_name text) returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  insert into audit_events (tenant_id, action, subject) values (p_tenant, 'contact.erased', 'channel:' || p_channel);
  insert into tombstones as s (tenant_id, digest)
    select p_tenant, tombstone_of(p_tenant, p_channel, n) from unnest(names_of_contact(p_tenant, p_channel, p_name)) n
    on conflict (tenant_id, digest) do update set erased_at = now();
end $$;

-- Of a person, p_limit conversations at most (null: all that there are): those that are theirs alone whole; of shared ones
-- what they said, the answers to it and what was remembered of it. Turns under way there cannot commit any more; what is
-- not sent will not be. Answers how many they were, and for how many seconds a reply may still be on its way, under a
-- claim that was given before.
create function forget_conversations(p_tenant uuid, p_channel text, p_name text, p_limit int)
  returns table (forgotten int, seconds double precision) language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_alone uuid[];
  v_shared uuid[];
  v_all uuid[];
  v_new uuid[];
  v_turns uuid[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  select coalesce(array_agg(c.conversation) filter (where c.alone), '{}'),
         coalesce(array_agg(c.conversation) filter (where not c.alone), '{}') into v_alone, v_shared
    from (select * from conversations_of_contact(p_tenant, p_channel, v_names) limit p_limit) c;
  v_all := v_alone || v_shared;
  forgotten := cardinality(v_all);
  seconds := 0;
  if forgotten = 0 then
    return next;
    return;
  end if;
  v_new := array(select n from unnest(v_all) n
    where not exists (select from conversations c where c.tenant_id = p_tenant and c.id = n) order by 1);
  -- No amendment there sees their new rows, to wait for them.
  perform pg_advisory_xact_lock(hashtextextended(n::text, 4)) from unnest(v_new) n;
  -- In the order of commit_turn. Also of what was never answered: a first turn under way meets this version.
  insert into conversations as c (tenant_id, id, shard, channel, address, version)
    select distinct p_tenant, i.conversation_id, i.shard, p_channel, i.body -> 'address', 1 from inbox i
    where i.tenant_id = p_tenant and i.state = 'waiting' and i.conversation_id = any (v_new)
    on conflict do nothing;
  update conversations c set version = c.version + 1, counters = case when c.id = any (v_alone) then '{}' else c.counters end,
      address = case when c.id = any (v_alone) then jsonb_build_object('team', c.address ->> 'team', 'channel', '')
                     else c.address || '{"recipient": ""}' end
    where c.tenant_id = p_tenant and c.id = any (v_all);
  v_contacts := array(select k.id from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names));
  v_turns := array(select distinct m.turn_id from messages m
    where m.tenant_id = p_tenant and m.conversation_id = any (v_shared) and m.contact_id = any (v_contacts));
  select greatest(0, max(extract(epoch from o.claimed_until - clock_timestamp()))) into seconds from outbox o
    where o.tenant_id = p_tenant and o.state in ('streaming', 'pending') and o.conversation_id = any (v_all)
      and (o.conversation_id = any (v_alone) or o.turn_id = any (v_turns) or o.part between 1000 and 1499);
  delete from outbox where tenant_id = p_tenant and conversation_id = any (v_all)
    and (conversation_id = any (v_alone) or turn_id = any (v_turns));
  perform forget_quotations(p_tenant, v_shared);
  delete from memories where tenant_id = p_tenant and conversation_id = any (v_all)
    and (conversation_id = any (v_alone) or contact_id = any (v_contacts) or turn_id = any (v_turns));
  delete from feedback where tenant_id = p_tenant and conversation_id = any (v_alone);
  delete from web_messages where tenant_id = p_tenant and conversation_id = any (v_alone);
  delete from amended_early where tenant_id = p_tenant and conversation_id = any (v_all);
  -- Late, for whoever delivers such an event again waits for the end of this. Hosts find the new rows within a second, and
  -- read the conversation anew: what they knew of it is gone. Then they delete its files once more: one may have been
  -- noted meanwhile, and be kept by a turn that only the host can end.
  with answered as (
    delete from messages where tenant_id = p_tenant and conversation_id = any (v_all)
      and (conversation_id = any (v_alone) or contact_id = any (v_contacts) or turn_id = any (v_turns) and role = 'employee')
    returning conversation_id, files),
  unanswered as (
    delete from inbox where tenant_id = p_tenant and channel = p_channel and conversation_id = any (v_all)
      and (conversation_id = any (v_alone) or body ->> 'contact' = any (v_names) or string_to_array(event, ':') && v_names)
    returning conversation_id, body -> 'files' as files),
  kept as (
    select g.conversation_id, jsonb_agg(distinct f) as files
    from (select * from unanswered union all select * from answered) g, jsonb_array_elements(g.files) f
    group by g.conversation_id)
  insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)
    select p_tenant, p_channel, 'erasure:' || gen_random_uuid(), c.id, c.shard, s.epoch,
           '{"kind": "delete", "target": "", "contact": "", "text": "", "source_id": "", "address": {"team": "", "channel": ""}}'
             || jsonb_strip_nulls(jsonb_build_object('files', k.files))
    from conversations c join shards s on s.shard = c.shard left join kept k on k.conversation_id = c.id
    where c.tenant_id = p_tenant and c.id = any (v_all);
  return next;
end $$;

-- Forget a person: every row about them, except what was used and what it cost, which names nobody. Whoever heard from
-- them until now is waited for, and webhooks wait meanwhile: what there is to forget was forgotten before, by
-- forget_conversations, and here only what came since. Answers for how many seconds a reply may still be on its way.
create function erase_contact(p_tenant uuid, p_channel text, p_name text) returns double precision language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_seconds double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  -- First of all locks, as in hear: what is heard from now on knows of the tombstone.
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text || p_channel, 0));
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  delete from tombstones where tenant_id = p_tenant and erased_at < now() - interval '8 days';
  insert into tombstones as s (tenant_id, digest)
    select p_tenant, tombstone_of(p_tenant, p_channel, n) from unnest(v_names) n
    on conflict (tenant_id, digest) do update set erased_at = now();
  select f.seconds into v_seconds from forget_conversations(p_tenant, p_channel, p_name, null) f;
  select array_agg(k.id) into v_contacts from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names);
  delete from memories where tenant_id = p_tenant and contact_id = any (v_contacts);
  delete from messages where tenant_id = p_tenant and contact_id = any (v_contacts);
  delete from feedback where tenant_id = p_tenant and contact_id = any (v_contacts);
  delete from contacts where tenant_id = p_tenant and id = any (v_contacts);
  delete from contact_aliases where tenant_id = p_tenant and channel = p_channel and contact = v_names[1];
  return v_seconds;
end $$;

-- The end of a tenant begins: nothing is heard, answered or sent for it any more, and its rows may go one by one. Answers
-- as erase_contact does; null where there is no such tenant.
create function close_tenant(p_tenant uuid) returns double precision language plpgsql as $$
declare v_seconds double precision;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_tenant::text, 8));
  if not exists (select from tenants where id = p_tenant) then
    return null;
  end if;
  delete from tombstones where tenant_id = p_tenant;
  insert into tombstones (tenant_id, digest) values (p_tenant, tombstone_of(p_tenant, '', ''));
  delete from channels where tenant_id = p_tenant;
  -- Turns under way cannot commit any more, nor show anything, as in forget_conversations.
  insert into conversations as c (tenant_id, id, shard, channel, address)
    select distinct p_tenant, i.conversation_id, i.shard, i.channel, coalesce(i.body -> 'address', '{}') from inbox i
    where i.tenant_id = p_tenant and i.state = 'waiting' on conflict do nothing;
  update conversations set version = version + 1 where tenant_id = p_tenant
    and id in (select i.conversation_id from inbox i where i.tenant_id = p_tenant and i.state = 'waiting');
  select greatest(0, max(extract(epoch from claimed_until - clock_timestamp()))) into v_seconds from outbox
    where tenant_id = p_tenant and state in ('streaming', 'pending');
  -- A file of a message that waits may be on its way into the store, for 20 seconds at most.
  if exists (select from inbox where tenant_id = p_tenant and state = 'waiting' and body ?| '{attachments,files}') then
    v_seconds := greatest(v_seconds, 25);
  end if;
  delete from outbox where tenant_id = p_tenant and state in ('streaming', 'pending');
  delete from inbox where tenant_id = p_tenant and state = 'waiting';
  return v_seconds;
end $$;

-- Some rows of a tenant that is closed; answers how many, 0 when there are no more. What hangs on conversations goes before
-- them, for a key's own deletion goes one by one. One without a turn stays until the tenant goes: a first turn under way
-- would find no version that is newer.
create function thin_tenant(p_tenant uuid, p_limit int) returns int language plpgsql as $$
declare
  v_table text;
  v_count int;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  foreach v_table in array array['outbox', 'memories', 'messages', 'feedback', 'web_messages', 'inbox', 'conversations',
                                 'contacts', 'contact_aliases'] loop
    execute format('delete from %1$I where ctid = any (array(select ctid from %1$I where tenant_id = $1 %2$s limit $2))',
                   v_table, case v_table when 'conversations' then 'and last_turn_at is not null' end)
      using p_tenant, p_limit;
    get diagnostics v_count = row_count;
    if v_count > 0 then
      return v_count;
    end if;
  end loop;
  return 0;
end $$;

-- A tenant's id is made of its name: another one of the name would read the audit of the one that was erased.
create function refuse_forgotten_name() returns trigger language plpgsql as $$
begin
  if exists (select from tombstones where tenant_id = new.id and digest = tombstone_of(new.id, '', ''))
      or tg_op = 'INSERT' and exists (select from audit_events where tenant_id = new.id and action = 'tenant.deleted') then
    raise exception 'A tenant called % was erased here, and its audit stays under that name; take another name.', new.name
      using errcode = 'KF003';
  end if;
  return null;
end $$;
-- After, and so past the wait for an erasure under way. What is applied to a tenant that is closed would be lost, too.
create trigger refuse_forgotten_name after insert or update on tenants for each row execute function refuse_forgotten_name();

-- The tables in which a tenant has rows.
create function tables_of_tenants() returns setof text language sql stable as $$
  select c.relname::text from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and not c.relispartition and has_table_privilege(c.oid, 'select')
    and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
  order by 1;
$$;

-- A tenant's rows of one table, without what is encrypted, hashed or made of the rest.
create function rows_of_tenant(p_tenant uuid, p_table text) returns setof jsonb language plpgsql as $$
declare v_left_out text[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  if p_table not in (select tables_of_tenants()) then
    raise exception '% is no table of tenants', p_table using errcode = '42P01';
  end if;
  select coalesce(array_agg(a.attname::text), '{}') into v_left_out from pg_attribute a
    where a.attrelid = p_table::regclass and a.atttypid in ('bytea'::regtype, 'vector'::regtype);
  -- Options of channels hold hashes of secrets, to be found by.
  return query execute format('select to_jsonb(t) - %L::text[] %s from %I t where t.%I = %L', v_left_out,
    case p_table when 'channels' then
      $sql$ || jsonb_build_object('options', (select coalesce(jsonb_object_agg(o.key, o.value), '{}')
        from jsonb_each(t.options) o where o.key not like '%\_sha256')) $sql$ end,
    p_table, case p_table when 'tenants' then 'id' else 'tenant_id' end, p_tenant);
end $$;

-- Everything about one person, by table.
create function rows_of_contact(p_tenant uuid, p_channel text, p_name text)
  returns table (place text, content jsonb) language plpgsql as $$
declare
  v_names text[];
  v_contacts uuid[];
  v_alone uuid[];
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  v_names := names_of_contact(p_tenant, p_channel, p_name);
  select array_agg(k.id) into v_contacts from contacts k
    where k.tenant_id = p_tenant and k.channel = p_channel and k.external_id = any (v_names);
  select array_agg(c.conversation) into v_alone from conversations_of_contact(p_tenant, p_channel, v_names) c where c.alone;
  return query
    select 'contacts', to_jsonb(k) from contacts k where k.tenant_id = p_tenant and k.id = any (v_contacts)
    union all select 'contact_aliases', to_jsonb(a) from contact_aliases a
      where a.tenant_id = p_tenant and a.channel = p_channel and a.contact = v_names[1]
    union all select 'conversations', to_jsonb(c) from conversations c where c.tenant_id = p_tenant and c.id = any (v_alone)
    union all (select 'messages', to_jsonb(m) from messages m
      where m.tenant_id = p_tenant and (m.conversation_id = any (v_alone) or m.contact_id = any (v_contacts)) order by m.id)
    union all select 'memories', to_jsonb(m) - 'embedding' from memories m
      where m.tenant_id = p_tenant and (m.conversation_id = any (v_alone) or m.contact_id = any (v_contacts))
    union all select 'inbox', to_jsonb(i) from inbox i where i.tenant_id = p_tenant and i.channel = p_channel
      and (i.conversation_id = any (v_alone) or i.body ->> 'contact' = any (v_names))
    union all select 'outbox', to_jsonb(o) from outbox o where o.tenant_id = p_tenant and o.conversation_id = any (v_alone)
    union all select 'web_messages', to_jsonb(w) from web_messages w
      where w.tenant_id = p_tenant and w.conversation_id = any (v_alone)
    union all select 'feedback', to_jsonb(f) from feedback f where f.tenant_id = p_tenant and f.contact_id = any (v_contacts)
    union all select 'usage', to_jsonb(u) from usage u where u.tenant_id = p_tenant and u.conversation_id = any (v_alone);
end $$;

-- Installations and feedback --------------------------------------------------------------------------------------

-- The provider says that the connection ended at p_at; p_accounts: only for these accounts, none = for all. What is
-- older than the installation is about an earlier one. What still was to be sent there will never be.
create function disconnect_channel(
  p_tenant uuid, p_kind text, p_app text, p_team text, p_at timestamptz, p_accounts text[])
  returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update channels set disconnected_at = p_at
    where tenant_id = p_tenant and kind = p_kind and app = p_app and team = p_team and installed_at <= p_at
      and (cardinality(p_accounts) = 0 or account = any (p_accounts));
  if not found then
    return false;
  end if;
  update outbox set state = 'cancelled', error = 'The channel was disconnected.'
    where tenant_id = p_tenant and channel = p_kind and address ->> 'team' = p_team
      and state in ('streaming', 'pending');
  return true;
end $$;

-- What a person thinks of a turn's answer; the last word counts. Each change to "bad" is one more attempt that did
-- not satisfy. False where the reply is unknown.
create function give_feedback(p_tenant uuid, p_turn uuid, p_reply uuid, p_contact uuid, p_positive boolean)
  returns boolean language plpgsql as $$
declare
  v_conversation uuid;
  v_before boolean;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  select conversation_id into v_conversation from outbox
    where tenant_id = p_tenant and id = p_reply and turn_id = p_turn;
  if not found then
    return false;
  end if;
  -- One press at a time, and in the order of commit_turn.
  perform 1 from conversations where tenant_id = p_tenant and id = v_conversation for update;
  select positive into v_before from feedback
    where tenant_id = p_tenant and turn_id = p_turn and contact_id = p_contact;
  insert into feedback (tenant_id, turn_id, contact_id, conversation_id, positive)
    values (p_tenant, p_turn, p_contact, v_conversation, p_positive)
    on conflict (tenant_id, turn_id, contact_id) do update set positive = excluded.positive, given_at = now();
  if not p_positive and v_before is distinct from false then
    -- The new version makes a host that knows older counters read them again.
    update conversations set version = version + 1, counters = jsonb_set(counters, '{attempts}',
        to_jsonb(coalesce((counters ->> 'attempts')::int, 0) + 1))
      where tenant_id = p_tenant and id = v_conversation;
  end if;
  return true;
end $$;

-- The right to spend the refresh token of a channel whose token expires within p_left, for one caller at a time: its
-- secrets as they are now, or nothing.
create function lease_refresh(
  p_tenant uuid, p_kind text, p_app text, p_team text, p_left interval, p_lease interval)
  returns bytea language plpgsql as $$
declare v_secrets bytea;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update channels set refreshing_until = clock_timestamp() + p_lease
    where tenant_id = p_tenant and kind = p_kind and app = p_app and team = p_team and disconnected_at is null
      and expires_at < now() + p_left and coalesce(refreshing_until, '-infinity') < clock_timestamp()
    returning secrets into v_secrets;
  return v_secrets;
end $$;

-- Make something visible in the web chat. Changes of one conversation are numbered in the order of their commits, so
-- that a reader who has seen number n misses nothing by asking for more than n. What is final never shrinks again.
create function say_on_web(p_tenant uuid, p_conversation uuid, p_id uuid, p_role text, p_text text, p_final boolean)
  returns bigint language plpgsql as $$
declare v_seq bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  perform pg_advisory_xact_lock(hashtextextended(p_conversation::text, 5));
  select coalesce(max(seq), 0) + 1 into v_seq from web_messages
    where tenant_id = p_tenant and conversation_id = p_conversation;
  if p_role = 'employee' then
    update web_messages set text = '', seq = v_seq
      where tenant_id = p_tenant and conversation_id = p_conversation and role = 'status' and text <> '';
    v_seq := v_seq + 1;
  end if;
  insert into web_messages as w (tenant_id, conversation_id, id, place, seq, role, text, final)
    values (p_tenant, p_conversation, p_id, v_seq, v_seq, p_role, p_text, p_final)
    on conflict (tenant_id, conversation_id, id) do update
      -- An answer that ends without another word ends as it is.
      set text = case when p_role = 'employee' and excluded.text = '' then w.text else excluded.text end,
          final = excluded.final, seq = excluded.seq
      where w.role = excluded.role and (excluded.final or not w.final)
        and (p_role = 'status' or (w.text, w.final) is distinct from (excluded.text, excluded.final));
  return v_seq;
end $$;

-- Whether a reply is visible there in its final form; null where it is not visible at all.
create function seen_on_web(p_tenant uuid, p_conversation uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return (select final from web_messages
          where tenant_id = p_tenant and conversation_id = p_conversation and id = p_id and role = 'employee');
end $$;

-- What changed after a number, in the order of the changes; of more than p_limit the latest.
create function web_feed(p_tenant uuid, p_conversation uuid, p_after bigint, p_limit int)
  returns setof web_messages language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query select * from (
    select * from web_messages where tenant_id = p_tenant and conversation_id = p_conversation and seq > p_after
      order by seq desc limit p_limit) latest order by seq;
end $$;

-- Money ---------------------------------------------------------------------------------------------------------

-- What a message cost then, by the version of the list that was valid; no row where the list has no price for it.
create function message_price(p_category text, p_country text, p_at timestamptz)
  returns table (version text, micros bigint) language sql stable as $$
  select p.version, p.price_micros from message_prices p
  where p.valid_from = (select max(v.valid_from) from message_prices v where v.valid_from <= p_at)
    and p.category = p_category and p.country in (p_country, '*')
  order by p.country = '*', p.version desc limit 1;
$$;

-- Add a version of the price list: added, known, or different from the one of that name.
create function keep_prices(p_version text, p_valid_from timestamptz, p_categories text[], p_countries text[],
                            p_prices bigint[]) returns text language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('message_prices', 9));
  if not exists (select from message_prices where version = p_version) then
    insert into message_prices (version, category, country, price_micros, valid_from)
      select p_version, e.category, e.country, e.price, p_valid_from
      from unnest(p_categories, p_countries, p_prices) as e (category, country, price);
    return 'added';
  end if;
  if exists (
      (select category, country, price_micros, valid_from from message_prices where version = p_version
       except all select e.category, e.country, e.price, p_valid_from
                  from unnest(p_categories, p_countries, p_prices) as e (category, country, price))
      union all
      (select e.category, e.country, e.price, p_valid_from
       from unnest(p_categories, p_countries, p_prices) as e (category, country, price)
       except all select category, country, price_micros, valid_from from message_prices where version = p_version))
  then
    return 'different';
  end if;
  return 'known';
end $$;

-- What a channel tells of the price of messages, several tenants in one commit, in any order and multiplicity. A charge
-- is priced once, by the prices of the day of the reply, and stays as it is from then on.
create function record_charges(p_tenants uuid[], p_charges uuid[], p_replies uuid[], p_external_ids text[],
                               p_delivered boolean[], p_categories text[], p_countries text[], p_billable boolean[],
                               p_ats timestamptz[])
  returns void language plpgsql as $$
declare v_tenant uuid;
begin
  for v_tenant in select distinct t from unnest(p_tenants) t order by t loop
    perform set_config('app.current_tenant', v_tenant::text, true);
    continue when is_erased(v_tenant, '', '{}', now()) or not exists (select from tenants where id = v_tenant);
    insert into message_charges as c (tenant_id, id, turn_id, category, country, delivered, billable, created_at)
      select v_tenant, e.id, (array_agg(o.turn_id) filter (where o.turn_id is not null))[1], max(e.category),
             max(e.country), bool_or(e.delivered), bool_and(e.billable), coalesce(min(o.created_at), min(e.at))
      from unnest(p_tenants, p_charges, p_replies, p_external_ids, p_delivered, p_categories, p_countries, p_billable,
                  p_ats) as e (tenant, id, reply, external_id, delivered, category, country, billable, at)
      left join outbox o on o.tenant_id = v_tenant and o.id = coalesce(e.reply,
        (select x.id from outbox x where x.tenant_id = v_tenant and x.external_id = e.external_id limit 1))
      where e.tenant = v_tenant group by e.id order by e.id
      on conflict (tenant_id, id) do update set
        turn_id = coalesce(c.turn_id, excluded.turn_id),
        category = case c.category when '' then excluded.category else c.category end,
        country = case c.country when '' then excluded.country else c.country end,
        delivered = c.delivered or excluded.delivered,
        billable = c.billable and excluded.billable,
        created_at = least(c.created_at, excluded.created_at)
      where c.cost_micros is null;
    update message_charges c set
        cost_micros = case when c.billable then coalesce(p.micros, 0) else 0 end,
        price_version = case when c.billable then coalesce(p.version, '') else 'free' end,
        priced_at = now()
      from message_charges k left join message_price(k.category, k.country, k.created_at) p on true
      where k.tenant_id = v_tenant and k.id = any (p_charges) and k.cost_micros is null and k.delivered
        and k.category <> '' and c.tenant_id = v_tenant and c.id = k.id;
  end loop;
end $$;

-- The ledger of a tenant: what each turn's models and each charged message cost.
create function ledger_entries(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (id uuid, source text, at timestamptz, cost_micros bigint, prompt_tokens bigint,
                 completion_tokens bigint, kind text, price_version text, answered boolean) language sql stable as $$
  select turn_id, 'turn', created_at, cost_micros, prompt_tokens::bigint, completion_tokens::bigint, model,
         coalesce(price_version, ''), answered
    from usage where tenant_id = p_tenant and created_at >= p_from and created_at < p_to
  union all
  select id, 'message', priced_at, cost_micros, 0, 0, trim(category || ' ' || country), price_version, false
    from message_charges where tenant_id = p_tenant and priced_at >= p_from and priced_at < p_to;
$$;

-- An entry of the ledger in a plan's unit: money, tokens or replies.
create function in_units(p_unit text, p_answered boolean, p_cost_micros bigint, p_tokens bigint)
  returns bigint language sql immutable parallel safe
  return case p_unit when 'micros' then p_cost_micros when 'tokens' then p_tokens else p_answered::int end;

-- When a tenant's subscriptions were to which plan; a subscription that moved from plan to plan was to each for a time.
create function plan_times(p_tenant uuid)
  returns table (customer text, status text, plan text, started_at timestamptz, ended_at timestamptz)
  language sql stable as $$
  select s.customer, s.status, t.plan, greatest(s.started_at, s.left_at[t.nth - 1]), least(s.left_at[t.nth], s.ended_at)
  from subscriptions s, unnest(s.former_plans || s.plan) with ordinality as t (plan, nth)
  where s.tenant_id = p_tenant and t.plan is not null;
$$;

-- What the ledger got since then and no meter was told yet becomes meter events; again and again, it changes nothing. Usage
-- is of the plan that was in force when it happened, whatever plan the subscription is to now.
create function derive_meter_events(p_tenant uuid, p_since timestamptz, p_now timestamptz)
  returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into meter_events (tenant_id, id, source, customer, event_name, value, at, due_at)
    select distinct on (l.id) p_tenant, l.id, l.source, s.customer, p.event_name,
           in_units(p.unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens), l.at, p_now
    from ledger_entries(p_tenant, p_since, 'infinity') l
    join plan_times(p_tenant) s on l.at >= s.started_at and l.at < coalesce(s.ended_at, 'infinity')
      and s.status not in ('incomplete', 'incomplete_expired')
    join plans p on p.name = s.plan
    where in_units(p.unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens) > 0
      and not exists (select from meter_events m where m.tenant_id = p_tenant and m.id = l.id)
    order by l.id, s.started_at
    on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- Whether an event of that time would be on no invoice any more: its period's is closed 50 min after the period's end,
-- which is known before Stripe tells of the next one.
create function is_invoiced(p_tenant uuid, p_customer text, p_at timestamptz, p_now timestamptz)
  returns boolean language sql stable as $$
  select exists (select from subscriptions s where s.tenant_id = p_tenant and s.customer = p_customer
    and (p_at < s.period_start_at and p_now >= s.period_start_at + interval '50 minutes'
      or p_at < s.period_end_at and p_now >= s.period_end_at + interval '50 minutes'));
$$;

-- The right to tell Stripe of some events, for p_lease. An event whose period is over is stamped with the present: the
-- invoice of that period is closed, and would never charge it. One that Stripe may have forgotten, or would put on such an
-- invoice now, is not repeated: in 15 min Stripe's sum tells whether it was counted.
create function claim_meter_events(p_tenant uuid, p_limit int, p_now timestamptz, p_lease interval, p_known interval)
  returns table (id uuid, anew int, attempt int, customer text, event_name text, value bigint, stamped_at timestamptz)
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = 'doubtful', due_at = p_now + interval '15 minutes'
    where m.tenant_id = p_tenant and m.state = 'sending' and m.due_at <= p_now
      and (m.first_sent_at <= p_now - p_known or is_invoiced(p_tenant, m.customer, m.stamped_at, p_now));
  return query
    with due as (
      select d.id from meter_events d
      where d.tenant_id = p_tenant and d.state in ('waiting', 'sending') and d.due_at <= p_now
      order by d.at limit p_limit for update skip locked)
    update meter_events m set state = 'sending', attempts = m.attempts + 1, due_at = p_now + p_lease,
        first_sent_at = coalesce(m.first_sent_at, p_now),
        stamped_at = coalesce(m.stamped_at, date_trunc('second', case
          when m.at <= p_now - interval '34 days' or is_invoiced(p_tenant, m.customer, m.at, p_now) then p_now
          else m.at end))
      from due where m.tenant_id = p_tenant and m.id = due.id
      returning m.id, m.anew, m.attempts, m.customer, m.event_name, m.value, m.stamped_at;
end $$;

-- What became of claimed events: sent, refused, or sending = to be tried again at p_due. Who was overtaken says nothing,
-- but that an event is sent, which is true whoever says it.
create function mark_meter_events(p_tenant uuid, p_ids uuid[], p_attempts int[], p_states text[], p_errors text[],
                                  p_due timestamptz, p_now timestamptz)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = e.state, error = e.error, due_at = p_due,
      sent_at = case e.state when 'sent' then p_now end
    from unnest(p_ids, p_attempts, p_states, p_errors) as e (id, attempt, state, error)
    where m.tenant_id = p_tenant and m.id = e.id and m.state = 'sending'
      and (m.attempts = e.attempt or e.state = 'sent');
end $$;

-- Doubts settled: sent, or waiting (it was not counted: told anew, under a new identifier, a few times); doubtful = look
-- again at p_due.
create function settle_meter_events(p_tenant uuid, p_ids uuid[], p_states text[], p_error text, p_due timestamptz,
                                    p_now timestamptz)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = e.state, due_at = p_due, error = e.error,
      sent_at = case e.state when 'sent' then coalesce(m.sent_at, p_now) end,
      anew = m.anew + (e.state = 'waiting')::int,
      stamped_at = case when e.state <> 'waiting' then m.stamped_at end,
      first_sent_at = case when e.state <> 'waiting' then m.first_sent_at end
    from (select d.id, case when u.state = 'waiting' and d.anew >= 3 then 'refused' else u.state end as state,
                 case when u.state = 'doubtful' then p_error
                      when u.state = 'waiting' and d.anew >= 3 then 'Stripe has taken it again and again, and not counted it.'
                 end as error
          from unnest(p_ids, p_states) as u (id, state)
          join meter_events d on d.tenant_id = p_tenant and d.id = u.id and d.state = 'doubtful') e
    where m.tenant_id = p_tenant and m.id = e.id;
end $$;

-- Stripe reports errors: of p_ids as they were told then, with the reason; or of some among those of p_event_names that
-- were sent between two moments. What was told anew since is another event to Stripe.
create function doubt_meter_events(p_tenant uuid, p_ids uuid[], p_anews int[], p_errors text[], p_event_names text[],
                                   p_from timestamptz, p_to timestamptz, p_due timestamptz)
  returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events m set state = 'refused', error = e.error
    from unnest(p_ids, p_anews, p_errors) as e (id, anew, error)
    where m.tenant_id = p_tenant and m.id = e.id and m.anew = e.anew and m.state in ('sending', 'sent', 'doubtful');
  get diagnostics v_count = row_count;
  update meter_events m set state = 'doubtful', due_at = p_due
    where m.tenant_id = p_tenant and m.state = 'sent' and m.event_name = any (p_event_names)
      and m.sent_at >= p_from and m.sent_at < p_to;
  return v_count;
end $$;

-- An operator has mended what Stripe refused: it is told anew.
create function resend_meter_events(p_tenant uuid, p_now timestamptz) returns bigint language plpgsql as $$
declare v_count bigint;
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  update meter_events set state = 'waiting', anew = anew + 1, stamped_at = null, first_sent_at = null, error = null,
      due_at = p_now
    where tenant_id = p_tenant and state = 'refused';
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- What meters were to be told of a time, by what became of it; `ledger` is what the ledger says today. A row for every
-- customer and meter of the tenant's subscriptions, now or before, also where nothing was used.
create function meter_sums(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (customer text, event_name text, ledger bigint, sent bigint, unsent bigint, refused bigint)
  language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    with told as (
      select m.customer, m.event_name, m.value, m.state,
             case when u.turn_id is not null
                    then in_units(p.unit, u.answered, u.cost_micros, u.prompt_tokens::bigint + u.completion_tokens)
                  when c.id is not null then in_units(p.unit, false, c.cost_micros, 0)
                  else m.value end as today         -- forgotten with its conversation
      from meter_events m
      join lateral (select unit from plans where plans.event_name = m.event_name limit 1) p on true
      left join usage u on m.source = 'turn' and u.tenant_id = p_tenant and u.turn_id = m.id
      left join message_charges c on m.source = 'message' and c.tenant_id = p_tenant and c.id = m.id
      where m.tenant_id = p_tenant and coalesce(m.stamped_at, m.at) >= p_from and coalesce(m.stamped_at, m.at) < p_to
      union all
      select s.customer, p.event_name, 0, 'sent', 0 from plan_times(p_tenant) s join plans p on p.name = s.plan)
    select t.customer, t.event_name, sum(t.today)::bigint, coalesce(sum(t.value) filter (where t.state = 'sent'), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('waiting', 'sending')), 0)::bigint,
           coalesce(sum(t.value) filter (where t.state in ('doubtful', 'refused')), 0)::bigint
    from told t group by 1, 2;
end $$;

-- A thin event about meters, kept until the Biller has fetched and applied it; in the transaction that dedupes events.
create function keep_meter_report(p_event text, p_type text, p_body jsonb) returns void language sql as $$
  insert into meter_reports (event, type, body) values (p_event, p_type, p_body) on conflict do nothing;
$$;

-- What a time cost, by model and by kind of message.
create function bill_entries(p_tenant uuid, p_from timestamptz, p_to timestamptz)
  returns table (source text, kind text, count bigint, prompt_tokens bigint, completion_tokens bigint,
                 cost_micros bigint, unpriced bigint) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    select l.source, l.kind, count(*), sum(l.prompt_tokens)::bigint, sum(l.completion_tokens)::bigint,
           sum(l.cost_micros)::bigint, count(*) filter (where l.price_version = '')
    from ledger_entries(p_tenant, p_from, p_to) l group by 1, 2 order by 1 desc, 6 desc, 2;
end $$;

-- From the ledger of a time to what Stripe was told for it, in a plan's unit: every difference has its name.
--   ledger + forgotten + changed - outside + earlier - later - unsent - refused = told
create function bill_movements(p_tenant uuid, p_unit text, p_event_name text, p_from timestamptz, p_to timestamptz)
  returns table (ledger bigint, forgotten bigint, changed bigint, outside bigint, earlier bigint, later bigint,
                 unsent bigint, refused bigint, told bigint) language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  return query
    with entries as (
      select l.id, in_units(p_unit, l.answered, l.cost_micros, l.prompt_tokens + l.completion_tokens) as value
      from ledger_entries(p_tenant, p_from, p_to) l),
    events as (
      select m.id, m.value, m.state, m.at >= p_from and m.at < p_to as own,
             m.stamped_at >= p_from and m.stamped_at < p_to as here
      from meter_events m where m.tenant_id = p_tenant and m.event_name = p_event_name
        and (coalesce(m.stamped_at, m.at) >= p_from and coalesce(m.stamped_at, m.at) < p_to
          or m.at >= p_from and m.at < p_to)),
    both_sides as (
      select e.value as entry, v.value as event, v.state, v.own, v.here
      from entries e full join events v on v.id = e.id)
    select coalesce(sum(b.entry), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and b.entry is null), 0)::bigint,
           coalesce(sum(b.event - b.entry) filter (where b.own), 0)::bigint,
           coalesce(sum(b.entry) filter (where b.event is null), 0)::bigint,
           coalesce(sum(b.event) filter (where not b.own and b.here and b.state = 'sent'), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and not b.here and b.state = 'sent'), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and b.state in ('waiting', 'sending')), 0)::bigint,
           coalesce(sum(b.event) filter (where b.own and b.state in ('doubtful', 'refused')), 0)::bigint,
           coalesce(sum(b.event) filter (where b.here and b.state = 'sent'), 0)::bigint
    from both_sides b;
end $$;

-- Audit ------------------------------------------------------------------------------------------------------------
-- What was done, by whom: audit_events, written by triggers in the transaction of the effect itself. The Auditor seals
-- them into one hash chain per tenant (audit_seals), signs how far it is (audit_checkpoints), and chains and signs all
-- checkpoints of the installation once more (audit_anchors), so that a tail that is cut off is missed; see docs/audit.md.
-- Nothing here refers to other tables: audit outlives what it is about. No row holds text, names of people or secrets.

create schema audit_months;                       -- the partitions; nobody but their owner may name them

create table audit_events (
  tenant_id uuid not null,
  id uuid not null default gen_random_uuid(),
  at timestamptz not null default now(),
  actor text not null default coalesce(nullif(current_setting('app.actor', true), ''), 'system'),
  action text not null,                           -- such as reply.sent
  subject text not null,                          -- such as reply:<uuid>
  request_id text not null default coalesce(current_setting('app.request_id', true), ''),
  details jsonb not null default '{}',
  xid bigint not null default pg_current_xact_id()::text::bigint, -- what is older than all running transactions can be sealed
  primary key (tenant_id, at, id)
) partition by range (at);
create index audit_events_for_sealing on audit_events using brin (xid) with (pages_per_range = 16, autosummarize = on);

create table audit_seals (
  tenant_id uuid not null,
  seq bigint not null,                            -- the row's place in its tenant's chain: 1, 2, 3, ...
  event_at timestamptz not null,
  event_id uuid not null,
  hash bytea not null,                            -- SHA-256 over the hash before and the row
  primary key (tenant_id, seq, event_at),
  unique (tenant_id, event_at, event_id)
) partition by range (event_at);

create table audit_checkpoints (
  tenant_id uuid not null,
  number bigint not null,
  content text not null,                          -- canonical JSON: from where to where, the hash there, the one before
  signature bytea not null,                       -- Ed25519, of the content
  primary key (tenant_id, number)
);

-- One for each checkpoint of any tenant. The mark is a keyed hash of the tenant.
create table audit_anchors (
  place bigint primary key,
  mark bytea not null,
  content text not null,
  signature bytea not null,
  floor bigint not null                             -- rows of earlier transactions are sealed, of all tenants
);
create index audit_anchors_of_a_mark on audit_anchors (mark, place);

-- Public keys, each vouching for the one before; see `konstruct audit keys`.
create table audit_keys (
  number bigint primary key,
  content text not null,
  signature bytea not null
);

create function refuse_to_change_audit() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, tg_op
    using hint = 'Old months go by `konstruct audit retain`.', errcode = 'restrict_violation';
end $$;

do $$
declare v_table text;
begin
  foreach v_table in array array['audit_events', 'audit_seals', 'audit_checkpoints', 'audit_anchors', 'audit_keys'] loop
    execute format('grant select on %I to konstruct_app', v_table);
    execute format('create trigger append_only before update or delete on %I for each row
                    execute function refuse_to_change_audit()', v_table);
    execute format('create trigger append_only_whole before truncate on %I execute function refuse_to_change_audit()', v_table);
  end loop;
  foreach v_table in array array['audit_events', 'audit_seals', 'audit_checkpoints'] loop
    execute format('alter table %I enable row level security', v_table);
    execute format('alter table %I force row level security', v_table);
    execute format('create policy %I on %I using (tenant_id = (select current_tenant()))
                    with check (tenant_id = (select current_tenant()))', v_table || '_by_tenant', v_table);
  end loop;
end $$;
-- When, in which transaction and under which id is not the application's to say.
grant insert (tenant_id, actor, action, subject, request_id, details) on audit_events to konstruct_app;
grant insert on audit_seals, audit_checkpoints, audit_anchors, audit_keys to konstruct_app;
grant select (tenant_id, id, at, xid) on audit_events to konstruct_lookup;
grant select (tenant_id, event_at, event_id) on audit_seals to konstruct_lookup;
create policy audit_events_lookup on audit_events for select to konstruct_lookup using (true);
create policy audit_seals_lookup on audit_seals for select to konstruct_lookup using (true);

-- Partitions of this month and the next three, UTC; answers how many are new. What no partition takes goes into one for
-- the rest, so that no effect ever fails for lack of a month; a month of which the rest has rows already stays there.
create function prepare_audit_months() returns int
  language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '3s' as $$
declare
  v_first timestamp := date_trunc('month', now() at time zone 'utc');
  v_month timestamp;
  v_kind text;
  v_name text;
  v_made int := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('audit months', 9));
  foreach v_kind in array array['events', 'seals'] loop
    for v_month in select generate_series(v_first, v_first + interval '3 months', interval '1 month') loop
      v_name := v_kind || to_char(v_month, '_YYYY_MM');
      continue when to_regclass('audit_months.' || v_name) is not null;
      begin
        -- Attached, not created in place: that would lock out every turn that writes audit meanwhile.
        execute format('create table audit_months.%I (like audit_%s including defaults including constraints)', v_name, v_kind);
        execute format('alter table audit_months.%I enable row level security', v_name);
        execute format('create trigger append_only_whole before truncate on audit_months.%I
                        execute function refuse_to_change_audit()', v_name);
        execute format('alter table audit_%s attach partition audit_months.%I for values from (%L) to (%L)', v_kind, v_name,
                       v_month at time zone 'utc', (v_month + interval '1 month') at time zone 'utc');
        v_made := v_made + 1;
      exception when check_violation then
        null;
      end;
    end loop;
  end loop;
  return v_made;
end $$;

create table audit_months.events_rest partition of audit_events default;
create table audit_months.seals_rest partition of audit_seals default;
alter table audit_months.events_rest enable row level security;
alter table audit_months.seals_rest enable row level security;
create trigger append_only_whole before truncate on audit_months.events_rest execute function refuse_to_change_audit();
create trigger append_only_whole before truncate on audit_months.seals_rest execute function refuse_to_change_audit();
select prepare_audit_months();

-- Tenants with rows between two transactions that are not sealed, and when the rows were written.
create function audit_waiting(p_floor bigint, p_ceiling bigint)
  returns table (tenant_id uuid, earliest timestamptz, latest timestamptz, events bigint)
  language sql stable security definer set search_path = public, pg_temp as $$
  select e.tenant_id, min(e.at), max(e.at), count(*) from audit_events e
  where e.xid >= p_floor and e.xid < p_ceiling and not exists (
    select from audit_seals s where s.tenant_id = e.tenant_id and s.event_at = e.at and s.event_id = e.id)
  group by e.tenant_id;
$$;

-- Tenants with audit, also those that are gone.
create function audited_tenants()
  returns setof uuid language sql stable security definer set search_path = public, pg_temp
  as 'select distinct tenant_id from audit_checkpoints order by 1';
grant select (tenant_id) on audit_checkpoints to konstruct_lookup;
create policy audit_checkpoints_lookup on audit_checkpoints for select to konstruct_lookup using (true);

do $$
declare v_function regprocedure;
begin
  revoke execute on function prepare_audit_months() from public;
  grant execute on function prepare_audit_months() to konstruct_app;
  grant create on schema public to konstruct_lookup;
  foreach v_function in array array['audit_waiting(bigint, bigint)', 'audited_tenants()']::regprocedure[] loop
    execute format('revoke execute on function %s from public', v_function);
    execute format('grant execute on function %s to konstruct_app', v_function);
    execute format('alter function %s owner to konstruct_lookup', v_function);
  end loop;
  revoke create on schema public from konstruct_lookup;
end $$;

-- Sealed rows of one tenant, its checkpoint and the anchor of that, in one statement.
create function seal_audit(
  p_tenant uuid, p_number bigint, p_checkpoint text, p_signature bytea, p_first bigint, p_ids uuid[], p_times timestamptz[],
  p_hashes bytea[], p_place bigint, p_mark bytea, p_anchor text, p_anchor_signature bytea, p_floor bigint)
  returns void language plpgsql as $$
begin
  perform set_config('app.current_tenant', p_tenant::text, true);
  insert into audit_checkpoints (tenant_id, number, content, signature)
    values (p_tenant, p_number, p_checkpoint, p_signature);
  insert into audit_anchors (place, mark, content, signature, floor)
    values (p_place, p_mark, p_anchor, p_anchor_signature, p_floor);
  insert into audit_seals (tenant_id, seq, event_at, event_id, hash)
    select p_tenant, p_first + e.n - 1, e.at, e.id, e.hash
    from unnest(p_ids, p_times, p_hashes) with ordinality as e (id, at, hash, n);
end $$;

-- Effects write their row themselves, so that nobody can forget it. Row by row with a condition, because that costs the
-- many updates nothing that are no effect (a claim, an id, a counter).

create function audit_model_call() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id, 'model.called', 'turn:' || new.turn_id,
            jsonb_build_object('model', new.model, 'provider', new.provider, 'calls', new.calls,
              'prompt_tokens', new.prompt_tokens, 'completion_tokens', new.completion_tokens,
              'cost_micros', new.cost_micros, 'employee', new.employee_id, 'conversation', new.conversation_id));
  return null;
end $$;
create trigger audit_model_call after insert on usage for each row when (new.calls > 0) execute function audit_model_call();

create function audit_send() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id,
            case new.state when 'sent' then 'reply.sent' when 'dead' then 'reply.failed' when 'cancelled' then 'reply.cancelled'
                           else 'reply.retried' end,
            'reply:' || new.id,
            jsonb_build_object('channel', new.channel, 'conversation', new.conversation_id, 'turn', new.turn_id, 'part', new.part));
  return null;
end $$;
create trigger audit_send after update on outbox for each row
  when (old.state <> new.state and (new.state in ('sent', 'dead', 'cancelled') or old.state in ('sent', 'dead')))
  execute function audit_send();

create function audit_silence() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id,
            case when new.paused_until is null then 'conversation.resumed'
                 when new.paused_by = 'rule' then 'conversation.escalated' else 'conversation.taken_over' end,
            'conversation:' || new.id, jsonb_build_object('channel', new.channel));
  return null;
end $$;
create trigger audit_silence_from_the_start after insert on conversations for each row
  when (new.paused_until is not null) execute function audit_silence();
-- An operator who goes on speaking extends a takeover; that is no second one.
create trigger audit_silence after update on conversations for each row
  when (old.paused_until is distinct from new.paused_until
        and (old.paused_until is null or new.paused_until is null or old.paused_until < now()
             or (old.paused_by, old.paused_reason) is distinct from (new.paused_by, new.paused_reason)))
  execute function audit_silence();

-- Since when it lasts: what is no second one for the audit is none here. One that comes from another conversation has
-- its time with it.
create function note_silence() returns trigger language plpgsql as $$
begin
  new.paused_at := case when new.paused_until is not null then coalesce(nullif(new.paused_at, old.paused_at), now()) end;
  return new;
end $$;
create trigger note_silence_from_the_start before insert on conversations for each row
  when (new.paused_until is not null) execute function note_silence();
create trigger note_silence before update on conversations for each row
  when (old.paused_until is distinct from new.paused_until
        and (old.paused_until is null or new.paused_until is null or old.paused_until < now()
             or (old.paused_by, old.paused_reason) is distinct from (new.paused_by, new.paused_reason)))
  execute function note_silence();

-- Which fields of a configured thing changed, never their values. Arguments: what the subject is called, the columns
-- that name it, after a dash those that are no configuration.
create function audit_configuration() returns trigger language plpgsql as $$
declare
  v_row jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
  v_named text[] := string_to_array(tg_argv[1], ' ');
  v_ignored text[] := string_to_array(coalesce(tg_argv[2], ''), ' ');
  v_fields text[];
begin
  if tg_op = 'UPDATE' then
    select array_agg(n.key order by n.key) into v_fields
      from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o on o.key = n.key
      where n.value is distinct from o.value and n.key <> all (v_ignored);
    if v_fields is null then
      return null;
    end if;
  end if;
  insert into audit_events (tenant_id, action, subject, details)
    values (coalesce(v_row ->> 'tenant_id', v_row ->> 'id')::uuid,
            tg_argv[0] || case tg_op when 'INSERT' then '.created' when 'UPDATE' then '.changed' else '.deleted' end,
            tg_argv[0] || ':' || (select string_agg(v_row ->> c, '/') from unnest(v_named) c),
            case when v_fields is null then '{}' else jsonb_build_object('fields', v_fields) end);
  return null;
end $$;
create trigger audit_configuration after insert or update or delete on tenants for each row
  execute function audit_configuration('tenant', 'id', 'created_at');
create trigger audit_configuration after insert or update or delete on employees for each row
  execute function audit_configuration('employee', 'id');
create trigger audit_configuration after insert or update or delete on models for each row
  execute function audit_configuration('model', 'name');
create trigger audit_configuration after insert or update or delete on channels for each row
  execute function audit_configuration('channel', 'kind app team', 'refreshing_until installed_at');
create trigger audit_configuration after insert or update or delete on api_tokens for each row
  execute function audit_configuration('token', 'id', 'last_used_at');
create trigger audit_configuration after insert or update or delete on members for each row
  execute function audit_configuration('member', 'id', 'created_at');

-- A person logs in; a session ends before its time: logged out, or let in no more.
create function audit_login() returns trigger language plpgsql as $$
declare
  v_tenant uuid := coalesce(new.tenant_id, old.tenant_id);
  v_member uuid := coalesce(new.member_id, old.member_id);
begin
  insert into audit_events (tenant_id, action, subject)
    values (v_tenant, case tg_op when 'INSERT' then 'member.logged_in' else 'member.logged_out' end,
            'member:' || v_member);
  return null;
end $$;
create trigger audit_login after insert on sessions for each row execute function audit_login();
create trigger audit_logout after delete on sessions for each row
  when (old.expires_at > now()) execute function audit_login();
create trigger audit_configuration after insert or update or delete on subscriptions for each row
  execute function audit_configuration('subscription', 'id', 'observed_at period_start_at period_end_at');
create trigger audit_configuration after insert or update or delete on stripe_customers for each row
  execute function audit_configuration('stripe_customer', 'id', 'version told_at');

create function audit_token_use() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject) values (new.tenant_id, 'token.used', 'token:' || new.id);
  return null;
end $$;
create trigger audit_token_use after update on api_tokens for each row
  when (old.last_used_at is distinct from new.last_used_at) execute function audit_token_use();

-- What operators do with messages that were set aside.
create function audit_dead_letter() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id, case new.state when 'waiting' then 'message.retried' else 'message.discarded' end,
            'message:' || new.id, jsonb_build_object('channel', new.channel, 'conversation', new.conversation_id));
  return null;
end $$;
create trigger audit_dead_letter after update on inbox for each row
  when (old.state = 'dead' and new.state <> 'dead') execute function audit_dead_letter();
