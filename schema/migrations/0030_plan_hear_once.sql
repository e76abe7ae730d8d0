-- One plan serves every batch: to plan anew for each took longer than the work.

alter function hear(uuid[], text[], text[], uuid[], int[], boolean[], jsonb[]) set plan_cache_mode = force_generic_plan;
