-- Who may log in, who does, and when it ends, is audited: by the member's id, never by their address.

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
