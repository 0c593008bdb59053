"""Mailbox providers: one table for typo targets, `vendor`, `trusted` and the rules of local parts.

`data/providers.tsv` has a row per provider, `data/provider_domains.tsv` a row per domain with its tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from validator.errors import DatasetError
from validator.reference import Reference

LAST_TARGET_TIER = 3
"""Domains of a later tier are known, but nothing is ever repaired into them."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of one provider of mailboxes."""

    vendor: str
    """Name of the company or service; the registrable domain when it has no better one."""
    rank: int
    """1 for the most used; decides ties between repairs that cost the same."""
    trusted: bool
    """One that looks after its users' accounts."""
    symbols: frozenset[str] | None
    """RFC 5322 symbols beyond `. _ - +` that a local part there may hold; None when that is not known."""
    dots_matter: bool
    """False where `a.b` and `ab` are the same mailbox."""
    plus_tags: bool
    """True where `a+tag` is known to reach the mailbox `a`."""
    min_local: int
    """Fewest characters that a new local part may have; 0 when not known."""
    mail_hosts: tuple[str, ...]
    """Suffixes, on a label border, of the names of all mail hosts it runs; empty when not known."""
    own_hosts: tuple[str, ...]
    """The same of hosts that serve nothing but its own mailbox domains; empty when not known.

    A stranger's domain can stand behind `aspmx.l.google.com`, but not behind `gmail-smtp-in.l.google.com`.
    """

    def owns_host(self, host: str) -> bool:
        """True when *host*, in lower case, serves only this provider's own domains."""
        return any(host == suffix or host.endswith(f".{suffix}") for suffix in self.own_hosts)


@dataclass(frozen=True, slots=True)
class Providers:
    """All providers of one load of the reference data."""

    domains: Mapping[str, Provider]
    """Provider by domain, lower-case A-labels."""
    tiers: Mapping[str, int]
    """How many typing slips a domain attracts, by domain: 1 most, 4 never a target of repairs."""

    def get(self, domain: str) -> Provider | None:
        """The provider that hands out addresses at exactly this domain (0.1 µs)."""
        return self.domains.get(domain)

    def known_to_refuse(self, domain: str, symbol: str) -> bool:
        """True when no mailbox of *domain* can have *symbol* in its name; False when that is not known."""
        provider = self.domains.get(domain)
        return provider is not None and provider.symbols is not None and symbol not in provider.symbols


@lru_cache(maxsize=1)
def load_providers(reference: Reference) -> Providers:
    """Build the provider table, once for those who share the tables.

    Raises `DatasetError` on a cell that cannot be read or a domain without provider.
    """
    providers = {row["vendor"]: _provider(row) for row in reference.table("providers").records()}
    domains: dict[str, Provider] = {}
    tiers: dict[str, int] = {}
    for row in reference.table("provider_domains").records():
        domain, vendor = row["domain"], row["vendor"]
        if vendor not in providers:
            raise DatasetError(f"provider_domains: {domain} names the unknown provider {vendor}")
        domains[domain] = providers[vendor]
        tiers[domain] = _number("provider_domains", row, "tier")
    return Providers(MappingProxyType(domains), MappingProxyType(tiers))


def _provider(row: Mapping[str, str]) -> Provider:
    symbols = row["symbols"]
    return Provider(
        vendor=row["vendor"],
        rank=_number("providers", row, "rank"),
        trusted=row["trusted"] == "yes",
        symbols=None if symbols == "unknown" else frozenset() if symbols == "none" else frozenset(symbols),
        dots_matter=row["dots_matter"] != "no",
        plus_tags=row["plus_tags"] == "yes",
        min_local=_number("providers", row, "min_local"),
        mail_hosts=_names(row["mail_hosts"]),
        own_hosts=_names(row["own_hosts"]),
    )


def _names(cell: str) -> tuple[str, ...]:
    return () if cell == "-" else tuple(cell.split())


def _number(table: str, row: Mapping[str, str], column: str) -> int:
    try:
        return int(row[column])
    except ValueError as error:
        raise DatasetError(f"{table}: {column} is no number: {row[column]}") from error
