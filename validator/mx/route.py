"""Does this domain take mail? The verdict from DNS answers: every row of the contract's table, and nothing else.

Pure. A soft failure can never become "takes no mail": `NO_MAIL` needs an answer that says so for every host.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, cast

from validator.mx.answer import Answer, AnswerKind, Fault, MailExchanger
from validator.mx.health import ResolverHealth
from validator.mx.special import SpecialNames, is_host_name, is_ip_text, is_usable_address

MAX_HOSTS_RESOLVED = 16
"""Mail hosts whose addresses are looked up, in order of preference (contract, section 3)."""
MAX_HOSTS_LISTED = 100
"""Mail hosts that a route names at all; Postfix reads as many."""


class RouteOutcome(StrEnum):
    """The verdict on a domain."""

    DELIVERABLE = "deliverable"
    """At least one mail host can be reached from the public internet."""
    NO_MAIL = "no_mail"
    """DNS says that the domain takes no mail."""
    UNKNOWN = "unknown"
    """DNS could not tell; ask again later."""

    __hash__ = str.__hash__  # that of Enum is written in Python


class RouteFinding(StrEnum):
    """Why the outcome is what it is; one per row of the contract's table."""

    MAIL_HOST = "mail_host"
    """A usable MX host with a public address."""
    IMPLICIT_HOST = "implicit_host"
    """No MX, but the domain has a public address itself, and the setting accepts that (RFC 5321 5.1)."""
    NO_SUCH_DOMAIN = "no_such_domain"
    """NXDOMAIN."""
    NO_MX = "no_mx"
    """The domain has no MX record, and none is implied."""
    NULL_MX = "null_mx"
    """The domain says that it takes no mail (RFC 7505)."""
    HOST_NOT_FOUND = "host_not_found"
    """No MX host exists."""
    HOST_NO_ADDRESS = "host_no_address"
    """The MX hosts exist and have no address."""
    HOST_IP_TEXT = "host_ip_text"
    """The MX names an address in text instead of a host."""
    HOST_LOCAL = "host_local"
    """The MX names `localhost`, a single label or another name that is never looked up."""
    HOST_BAD_NAME = "host_bad_name"
    """The MX names something that can be no host."""
    HOST_NOT_PUBLIC = "host_not_public"
    """The MX hosts have only private, loopback, documentation or otherwise special addresses."""
    HOSTS_UNUSABLE = "hosts_unusable"
    """Several MX hosts, unusable for different reasons."""
    IMPLICIT_NOT_PUBLIC = "implicit_not_public"
    """No MX, and the domain's own addresses are not public."""
    IMPLICIT_REFUSED = "implicit_refused"
    """No MX, an address, and `v=spf1 -all`: a domain that does not take part in mail."""
    SPECIAL_USE = "special_use"
    """A special-use name (RFC 6761), not looked up."""
    NOT_A_DOMAIN = "not_a_domain"
    """A single label or no domain name at all, not looked up."""
    HOST_FAILED = "host_failed"
    """No usable host yet, and the look-up of at least one failed."""
    SERVFAIL = "servfail"
    """The resolver could not find out."""
    REFUSED = "refused"
    """The resolver refuses us."""
    BAD_REPLY = "bad_reply"
    """FORMERR, NOTIMP or another response code that answers nothing."""
    TIMEOUT = "timeout"
    """No answer in time."""
    TRUNCATED = "truncated"
    """Truncated, and no whole answer over TCP."""
    MALFORMED = "malformed"
    """The answer cannot be read."""
    CONTRADICTION = "contradiction"
    """The answer contradicts itself."""
    ALIAS_LOOP = "alias_loop"
    """The aliases loop or do not end."""
    NOT_RECURSIVE = "not_recursive"
    """The resolver refers us elsewhere or leaves the end of an alias out."""
    REWRITTEN = "rewritten"
    """The resolver invents addresses for names that do not exist, so this address proves nothing."""
    OVER_BUDGET = "over_budget"
    """Too many new names under one domain, or too many questions waiting."""
    RESOLVER_DOWN = "resolver_down"
    """No resolver answers."""
    NOT_RECORDED = "not_recorded"
    """The replayed snapshot does not hold this domain."""


class HostOutcome(StrEnum):
    """What is known of one mail host."""

    USABLE = "usable"
    """At least one public address."""
    NOT_FOUND = "not_found"
    """The name does not exist."""
    NO_ADDRESS = "no_address"
    """The name exists and has no address."""
    NOT_PUBLIC = "not_public"
    """Only addresses that no one else can reach."""
    IP_TEXT = "ip_text"
    """An address in text, not a host."""
    LOCAL = "local"
    """`localhost`, a single label or a special-use name."""
    BAD_NAME = "bad_name"
    """Characters or lengths that no host name has, or a placeholder."""
    FAILED = "failed"
    """The look-up failed; nobody can tell."""
    NOT_ASKED = "not_asked"
    """Beyond the first `MAX_HOSTS_RESOLVED` hosts."""

    __hash__ = str.__hash__  # that of Enum is written in Python


