-- A report names an event as it was told then; one that names no meter may mean any.

drop function doubt_meter_events(uuid, uuid[], text[], text, timestamptz, timestamptz, timestamptz);

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
