"""Rules that would hit half the world: found before they are entered. Pure.

Asked of every rule that somebody enters or imports; `force` overrides. What is "known" comes from the provider table,
the tables of provider networks and of companies that run mail hosts for others, and the public suffix list, so a
verdict needs no network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Protocol

from validator.blacklist.entry import Kind, Rule
from validator.errors import Complaint, RuleTooWide
from validator.reference.suffixes import is_shared_suffix

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
BIG_RANK = 200
"""A rule that hits one of so many most used providers is refused."""
MANY_PROVIDERS = 3
"""A rule that hits as many known providers of any size is refused."""
WITH_FORCE = "with force it is entered all the same"
"""What a refusal ends with; `force` is a field over HTTP and `--force` at the command line."""
_SHOWN = 20


class KnownProvider(Protocol):
    """What the guard needs of a mailbox provider."""

    @property
    def vendor(self) -> str:
        """Its name."""

    @property
    def rank(self) -> int:
        """1 for the most used."""

    @property
    def mail_hosts(self) -> Iterable[str]:
        """Suffixes of the names of its mail hosts."""


class KnownProviders(Protocol):
    """What the guard needs of the provider table."""

    @property
    def domains(self) -> Mapping[str, KnownProvider]:
        """Mailbox providers by domain, lower-case A-labels."""


@dataclass(frozen=True, slots=True)
class HostingSuffix:
    """A name under which a company runs mail hosts for other people's domains."""

    suffix: str
    """Lower-case A-labels."""
    operator: str
    """The company."""
    per_customer: bool
    """Each host below is one customer's: a rule about one exact host is narrow enough."""

    def is_hit(self, rule: Rule) -> bool:
        """Whether a rule about mail hosts hits more than one customer of the company."""
        inside = rule.key == self.suffix or rule.key.endswith(f".{self.suffix}")
        if rule.below:
            return inside or self.suffix.endswith(f".{rule.key}")
        return inside and not self.per_customer


@dataclass(frozen=True, slots=True)
class Reach:
    """What a rule would hit."""

    providers: tuple[str, ...]
    """Names of the known providers, sorted."""
    public_suffix: bool
    """It names a suffix under which strangers register."""
    too_wide: bool
    """A network wider than the limit."""
    big: bool = False
    """One of the providers is a big one, or there are many of them."""

    @property
    def refused(self) -> bool:
        """Whether it needs `force`."""
        return self.big or self.public_suffix or self.too_wide

    @property
    def sentence(self) -> str:
        """For people: what it would hit."""
        parts = []
        if self.public_suffix:
            parts.append("names a public suffix")
        if self.too_wide:
            parts.append("is wider than the limit")
        if self.providers:
            count = len(self.providers)
            shown = ", ".join(self.providers[:_SHOWN]) + (", …" if count > _SHOWN else "")
            parts.append(f"would hit {count} known provider{'' if count == 1 else 's'}: {shown}")
        return "this rule " + " and ".join(parts) if parts else "this rule hits no known provider"


class Guard:
    """Judges rules against what is known; built once per load of the reference data."""

    def __init__(
        self,
        providers: KnownProviders | None = None,
        *,
        networks: Iterable[tuple[str, str]] = (),
        hosting: Iterable[HostingSuffix] = (),
        widest_v4: int = 20,
        widest_v6: int = 48,
    ) -> None:
        """*networks* are (vendor, CIDR) of mail hosts, *hosting* says who runs some for others.

        *widest_…* is the shortest prefix that needs no `force`.
        """
        known_domains = providers.domains if providers is not None else {}
        self._domains: dict[str, str] = {name: known.vendor for name, known in known_domains.items()}
        self._big = {known.vendor for known in known_domains.values() if known.rank <= BIG_RANK}
        self._hosts: dict[str, set[str]] = {}
        for known in known_domains.values():
            for host in known.mail_hosts:
                self._hosts.setdefault(host.lower().strip("."), set()).add(known.vendor)
        self._networks: list[tuple[str, Network]] = [(vendor, ipaddress.ip_network(text)) for vendor, text in networks]
        self._hosting = tuple(hosting)
        self._widest = {4: widest_v4, 6: widest_v6}

    def reach(self, rule: Rule) -> Reach:
        """What *rule* would hit; an address never hits more than one mailbox."""
        match rule.kind:
            case Kind.ADDRESS:
                return Reach((), public_suffix=False, too_wide=False)
            case Kind.DOMAIN:
                return self._domain(rule)
            case Kind.MX_HOST:
                return self._host(rule)
            case Kind.MX_IP:
                return self._network(rule)

    def require(self, rule: Rule, *, pointer: str) -> None:
        """Raise `RuleTooWide` when *rule* needs `force`."""
        reach = self.reach(rule)
        if reach.refused:
            raise RuleTooWide(f"{reach.sentence}; {WITH_FORCE}", [Complaint(pointer, reach.sentence)])

    def _domain(self, rule: Rule) -> Reach:
        hit = {self._domains[rule.key]} if rule.key in self._domains else set()
        if rule.below:
            hit |= {vendor for name, vendor in self._domains.items() if name.endswith(f".{rule.key}")}
        return self._reach(hit, public_suffix=is_shared_suffix(rule.key))

    def _host(self, rule: Rule) -> Reach:
        hit: set[str] = set()
        for host, vendors in self._hosts.items():
            inside = rule.key == host or rule.key.endswith(f".{host}")
            around = rule.below and host.endswith(f".{rule.key}")
            if inside or around:
                hit |= vendors
        shared = {hosting.operator for hosting in self._hosting if hosting.is_hit(rule)}
        found = self._reach(hit | shared, public_suffix=rule.below and is_shared_suffix(rule.key))
        return replace(found, big=found.big or bool(shared))

    def _network(self, rule: Rule) -> Reach:
        network = ipaddress.ip_network(rule.key)
        hit = {vendor for vendor, known in self._networks if _overlap(known, network)}
        return self._reach(hit, too_wide=network.prefixlen < self._widest[network.version])

    def _reach(self, hit: Set[str], *, public_suffix: bool = False, too_wide: bool = False) -> Reach:
        big = len(hit) >= MANY_PROVIDERS or any(vendor in self._big for vendor in hit)
        return Reach(tuple(sorted(hit)), public_suffix, too_wide, big)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
