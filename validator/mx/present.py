"""A route as a person would like to read it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from validator.address import unicode_domain
from validator.mx.route import HostOutcome, MailHost, MailRoute, RouteFinding, RouteOutcome
from validator.mx.special import is_usable_address

_VERDICTS = {
    RouteOutcome.DELIVERABLE: "takes mail",
    RouteOutcome.NO_MAIL: "takes no mail",
    RouteOutcome.UNKNOWN: "cannot tell",
}
_REASONS = {
    RouteFinding.MAIL_HOST: "a mail host with a public address",
    RouteFinding.IMPLICIT_HOST: "no MX record; its own address stands in (RFC 5321 5.1)",
    RouteFinding.NO_SUCH_DOMAIN: "the domain does not exist",
    RouteFinding.NO_MX: "no MX record",
    RouteFinding.NULL_MX: "it says so itself: null MX (RFC 7505)",
    RouteFinding.HOST_NOT_FOUND: "its mail hosts do not exist",
    RouteFinding.HOST_NO_ADDRESS: "its mail hosts have no address",
    RouteFinding.HOST_IP_TEXT: "the MX record names an address instead of a host",
    RouteFinding.HOST_LOCAL: "the MX record names a local host",
    RouteFinding.HOST_BAD_NAME: "the MX record names something that can be no host",
    RouteFinding.HOST_NOT_PUBLIC: "its mail hosts have no public address",
    RouteFinding.HOSTS_UNUSABLE: "none of its mail hosts can be used",
    RouteFinding.IMPLICIT_NOT_PUBLIC: "no MX record, and its own address is not public",
    RouteFinding.IMPLICIT_REFUSED: "no MX record, and its SPF record says that it sends none",
    RouteFinding.SPECIAL_USE: "a special-use name, never looked up",
    RouteFinding.NOT_A_DOMAIN: "not a domain name that can take mail",
    RouteFinding.HOST_FAILED: "no usable mail host, and at least one look-up failed",
    RouteFinding.SERVFAIL: "the resolver could not find out (SERVFAIL)",
    RouteFinding.REFUSED: "the resolver refuses us: check its access list",
    RouteFinding.BAD_REPLY: "the resolver answers with an error",
    RouteFinding.TIMEOUT: "no answer in time",
    RouteFinding.TRUNCATED: "the answer is truncated and TCP did not help",
    RouteFinding.MALFORMED: "the answer cannot be read",
    RouteFinding.CONTRADICTION: "the answer contradicts itself",
    RouteFinding.ALIAS_LOOP: "its aliases loop",
    RouteFinding.NOT_RECURSIVE: "the resolver refers us elsewhere: it does not recurse",
    RouteFinding.REWRITTEN: "the resolver invents addresses for names that do not exist",
    RouteFinding.OVER_BUDGET: "too many new names at once",
    RouteFinding.RESOLVER_DOWN: "no resolver answers",
    RouteFinding.NOT_RECORDED: "the snapshot does not hold it",
}
_HOSTS = {
    HostOutcome.USABLE: "",
    HostOutcome.NOT_FOUND: "does not exist",
    HostOutcome.NO_ADDRESS: "has no address",
    HostOutcome.NOT_PUBLIC: "not public",
    HostOutcome.IP_TEXT: "an address, not a host",
    HostOutcome.LOCAL: "a local name, not looked up",
    HostOutcome.BAD_NAME: "no host name, not looked up",
    HostOutcome.FAILED: "could not be looked up",
    HostOutcome.NOT_ASKED: "not looked up",
}
_SHOWN = 20
_SHOWN_ADDRESSES = 8

_NEVER_ASKED = (RouteFinding.SPECIAL_USE, RouteFinding.NOT_A_DOMAIN)


def describe_route(route: MailRoute, now: float) -> str:
    """A few lines: the verdict and why, the hosts, and how long it holds; *now* on the resolver's clock."""
    shown_name = unicode_domain(route.domain)
    name = route.domain if shown_name == route.domain else f"{route.domain} ({shown_name})"
    lines = [f"{name}: {_VERDICTS[route.outcome]}: {_REASONS[route.finding]}"]
    shown = route.hosts[:_SHOWN]
    width = max((len(host.name) for host in shown), default=0)
    for host in shown:
        remark = _remark(host)
        facts = _listed(host.addresses) + (f"  ({remark})" if host.addresses and remark else remark)
        label = "address" if route.implicit else f"MX {host.preference}"
        lines.append(f"  {label:<9} {host.name or '.':<{width}}  {facts}")
    if len(route.hosts) > _SHOWN:
        lines.append(f"  … and {len(route.hosts) - _SHOWN} more mail hosts")
    left_s = max(0.0, route.expires_at - now)
    if route.stale:
        lines.append(f"  stale: {_span(now - route.resolved_at)} old, served because DNS does not answer")
    elif route.outcome is RouteOutcome.UNKNOWN:
        lines.append(f"  worth asking again {f'in {_span(left_s)}' if round(left_s) else 'now'}")
    elif not is_never_asked(route):
        lines.append(
            f"  holds for another {_span(left_s)}"
            if left_s > 0
            else "  not kept: the answer does not say how long it holds"
        )
    return "\n".join(lines)


def is_never_asked(route: MailRoute) -> bool:
    """Its name alone decided: nobody was asked."""
    return route.finding in _NEVER_ASKED


def _remark(host: MailHost) -> str:
    """What is to be said of a mail host besides its addresses."""
    if host.outcome is not HostOutcome.FAILED or not host.addresses:
        return _HOSTS[host.outcome]
    if any(is_usable_address(address) for address in host.addresses):
        return "not believed: the resolver invents addresses"
    return "not public, and the rest could not be looked up"


def _listed(addresses: Sequence[str]) -> str:
    """The addresses, not all when there are many."""
    text = ", ".join(addresses[:_SHOWN_ADDRESSES])
    return text if len(addresses) <= _SHOWN_ADDRESSES else f"{text} … and {len(addresses) - _SHOWN_ADDRESSES} more"


def _span(seconds: float) -> str:
    """A length of time in the unit that people would choose."""
    for unit, length_s in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
