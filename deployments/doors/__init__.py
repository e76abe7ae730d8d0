"""One door a channel: what arrives over HTTP, verified, parsed, and handed to the intake."""
