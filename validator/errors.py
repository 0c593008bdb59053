"""Every exception of the service, in one tree.

A bad address is a value and "could not find out" is a value; an exception is a bad request or our own broken
infrastructure. One table turns these into HTTP problems (`server/problems.py`), one into exit codes (`cli/exits.py`).

    ValidatorError
    ├── SettingsError         the configuration cannot be used
    ├── DatasetError          a reference table is missing, malformed, empty or altered
    ├── RequestRefused        the request itself is wrong (carries JSON pointers)
    │   ├── RuleTooWide       a blacklist rule would hit half the world
    │   ├── UnknownList       a named list that there is not
    │   └── LimitExceeded     a stated limit on size or number
    ├── NotFound              no such entry, import, list, key
    ├── Conflict              it is already there, or its state forbids the change
    ├── NotAuthorised         no key, a wrong key, or a key without the scope
    │   └── WebhookRejected   a signature, timestamp or secret that does not hold
    ├── Overloaded            over a limit; come back later
    └── StorageUnavailable    the store cannot be read or written now
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ValidatorError(Exception):
    """Base of every error that this package raises on purpose; it crosses to another process as it is."""

    def __reduce__(self) -> tuple[object, ...]:
        return self.__class__.__new__, (self.__class__, *self.args), self.__dict__


class SettingsError(ValidatorError):
    """The configuration cannot be used; the message names the setting."""


class DatasetError(ValidatorError):
    """A reference table is missing, malformed, empty or not what its manifest says."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with a request: where (RFC 6901 JSON pointer) and what, never quoting the value."""

    pointer: str
    detail: str


class RequestRefused(ValidatorError):
    """The request is well-formed HTTP but cannot be carried out as it stands."""

    def __init__(self, detail: str, complaints: Sequence[Complaint] = ()) -> None:
        super().__init__(detail)
        self.complaints = tuple(complaints)


class NotReadable(RequestRefused):
    """The body is not what it has to be before anything can be said about its fields, such as JSON."""


class RuleTooWide(RequestRefused):
    """A blacklist rule would hit a big provider, a public suffix or too wide a network; `force` overrides."""


class UnknownList(RequestRefused):
    """A named list that there is not; silence would let through whom it was to keep out."""

    def __init__(self, unknown: Sequence[tuple[int, str]], pointer: str = "/lists") -> None:
        """*unknown* are places below *pointer*, with names that are not there; those are no personal data."""
        names = ", ".join(dict.fromkeys(name for _, name in unknown))
        super().__init__(
            f"there is no list named {names}; `PUT /blacklist/lists/{{name}}` or its first entry makes one",
            [Complaint(f"{pointer}/{place}", f"there is no list named {name}") for place, name in unknown],
        )


class LimitExceeded(RequestRefused):
    """A stated limit on size or number was exceeded."""


class NotFound(ValidatorError):
    """The named thing does not exist."""


class Conflict(ValidatorError):
    """The thing exists already, or is in a state that forbids the change."""


class NotAuthorised(ValidatorError):
    """No key, a wrong key (`known=False`), or a key without the needed scope (`known=True`)."""

    def __init__(self, detail: str, *, known: bool = False, takes_basic: bool = False) -> None:
        """*takes_basic*: the operation accepts HTTP Basic credentials besides a bearer key."""
        super().__init__(detail)
        self.known = known
        self.takes_basic = takes_basic


class WebhookRejected(NotAuthorised):
    """A webhook whose signature, timestamp or secret does not hold; why is for our log, the caller learns only that."""


class Overloaded(ValidatorError):
    """Too much at once; `retry_after_s` says when to come back."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class StorageUnavailable(ValidatorError):
    """The store cannot be read or written now; an unreadable blacklist never says "go ahead"."""
