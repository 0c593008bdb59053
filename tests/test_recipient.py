"""Who reads an address."""

from __future__ import annotations

import pytest

from validator.errors import DatasetError
from validator.recipient import RecipientClass, Recipients
from validator.reference import Reference, Table, load_reference


@pytest.fixture(scope="module")
def recipients() -> Recipients:
    return Recipients(load_reference())


@pytest.mark.parametrize(
    "local",
    [
        "postmaster", "Abuse", "noc", "hostmaster", "webmaster", "noreply", "no-reply", "No_Reply", "donotreply",
        "do-not-reply", "noreply-maps-timeline", "drive-shares-dm-noreply", "noreply123", "mailer-daemon", "bounce",
        "bounce+abc", "bounces-1234-x", "prvs=1=x", "srs0=aa=bb", "SRS1=x", "msprvs1=x", "test", "test1", "Test+tag",
        "testing", "nepasrepondre", "svara-inte", "ei-vastausta", "nietbeantwoorden", "nevalaszolj", "neodgovaraj",
        "root", "nobody", "list-bounces",
    ],
)  # fmt: skip
def test_nobody_reads_a_system_mailbox(recipients: Recipients, local: str) -> None:
    rule = recipients.local_rule(local)
    assert rule is not None
    assert rule.recipient is RecipientClass.SYSTEM


@pytest.mark.parametrize(
    "local",
    [
        "ivan", "casino-reply", "bounce-house", "bounce.fitness", "testa", "tester.smith", "contest", "anna.noreplyova",
        "protest", "norepl", "prvs", "newsman", "securityguy", "attestation", "jean-noc", "rootbeer", "latest1",
    ],
)  # fmt: skip
def test_a_person_is_never_taken_for_a_system_mailbox(recipients: Recipients, local: str) -> None:
    rule = recipients.local_rule(local)
    assert rule is None or rule.recipient is RecipientClass.ROLE


@pytest.mark.parametrize("local", ["info", "sales", "Support", "kontakt", "team-request", "info+eu"])
def test_a_shared_business_mailbox_is_only_a_remark(recipients: Recipients, local: str) -> None:
    rule = recipients.local_rule(local)
    assert rule is not None
    assert rule.recipient is RecipientClass.ROLE


@pytest.mark.parametrize(
    ("local", "domain"),
    [
        ("x", "fb.com"), ("x", "facebook.com"), ("x", "proxymail.facebook.com"), ("1+x", "users.noreply.github.com"),
        ("reply+abc", "reply.github.com"), ("abc", "marketplace.amazon.de"), ("x", "reply.craigslist.org"),
        ("a.b", "guest.booking.com"), ("5551234567", "vtext.com"), ("5551234567", "fido.ca"), ("me", "kindle.com"),
        ("receipts", "concur.com"),
    ],
)  # fmt: skip
def test_a_program_reads_an_application_address(recipients: Recipients, local: str, domain: str) -> None:
    rules = [rule for rule in recipients.domain_rules(domain) if rule.matches(local)]
    assert rules
    assert rules[0].recipient is RecipientClass.APPLICATION


@pytest.mark.parametrize("domain", ["privaterelay.appleid.com", "mozmail.com", "duck.com", "name.simplelogin.com"])
def test_a_privacy_relay_reaches_a_person(recipients: Recipients, domain: str) -> None:
    rules = recipients.domain_rules(domain)
    assert rules
    assert {rule.recipient for rule in rules} == {RecipientClass.RELAY}


@pytest.mark.parametrize(
    ("local", "domain"), [("x", "gmail.com"), ("ivan", "fido.ca"), ("x", "notfb.com"), ("joe", "concur.com")]
)
def test_an_ordinary_address_is_nobodys_application(recipients: Recipients, local: str, domain: str) -> None:
    assert not [rule for rule in recipients.domain_rules(domain) if rule.matches(local)]


def test_a_rule_that_means_nothing_is_refused() -> None:
    good = load_reference()
    columns = ("kind", "local", "class", "what", "source")
    broken = Table("system_mailboxes", columns, (("pattern", "(", "system", "x", "x"),), "")
    with pytest.raises(DatasetError, match="system_mailboxes"):
        Recipients(Reference(good.version, {**good.tables, "system_mailboxes": broken}))
