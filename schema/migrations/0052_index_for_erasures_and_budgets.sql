-- What erasures look up by, and what a turn's reservation does. In a migration of its own, for turns wait while it builds.

create index contacts_by_name on contacts (tenant_id, channel, external_id);
create index messages_of_contact on messages (tenant_id, contact_id) where contact_id is not null;
create index memories_of_conversation on memories (tenant_id, conversation_id);
create index outbox_of_conversation on outbox (tenant_id, conversation_id);
create index feedback_of_conversation on feedback (tenant_id, conversation_id);
create index usage_of_conversation on usage (tenant_id, conversation_id);
create index reservations_expired on reservations (tenant_id, expires_at);
