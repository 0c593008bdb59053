"""No address leaves the service but in answers."""
