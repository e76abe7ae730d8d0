-- Kept answers are encrypted anew when master keys rotate.

grant update (answer) on idempotency_keys to konstruct_app;
