"""Who may use the service: keys with scopes, hashed at rest, made and revoked by the command line."""

from validator.keys.key import KeyRecord, Principal, Scope
from validator.keys.ring import KeyRing

__all__ = ["KeyRecord", "KeyRing", "Principal", "Scope"]
