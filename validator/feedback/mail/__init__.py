"""Raw messages that come back: RFC 3464 reports, RFC 5965 complaints, free-text bounces, auto-replies. Pure."""
