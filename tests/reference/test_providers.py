"""The provider table: wide enough, consistent, readable."""

from __future__ import annotations

import pytest

from validator.address import ascii_domain
from validator.errors import DatasetError
from validator.reference import Reference, Table, load_reference
from validator.reference.providers import load_providers
from validator.reference.suffixes import is_public_suffix

REFERENCE = load_reference()
PROVIDERS = load_providers(REFERENCE)


def test_it_covers_the_world() -> None:
    assert len({provider.vendor for provider in PROVIDERS.domains.values()}) >= 150
    assert len(PROVIDERS.domains) >= 600


def test_every_domain_is_a_domain_and_no_public_suffix() -> None:
    for domain in PROVIDERS.domains:
        assert ascii_domain(domain) == domain
        assert not is_public_suffix(domain), domain


def test_every_provider_has_a_domain_and_a_rank_of_its_own() -> None:
    vendors = {row["vendor"]: int(row["rank"]) for row in REFERENCE.table("providers").records()}
    assert {provider.vendor for provider in PROVIDERS.domains.values()} == set(vendors)
    assert len(set(vendors.values())) == len(vendors)


def test_the_rules_of_local_parts_are_known_where_they_matter() -> None:
    gmail = PROVIDERS.domains["gmail.com"]
    assert (gmail.vendor, gmail.trusted, gmail.dots_matter, gmail.plus_tags) == ("Google", True, False, True)
    assert PROVIDERS.known_to_refuse("gmail.com", "'")
    assert not PROVIDERS.known_to_refuse("orange.nl", "'")
    assert not PROVIDERS.known_to_refuse("example.com", "'")
    assert PROVIDERS.domains["yahoo.com"].dots_matter
    assert PROVIDERS.get("nobody.example") is None


def test_hosts_belong_on_a_label_border() -> None:
    gmail = PROVIDERS.domains["gmail.com"]
    assert gmail.owns_host("gmail-smtp-in.l.google.com")
    assert gmail.owns_host("alt1.gmail-smtp-in.l.google.com")
    assert not gmail.owns_host("evilgmail-smtp-in.l.google.com")


def test_hosts_that_serve_customers_domains_prove_nothing() -> None:
    assert not PROVIDERS.domains["gmail.com"].owns_host("aspmx.l.google.com")
    assert not PROVIDERS.domains["outlook.com"].owns_host("corp-com.mail.protection.outlook.com")
    assert not PROVIDERS.domains["icloud.com"].owns_host("mx01.mail.icloud.com")
    assert "google.com" in PROVIDERS.domains["gmail.com"].mail_hosts


@pytest.mark.parametrize(
    ("name", "columns", "row"),
    [
        ("provider_domains", ("domain", "vendor", "tier"), ("gmail.com", "Nobody", "1")),
        ("provider_domains", ("domain", "vendor", "tier"), ("gmail.com", "Google", "first")),
    ],
)
def test_a_broken_table_is_refused(name: str, columns: tuple[str, ...], row: tuple[str, ...]) -> None:
    tables = dict(REFERENCE.tables) | {name: Table(name, columns, (row,), "")}
    with pytest.raises(DatasetError, match=name):
        load_providers(Reference("test", tables))