class MailHost(NamedTuple):
    """One mail host of a domain. A named tuple, like the route, because they are made for every domain."""

    name: str
    """Lower case, no final dot."""
    preference: int
    """MX preference, lower first; 0 for an implicit host."""
    addresses: tuple[str, ...]
    """Canonical text, usable or not; IPv4-mapped ones as IPv4."""
    outcome: HostOutcome
    """What is known of it."""


class MailRoute(NamedTuple):
    """What DNS says about a domain's mail, and until when."""

    domain: str
    """Lower-case A-labels."""
    outcome: RouteOutcome
    """The verdict."""
    finding: RouteFinding
    """Why."""
    hosts: tuple[MailHost, ...]
    """In order of preference; empty when there is none. Null MX targets are left out."""
    implicit: bool
    """The host is the domain itself, for want of an MX."""
    stale: bool
    """The answer has expired and is served because DNS does not answer (RFC 8767)."""
    expires_at: float
    """On the resolver's clock; of an unknown outcome, when it is worth asking again."""
    resolved_at: float
    """On the resolver's clock."""

    def evidence(self, now: float) -> dict[str, object]:
        """JSON-ready facts for `explain.dns`; *now* on the resolver's clock."""
        return {
            "domain": self.domain,
            "outcome": self.outcome.value,
            "finding": self.finding.value,
            "implicit": self.implicit,
            "stale": self.stale,
            "age_s": round(max(0.0, now - self.resolved_at), 3),
            "expires_in_s": round(max(0.0, self.expires_at - now), 3),
            "hosts": [
                {
                    "name": host.name,
                    "preference": host.preference,
                    "addresses": list(host.addresses),
                    "outcome": host.outcome.value,
                }
                for host in self.hosts
            ],
        }


class MailResolver(Protocol):
    """What the rest of the service knows of DNS."""

    def cached(self, domain: str) -> MailRoute | None:
        """The fresh route of *domain* when it is known; at most a microsecond."""
        ...

    async def route(self, domain: str, *, timeout_s: float) -> MailRoute:
        """The route of *domain* (lower-case A-labels) within *timeout_s*; DNS trouble is the outcome UNKNOWN."""
        ...

    async def routes(self, domains: Sequence[str], *, timeout_s: float) -> list[MailRoute]:
        """The same for many, same order and length; all are asked at once."""
        ...

    def health(self) -> ResolverHealth:
        """How look-ups are doing."""
        ...

    async def start(self) -> None:
        """Open sockets and begin to look after them; raises `SettingsError` when the configuration cannot work."""
        ...

    async def aclose(self) -> None:
        """Close everything; whoever still waits is answered UNKNOWN."""
        ...


Decision = tuple[RouteOutcome, RouteFinding]

_FAULT_FINDINGS = {
    Fault.SERVFAIL: RouteFinding.SERVFAIL,
    Fault.REFUSED: RouteFinding.REFUSED,
    Fault.FORMERR: RouteFinding.BAD_REPLY,
    Fault.NOTIMP: RouteFinding.BAD_REPLY,
    Fault.RCODE: RouteFinding.BAD_REPLY,
    Fault.TIMEOUT: RouteFinding.TIMEOUT,
    Fault.TRUNCATED: RouteFinding.TRUNCATED,
    Fault.MALFORMED: RouteFinding.MALFORMED,
    Fault.CONTRADICTION: RouteFinding.CONTRADICTION,
    Fault.ALIAS_LOOP: RouteFinding.ALIAS_LOOP,
    Fault.INCOMPLETE: RouteFinding.NOT_RECURSIVE,
    Fault.REFERRAL: RouteFinding.NOT_RECURSIVE,
    Fault.RESOLVER_DOWN: RouteFinding.RESOLVER_DOWN,
    Fault.OVERLOADED: RouteFinding.OVER_BUDGET,
    Fault.NOT_RECORDED: RouteFinding.NOT_RECORDED,
}

_HOST_FINDINGS = {
    HostOutcome.NOT_FOUND: RouteFinding.HOST_NOT_FOUND,
    HostOutcome.NO_ADDRESS: RouteFinding.HOST_NO_ADDRESS,
    HostOutcome.NOT_PUBLIC: RouteFinding.HOST_NOT_PUBLIC,
    HostOutcome.IP_TEXT: RouteFinding.HOST_IP_TEXT,
    HostOutcome.LOCAL: RouteFinding.HOST_LOCAL,
    HostOutcome.BAD_NAME: RouteFinding.HOST_BAD_NAME,
}


def decide_unasked(domain: str, special: SpecialNames) -> Decision | None:
    """The verdict on a name that must not be looked up; None when it may be."""
    if not is_host_name(domain) or is_ip_text(domain):
        return RouteOutcome.NO_MAIL, RouteFinding.NOT_A_DOMAIN
    if special.is_special(domain):
        return RouteOutcome.NO_MAIL, RouteFinding.SPECIAL_USE
    if "." not in domain:
        return RouteOutcome.NO_MAIL, RouteFinding.NOT_A_DOMAIN
    return None


