"""Provider webhooks: one file per provider, payload to events and signature. Pure."""
