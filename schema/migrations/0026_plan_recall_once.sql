-- One plan serves every question to the memories.

create or replace function recall_memories(p_tenant uuid, p_contacts uuid[], p_private boolean, p_conversation uuid,
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
