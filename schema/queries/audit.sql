-- name: audit_horizon^
-- Every transaction below xmin has ended; what is below the floor was sealed, of all tenants.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax,
  coalesce((select floor from audit_anchors order by place desc limit 1), 0) as floor;

-- name: audit_waiting
-- Tenants with rows that are not sealed, and when those were written.
select tenant_id, earliest, latest, events from audit_waiting(:floor, :ceiling);

-- name: audit_waits
-- Since when the oldest row of each tenant has not been sealed, in seconds, be it that it cannot be yet.
select w.tenant_id, greatest(0, extract(epoch from clock_timestamp() - w.earliest))::double precision as seconds
from (select coalesce((select floor from audit_anchors order by place desc limit 1), 0) as floor,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax) h,
  audit_waiting(case when h.floor > h.xmax then 0 else h.floor end, 9223372036854775807) w;

-- name: last_audit_verification^
-- What was found when all audit was last verified.
select at, findings from audit_verifications order by at desc limit 1;

-- name: record_audit_verification!
-- All audit was verified.
insert into audit_verifications (at, findings) values (:at, :findings) on conflict do nothing;

-- name: audit_head^
-- Where the chains end, and whether we are the one to seal until this transaction ends. Needs a tenant connection.
select pg_try_advisory_xact_lock(hashtextextended('audit sealer', 9)) as ours,
  (select content from audit_checkpoints where tenant_id = current_tenant() order by number desc limit 1) as checkpoint,
  (select content from audit_anchors order by place desc limit 1) as anchor;

-- name: audit_unsealed
-- Rows in the order in which they are sealed. Needs a tenant connection.
select e.id, e.at, e.actor, e.action, e.subject, e.request_id, e.details from audit_events e
where e.tenant_id = current_tenant() and e.at between :earliest and :latest and e.xid >= :floor and e.xid < :ceiling
  and not exists (select from audit_seals s where s.tenant_id = e.tenant_id and s.event_at = e.at and s.event_id = e.id)
order by e.xid, e.at, e.id limit :limit;

-- name: seal_audit$
-- Seal rows; a checkpoint or anchor of that number that is there already refuses all of it.
select seal_audit(:tenant, :number, :checkpoint, :signature, :first, :ids, :times, :hashes, :anchor_place, :mark, :anchor,
  :anchor_signature, :floor);

-- name: audit_checkpoints
-- Checkpoints after a number. Needs a tenant connection.
select number, content, signature from audit_checkpoints
where tenant_id = current_tenant() and number > :after order by number limit :limit;

-- name: audit_ends^
-- The last checkpoint, the last place in the chain and the last anchor of all, of one moment. Needs a tenant connection.
select (select content from audit_checkpoints where tenant_id = current_tenant() order by number desc limit 1) as checkpoint,
  (select coalesce(max(seq), 0) from audit_seals where tenant_id = current_tenant()) as last,
  (select coalesce(max(place), 0) from audit_anchors) as anchor;

-- name: audit_drop^
-- The latest checkpoint that says what was dropped. Needs a tenant connection.
select number, content, signature from audit_checkpoints
where tenant_id = current_tenant() and content like '%"kind":"drop"%' order by number desc limit 1;

-- name: audit_sealed
-- Sealed rows after a place in the chain, with what was sealed; nulls where that is gone. Needs a tenant connection.
select s.seq, s.hash, s.event_id, s.event_at, e.id, e.at, e.actor, e.action, e.subject, e.request_id, e.details
from audit_seals s left join audit_events e on e.tenant_id = s.tenant_id and e.at = s.event_at and e.id = s.event_id
where s.tenant_id = current_tenant() and s.seq > :after and s.seq <= :through order by s.seq limit :limit;

-- name: audit_strays
-- Rows that should have been sealed and are not. Needs a tenant connection.
select e.id, e.at, e.action from audit_events e
where e.tenant_id = current_tenant() and e.xid < :floor
  and not exists (select from audit_seals s where s.tenant_id = e.tenant_id and s.event_at = e.at and s.event_id = e.id)
order by e.xid, e.id limit :limit;

-- name: audit_anchors
-- Anchors after a place, of these marks or all.
select place, mark, content, signature from audit_anchors
where place > :after and (:marks::bytea[] is null or mark = any (:marks::bytea[])) order by place limit :limit;

-- name: audit_extent^
-- How many anchors there are, and the last.
select count(*) as anchors, coalesce(max(place), 0) as last from audit_anchors;

-- name: audited_tenants
-- Tenants with audit, also those that are gone.
select audited_tenants() as id;

-- name: audit_keys
-- Public keys, oldest first.
select number, content, signature from audit_keys order by number;

-- name: add_audit_key!
-- A public key; a number that is taken already refuses it.
insert into audit_keys (number, content, signature) values (:number, :content, :signature);

-- name: prepare_audit_months$
-- Partitions for the months to come; how many are new.
select prepare_audit_months();

-- name: record_audit!
-- An effect that no row of ours shows. Needs a tenant connection.
insert into audit_events (tenant_id, action, subject, details) values (current_tenant(), :action, :subject, :details);

-- name: audit_span^
-- The first and the last place in the chain that was written between two moments. Needs a tenant connection.
select min(seq) as first, max(seq) as last from audit_seals
where tenant_id = current_tenant() and event_at >= :earliest and event_at < :latest and seq > :after;

-- name: audit_listed
-- Rows before one, the latest first. Needs a tenant connection.
select e.id, e.at, e.actor, e.action, e.subject, e.request_id, e.details,
  (select s.seq from audit_seals s where s.tenant_id = e.tenant_id and s.event_at = e.at and s.event_id = e.id) as seq
from audit_events e
where e.tenant_id = current_tenant() and (:action::text is null or e.action = :action::text)
  and (:before_at::timestamptz is null or (e.at, e.id) < (:before_at::timestamptz, :before_id::uuid))
order by e.at desc, e.id desc limit :limit;

-- name: audit_drop_end^
-- The last place in the chain of what was written before a moment, null where nothing is sealed that is so old, and
-- whether anything so old is not sealed. Needs a tenant connection.
select s.seq, s.hash, (select floor from audit_anchors order by place desc limit 1) as floor,
  exists (select from audit_events e where e.tenant_id = current_tenant() and e.at < :before_at and not exists (
    select from audit_seals k where k.tenant_id = e.tenant_id and k.event_at = e.at and k.event_id = e.id)) as unsealed
from (select) always left join lateral (select k.seq, k.hash from audit_seals k
    where k.tenant_id = current_tenant() and k.event_at < :before_at order by k.seq desc limit 1) s on true;

-- name: audit_kept
-- Later rows that stand before that place in the chain, because their transactions were shorter. Needs a tenant
-- connection.
select s.seq, e.id, e.at, e.actor, e.action, e.subject, e.request_id, e.details
from audit_seals s join audit_events e on e.tenant_id = s.tenant_id and e.at = s.event_at and e.id = s.event_id
where s.tenant_id = current_tenant() and s.seq <= :through and s.event_at >= :before_at order by s.seq;
