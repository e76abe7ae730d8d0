-- A model call's audit row says what it cost.
-- depends: 0015_audit_what_is_done 0016_price_model_calls

create or replace function audit_model_call() returns trigger language plpgsql as $$
begin
  insert into audit_events (tenant_id, action, subject, details)
    values (new.tenant_id, 'model.called', 'turn:' || new.turn_id,
            jsonb_build_object('model', new.model, 'provider', new.provider, 'calls', new.calls,
              'prompt_tokens', new.prompt_tokens, 'completion_tokens', new.completion_tokens,
              'cost_micros', new.cost_micros, 'employee', new.employee_id, 'conversation', new.conversation_id));
  return null;
end $$;
