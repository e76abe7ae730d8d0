"""What may be seen across tenants, and why. Whatever is not listed here is a hole."""

# Functions that read with the rights of konstruct_lookup, who may read columns for routing and counting only.
DEFINERS = {
    "find_channels": "routing: whose event is it, before a tenant is known",
    "socket_channels": "routing: which connections to open",
    "has_verify_token": "routing: whether a set-up request is ours; answers yes or no",
    "waiting_conversations": "hosts: ids of conversations with work",
    "waiting_memories": "hosts: ids of memories to embed",
    "amended_in_vain": "hosts: ids of tenants with something to forget",
    "answered_long_ago": "hosts: ids of tenants with something to forget",
    "find_stripe_customer": "routing: whose customer in Stripe is it, before a tenant is known",
    "suspended_untold": "billing: ids of tenants whose operators must be told",
    "tenants_to_bill": "the Biller: ids of tenants with usage to tell",
    "subscribers": "the Biller: ids of tenants that subscribe",
    "has_hosted_models": "start-up: yes or no",
    "installation_status": "operators of the installation: counts",
    "dead_letters": "operators of the installation: errors, no message text",
    "tenant_names": "operators of the installation",
    "memberships": "login: which tenants somebody with this verified e-mail address may enter",
    "find_session": "the admin API: whose session it is, by the hash of its token",
    "audit_waiting": "the Auditor: ids of tenants with rows to be sealed, and how many",
    "audited_tenants": "operators of the installation: ids of tenants with audit, also of those that are gone",
    "forget_malformed": "hosts: events that nobody could read go after eight days; it is told nothing and tells no row",
    "prepare_audit_months": "the Auditor: partitions for the months to come; it is told nothing and tells no row",
}
# Those of them that write, and with whose rights.
WRITERS = {
    "prepare_audit_months": "only the schema's owner can make partitions",
    "forget_malformed": "konstruct_lookup may delete there, and of no other table",
}
# Unique keys without the tenant.
KEYS = {
    "tenants_pkey": "the tenant itself",
    "tenants_name_key": "its name; only operators of the installation create tenants",
    "channels_of_one_tenant": "an event must never have two possible owners; tells that a place is taken, not by whom",
}
# Relations without a tenant.
RELATIONS = {
    "shards": "which host owns which shard",
    "hosting": "how many hosts there are",
    "malformed_events": "of no tenant that can be read out of them; may be written only",
    "isolation_checks": "how this check went before: sentences about tables, nothing of tenants",
    "audit_verifications": "when all audit was verified: times and counts",
    "plans": "what an operator offers to all tenants",
    "message_prices": "what an operator says that messages cost, for all tenants",
    "meter_reports": "what Stripe found wrong with usage that it was told; ids of turns, of all tenants together",
    "audit_anchors": "the chain of all tenants' checkpoints: hashes; tenants are keyed hashes there",
    "audit_keys": "public keys",
}