def decide_mx(answer: Answer) -> Decision | None:
    """The verdict that the MX answer alone allows; None when its hosts have to be looked at."""
    match answer.kind:
        case AnswerKind.RECORDS:
            return None if mail_exchangers(answer) else (RouteOutcome.NO_MAIL, RouteFinding.NULL_MX)
        case AnswerKind.FAILED:
            return RouteOutcome.UNKNOWN, failure_finding(answer)
        case AnswerKind.NO_NAME:
            return RouteOutcome.NO_MAIL, RouteFinding.NO_SUCH_DOMAIN
        case AnswerKind.NO_DATA:
            return RouteOutcome.NO_MAIL, RouteFinding.NO_MX


def failure_finding(answer: Answer) -> RouteFinding:
    """The finding of an answer that failed."""
    assert answer.fault is not None
    return _FAULT_FINDINGS[answer.fault]


def mail_exchangers(answer: Answer) -> tuple[MailExchanger, ...]:
    """The hosts to look at: by preference and name, each once, null targets dropped (RFC 7505 3), bounded."""
    records = cast("tuple[MailExchanger, ...]", answer.records)
    if len(records) == 1:
        return records if records[0][1] else ()
    seen: set[str] = set()
    chosen = []
    for record in sorted(records):
        if record[1] and record[1] not in seen:
            seen.add(record[1])
            chosen.append(record)
    return tuple(chosen[:MAX_HOSTS_LISTED])


def judge_host_name(name: str, special: SpecialNames) -> HostOutcome | None:
    """What the name of a mail host tells without a look-up; None when it may be looked up."""
    if is_ip_text(name):
        return HostOutcome.IP_TEXT
    if not is_host_name(name) or special.is_placeholder(name):
        return HostOutcome.BAD_NAME
    if "." not in name or special.is_special(name):
        return HostOutcome.LOCAL
    return None


def judge_addresses(a: Answer, aaaa: Answer, distrusted: frozenset[str] = frozenset()) -> HostOutcome:
    """What the address answers of one host come to.

    One usable address is enough. Addresses in *distrusted* are those a rewriting resolver gives to names that do not
    exist: a host that has nothing else is not known to exist.
    """
    addresses = host_addresses(a, aaaa)
    believed = [text for text in addresses if text not in distrusted] if distrusted else addresses
    for text in believed:
        if is_usable_address(text):
            return HostOutcome.USABLE
    if AnswerKind.FAILED in (a.kind, aaaa.kind) or len(believed) < len(addresses):
        return HostOutcome.FAILED
    if addresses:
        return HostOutcome.NOT_PUBLIC
    # NXDOMAIN speaks for every type; one type denied and the other empty is a lame server, still no address
    if AnswerKind.NO_NAME in (a.kind, aaaa.kind):
        return HostOutcome.NOT_FOUND
    return HostOutcome.NO_ADDRESS


def host_addresses(a: Answer, aaaa: Answer) -> tuple[str, ...]:
    """The canonical addresses of one host, IPv4 first, each once."""
    records = cast("tuple[str, ...]", a.records + aaaa.records)
    return tuple(dict.fromkeys(records)) if len(records) > 1 else records


def decide_hosts(hosts: Sequence[MailHost]) -> Decision:
    """The verdict when every MX host has been looked at: one usable host suffices, one failure leaves it open."""
    usable = HostOutcome.USABLE
    for host in hosts:
        if host.outcome is usable:
            return RouteOutcome.DELIVERABLE, RouteFinding.MAIL_HOST
    if any(host.outcome is HostOutcome.FAILED for host in hosts):
        return RouteOutcome.UNKNOWN, RouteFinding.HOST_FAILED
    outcomes = {host.outcome for host in hosts} - {HostOutcome.NOT_ASKED}
    if len(outcomes) == 1:
        return RouteOutcome.NO_MAIL, _HOST_FINDINGS[outcomes.pop()]
    return RouteOutcome.NO_MAIL, RouteFinding.HOSTS_UNUSABLE


def decide_implicit(host: HostOutcome, text: Answer, *, rewriting: bool) -> Decision:
    """The verdict on a domain without MX when its own address may stand in (RFC 5321 5.1).

    *text* is the TXT answer: `v=spf1 -all` says that the domain sends no mail; without MX it takes none.
    With a rewriting resolver no such address is believed.
    """
    match host:
        case HostOutcome.USABLE if rewriting:
            return RouteOutcome.UNKNOWN, RouteFinding.REWRITTEN
        case HostOutcome.USABLE if any(_refuses_mail(str(record)) for record in text.records):
            return RouteOutcome.NO_MAIL, RouteFinding.IMPLICIT_REFUSED
        case HostOutcome.USABLE:
            return RouteOutcome.DELIVERABLE, RouteFinding.IMPLICIT_HOST
        case HostOutcome.FAILED:
            return RouteOutcome.UNKNOWN, RouteFinding.HOST_FAILED
        case HostOutcome.NOT_PUBLIC:
            return RouteOutcome.NO_MAIL, RouteFinding.IMPLICIT_NOT_PUBLIC
        case _:
            return RouteOutcome.NO_MAIL, RouteFinding.NO_MX


def _refuses_mail(record: str) -> bool:
    return record.lower().split() == ["v=spf1", "-all"]
