-- Limits of a tenant, and a sweep in which tenants take turns: a flood of one leaves room for the others'.

alter table tenants add column limits jsonb not null default '{}';

create or replace function waiting_conversations(p_host int, p_older_than interval)
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
