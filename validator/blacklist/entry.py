"""What stands on the blacklist: kinds, causes, states, entries, what a check sees of them. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

DEFAULT_LIST = "default"
"""The list that applies to every check."""
MAX_LISTS = 1_000
"""Most named lists, `default` among them: every process keeps their names."""
MAX_NOTE_CHARS = 1_000
"""Longest note, reason or source that is kept with an entry."""


class Kind(StrEnum):
    """What a rule speaks about."""

    ADDRESS = "address"
    """One mailbox."""
    DOMAIN = "domain"
    """The domain of an address, and the domains below it when asked."""
    MX_HOST = "mx_host"
    """A mail host by name, and the hosts below it when asked."""
    MX_IP = "mx_ip"
    """An address of a mail host: one IP address or a network, v4 or v6."""


class Cause(StrEnum):
    """Why an entry is there."""

    MAILBOX_NOT_FOUND = "mailbox_not_found"
    """The mail host said that there is no such mailbox."""
    DOMAIN_NOT_FOUND = "domain_not_found"
    """The domain does not exist."""
    DOMAIN_NO_MAIL = "domain_no_mail"
    """The domain exists and takes no mail."""
    MAILBOX_MOVED = "mailbox_moved"
    """The mailbox has a new address."""
    MAILBOX_DISABLED = "mailbox_disabled"
    """The account exists and is switched off."""
    MAILBOX_FULL = "mailbox_full"
    """Over quota, entered by hand or by an import; feedback uses `repeated_soft_bounce`."""
    RECIPIENT_FILTERED = "recipient_filtered"
    """The recipient's filter refused again and again; feedback uses `repeated_soft_bounce`."""
    REPEATED_SOFT_BOUNCE = "repeated_soft_bounce"
    """Soft failures on several days; such an entry expires."""
    COMPLAINT = "complaint"
    """The person pressed the spam button."""
    UNSUBSCRIBE = "unsubscribe"
    """The person asked for no more mail."""
    MANUAL = "manual"
    """Somebody entered it."""
    IMPORT = "import"
    """It stood in an imported list that gave no cause."""
    PROVIDER_LIST = "provider_list"
    """A mail provider keeps it on its own suppression list."""


WISHES = frozenset({Cause.COMPLAINT, Cause.UNSUBSCRIBE})
"""What a person asked for: the allow-list overrides it only with an explicit acknowledgement."""

_WEIGHT = {
    Cause.COMPLAINT: 5,
    Cause.UNSUBSCRIBE: 4,
    Cause.MANUAL: 3,
    Cause.MAILBOX_NOT_FOUND: 2,
    Cause.DOMAIN_NOT_FOUND: 2,
    Cause.DOMAIN_NO_MAIL: 2,
    Cause.MAILBOX_MOVED: 2,
    Cause.MAILBOX_DISABLED: 2,
    Cause.PROVIDER_LIST: 1,
    Cause.IMPORT: 1,
    Cause.MAILBOX_FULL: 0,
    Cause.RECIPIENT_FILTERED: 0,
    Cause.REPEATED_SOFT_BOUNCE: 0,
}


def outweighs(new: Cause, old: Cause) -> bool:
    """True when *new* should replace *old* on an entry that blocks: a wish over a fact, a fact over a suspicion."""
    return _WEIGHT[new] > _WEIGHT[old]


class State(StrEnum):
    """Whether an entry is seen and whether it blocks."""

    ACTIVE = "active"
    """Seen, and blocks until it expires."""
    ARCHIVED = "archived"
    """Hidden, and blocks all the same (one owner's "delete")."""
    REMOVED = "removed"
    """Does not block any more; remembers who, when and why (another owner's "remove")."""
    UNDONE = "undone"
    """The import that made it was undone: as if it had never been there, kept for its history only."""


BLOCKING = frozenset({State.ACTIVE, State.ARCHIVED})
"""States in which an entry blocks until it expires."""


