"""Numbers of enums in the store: fixed for ever, they stand in every row."""

from __future__ import annotations

from enum import IntEnum


class KindCode(IntEnum):
    """Numbers of `Kind` in the store."""

    ADDRESS = 0
    DOMAIN = 1
    MX_HOST = 2
    MX_IP = 3


class CauseCode(IntEnum):
    """Numbers of `Cause` in the store."""

    MAILBOX_NOT_FOUND = 1
    DOMAIN_NOT_FOUND = 2
    DOMAIN_NO_MAIL = 3
    MAILBOX_MOVED = 4
    MAILBOX_DISABLED = 5
    MAILBOX_FULL = 6
    RECIPIENT_FILTERED = 7
    REPEATED_SOFT_BOUNCE = 8
    COMPLAINT = 9
    UNSUBSCRIBE = 10
    MANUAL = 11
    IMPORT = 12
    PROVIDER_LIST = 13


class StateCode(IntEnum):
    """Numbers of `State` in the store; 0 and 1 block."""

    ACTIVE = 0
    ARCHIVED = 1
    REMOVED = 2
    UNDONE = 3


class ActionCode(IntEnum):
    """Numbers of `Action` in the store."""

    ADDED = 1
    CHANGED = 2
    ARCHIVED = 3
    FOUND_AGAIN = 4
    REMOVED = 5
    RESTORED = 6
    REVIVED = 7
    EXPIRED = 8
    OVERRIDDEN = 9
    OVERRIDE_ENDED = 10
    UNDONE = 11
    ERASED = 12
