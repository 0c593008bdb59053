"""From failure to blacklist: replies, raw bounces and provider webhooks become events, events become entries."""
