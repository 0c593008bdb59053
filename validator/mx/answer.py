"""What one DNS question came to: records, "there is nothing", or a fault that says neither.

Pure. Everything that reads answers (wire, zone file, snapshot) produces these values, and everything that judges them
(`route`) sees nothing else; so a fault cannot be mistaken for "no such name".
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple


class RecordType(IntEnum):
    """The record types that are asked for, by their number on the wire (RFC 1035, 3596)."""

    A = 1
    """IPv4 address."""
    NS = 2
    """Name server; only of the root, to put to a resolver that has never answered anything."""
    TXT = 16
    """Text; only for the SPF test of an implicit MX."""
    AAAA = 28
    """IPv6 address."""
    MX = 15
    """Mail exchanger."""


class AnswerKind(StrEnum):
    """What sort of answer came."""

    RECORDS = "records"
    """At least one record of the asked type at the end of the alias chain."""
    NO_DATA = "no_data"
    """The name exists and has no such record (RFC 2308 2.2)."""
    NO_NAME = "no_name"
    """The name does not exist: NXDOMAIN, or YXDOMAIN (RFC 6672 2.2)."""
    FAILED = "failed"
    """Nobody could tell; `fault` says why. Never a reason against a domain."""


class Fault(StrEnum):
    """Why a question has no answer."""

    SERVFAIL = "servfail"
    """The resolver could not find out (RFC 2308 7.1), DNSSEC failures included."""
    REFUSED = "refused"
    """The resolver will not serve us: our own configuration."""
    FORMERR = "formerr"
    """The resolver calls the question malformed, with and without EDNS."""
    NOTIMP = "notimp"
    """The resolver does not implement the question."""
    RCODE = "rcode"
    """Any other response code, such as NOTAUTH or BADVERS."""
    TIMEOUT = "timeout"
    """No acceptable answer before the deadline."""
    TRUNCATED = "truncated"
    """Truncated over UDP and no whole answer over TCP."""
    MALFORMED = "malformed"
    """An answer to our question that cannot be read."""
    CONTRADICTION = "contradiction"
    """NXDOMAIN together with the records, or records for another name than the one asked."""
    ALIAS_LOOP = "alias_loop"
    """A CNAME chain that loops or is longer than `MAX_ALIASES`."""
    INCOMPLETE = "incomplete"
    """An alias whose end is missing, with nothing that says it has no data."""
    REFERRAL = "referral"
    """A referral instead of an answer: the server does not recurse."""
    RESOLVER_DOWN = "resolver_down"
    """No resolver answers at all; the question was not sent."""
    OVERLOADED = "overloaded"
    """Too many questions are waiting; this one was not sent."""
    NOT_RECORDED = "not_recorded"
    """The snapshot that is being replayed does not hold this question."""


MAX_ALIASES = 16
"""Longest CNAME chain that is followed; Postfix stops at 10, BIND at 16."""

MailExchanger = tuple[int, str]
"""Preference and host of one MX record: lower case, no final dot; the empty string is the root (null MX)."""


class Answer(NamedTuple):
    """The answer to one question. A named tuple, because one is made for every question and it costs a third."""

    kind: AnswerKind
    """What sort."""
    records: tuple[MailExchanger, ...] | tuple[str, ...] = ()
    """MX: preference and host; A and AAAA: canonical text; NS: host; TXT: strings joined. In wire order, each once."""
    ttl_s: int | None = None
    """Least TTL along the chain; of a negative answer the SOA's bound (RFC 2308 5), None when there was no SOA."""
    fault: Fault | None = None
    """Set exactly when `kind` is FAILED."""
    aliases: int = 0
    """CNAME records that were followed."""


class AliasEnd(NamedTuple):
    """The last name of an alias chain whose own records are missing from the answer."""

    name: str
    """Lower case, no final dot; a host name."""
    ttl_s: int
    """Least TTL along the chain."""
    aliases: int
    """CNAME records in it, at least one."""


def failed(fault: Fault) -> Answer:
    """The answer that says nothing; one shared value per fault."""
    return _FAILED[fault]


_FAILED = {fault: Answer(AnswerKind.FAILED, fault=fault) for fault in Fault}