class Action(StrEnum):
    """What happened to an entry, one line of its history."""

    ADDED = "added"
    """It was entered for the first time."""
    CHANGED = "changed"
    """Cause, note, expiry or dates were changed."""
    ARCHIVED = "archived"
    """It was hidden; it still blocks."""
    FOUND_AGAIN = "found_again"
    """It was entered again: seen again if it was archived, kept if the import that brought it is undone.

    With its first cause and date.
    """
    REMOVED = "removed"
    """It no longer blocks."""
    RESTORED = "restored"
    """It blocks again, with the cause and date it had."""
    REVIVED = "revived"
    """It had been removed and was entered anew."""
    EXPIRED = "expired"
    """Its time was over."""
    OVERRIDDEN = "overridden"
    """The allow-list overrides it from now on."""
    OVERRIDE_ENDED = "override_ended"
    """The allow-list does not override it any more."""
    UNDONE = "undone"
    """The import or removal that last changed it was undone."""
    ERASED = "erased"
    """The address was wiped; a keyed hash of it still blocks."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an entry matches."""

    kind: Kind
    """What it speaks about."""
    key: str
    """The form that is compared and that is unique in a list."""
    value: str
    """The form to show: as it was given, the domain lower-cased."""
    below: bool = False
    """Also what lies below: subdomains of a domain, hosts under a mail host's name."""


@dataclass(frozen=True, slots=True)
class RuleFault:
    """A text that is no rule, and why."""

    code: str
    """Machine-readable: `address_…`, `domain_…`, `network_…`."""
    message: str
    """A sentence for people; never quotes the text."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is to be entered; `store.recording.record` decides what that does to an entry that is there already."""

    rule: Rule
    """What it matches."""
    cause: Cause
    """Why."""
    source: str
    """Where it came from: `api`, `cli`, `console`, `feedback:ses`, …; never an address."""
    list: str = DEFAULT_LIST
    """Named list; made when it is not there."""
    note: str = ""
    """For people."""
    created: datetime | None = None
    """Since when, if earlier than now."""
    last_event: datetime | None = None
    """The last failure or wish behind it."""
    expires: datetime | None = None
    """When it stops blocking; None for never."""
    revive: bool = True
    """Whether an entry that was removed blocks again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the blacklist, as it stands."""

    id: str
    """Stable identifier, a decimal number as text."""
    kind: Kind
    """What it speaks about."""
    value: str
    """The form to show; empty once erased."""
    key: str
    """The form that is compared; `#` and a keyed hash once erased."""
    below: bool
    """Also what lies below the domain or host."""
    list: str
    """The named list it is on."""
    cause: Cause
    """Why it is there."""
    source: str
    """Where it came from."""
    note: str
    """For people."""
    actor: str
    """Who entered it."""
    created: datetime
    """Since when."""
    last_event: datetime | None
    """The last failure or wish behind it."""
    expires: datetime | None
    """When it stops blocking; None for never."""
    state: State
    """Whether it is seen and whether it blocks."""
    import_id: str | None
    """The import that entered it, if one did."""
    times_blocked: int = 0
    """How often a check said no because of it."""
    last_blocked: datetime | None = None
    """When a check last said no because of it."""

    def blocks(self, now: datetime) -> bool:
        """Whether it blocks at *now*: its state does, and it has not expired."""
        return self.state in BLOCKING and (self.expires is None or self.expires > now)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an entry's history."""

    action: Action
    """What happened."""
    at: datetime
    """When."""
    actor: str
    """Who did it."""
    why: str
    """The reason given; empty when none was."""
    batch: str | None
    """The import or bulk removal it was part of."""
    before: Entry | None
    """The entry as it was before; None for the first line."""


class HitDetails(NamedTuple):
    """What an entry that matches has to tell, and no check needs for its decision."""

    source: str
    """Where it came from."""
    since: datetime
    """Since when."""
    last_event: datetime | None
    """The last failure or wish behind it."""
    expires: datetime | None
    """When it stops blocking; None for never."""


class Hit(NamedTuple):
    """An entry that matches what a check asked about."""

    entry_id: str
    """Its identifier."""
    kind: Kind
    """What it speaks about."""
    value: str
    """The form to show; its key where the details were not asked for."""
    cause: Cause
    """Why it is there."""
    list: str
    """The named list it is on."""
    overridden: bool
    """The allow-list overrides it: shown, does not decide."""
    details: HitDetails | None
    """What decides nothing; None where it was not asked for."""


@dataclass(frozen=True, slots=True)
class DomainKeys:
    """What the rules of a domain are asked about."""

    domain: str
    """Lower-case A-labels."""
    mx_hosts: tuple[str, ...] = ()
    """Names of its mail hosts."""
    mx_ips: tuple[str, ...] = ()
    """Addresses of its mail hosts."""
