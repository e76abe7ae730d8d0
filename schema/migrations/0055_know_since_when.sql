-- Operators see since when a conversation is paused.

alter table conversations add column paused_at timestamptz;

create function note_silence() returns trigger language plpgsql as $$
begin
  new.paused_at := case when new.paused_until is not null then now() end;
  return new;
end $$;
create trigger note_silence_from_the_start before insert on conversations for each row
  when (new.paused_until is not null) execute function note_silence();
create trigger note_silence before update on conversations for each row
  when (old.paused_until is distinct from new.paused_until
        and (old.paused_until is null or new.paused_until is null or old.paused_until < now()
             or (old.paused_by, old.paused_reason) is distinct from (new.paused_by, new.paused_reason)))
  execute function note_silence();
