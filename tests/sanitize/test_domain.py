"""Which domain was meant: kept, applied, suggested; evidence from DNS."""

from __future__ import annotations

from pathlib import Path

import pytest

from validator.reference import Reference
from validator.reference.providers import Providers
from validator.sanitize import CorrectionAction, DomainEvidence, Sanitizer
from validator.sanitize.domain import DomainCorrector

ROWS = Path(__file__).resolve().parents[1] / "corpora" / "sanitizing" / "domain_decisions.tsv"
"""Regression rows: slips of every kind, and the wrong corrections that peers' trackers report."""


def decisions() -> list[tuple[str, str, str]]:
    return [tuple(line.split("\t")) for line in ROWS.read_text("utf-8").splitlines()[1:]]  # type: ignore[misc]


SPECIAL_USE = ("gmail.test", "mail.local", "gmail.invalid", "localhost", "gmail.onion", "yahoo.internal")


@pytest.mark.parametrize(("typed", "action", "target"), decisions())
def test_a_domain_is_kept_repaired_or_only_commented_on(
    sanitizer: Sanitizer, typed: str, action: str, target: str
) -> None:
    correction = sanitizer.correct_domain(typed)
    assert (correction.action, correction.target) == (action, target)
    lowest, highest = {"apply": (0.9, 1.0), "suggest": (0.6, 0.89), "keep": (1.0, 1.0)}[action]
    assert lowest <= correction.confidence <= highest


@pytest.mark.parametrize("domain", SPECIAL_USE)
def test_special_use_names_are_left_as_typed(sanitizer: Sanitizer, domain: str) -> None:
    assert sanitizer.correct_domain(domain).action is CorrectionAction.KEEP


def test_every_provider_domain_is_kept(sanitizer: Sanitizer, providers: Providers) -> None:
    assert all(sanitizer.correct_domain(domain).action is CorrectionAction.KEEP for domain in providers.domains)


def test_the_operators_own_domains_are_never_changed(reference: Reference) -> None:
    guarded = Sanitizer(reference, guard=["Gmaill.com"])
    assert guarded.correct_domain("gmaill.com").rule == "domain.guarded"
    assert guarded.sanitize("a@gmaill.com").text == "a@gmaill.com"


def test_the_map_leads_to_providers_and_contains_none(reference: Reference, providers: Providers) -> None:
    for row in reference.table("typos").records():
        assert row["meant"] in providers.domains, row
        assert row["typed"] not in providers.domains, row


def test_no_guarded_name_is_a_provider_or_in_the_map(reference: Reference, providers: Providers) -> None:
    slips = {row["typed"] for row in reference.table("typos").records()}
    for row in reference.table("legitimate_neighbours").records():
        assert row["action"] in ("keep", "suggest")
        assert row["domain"] not in providers.domains, row
        assert row["domain"] not in slips, row


def test_the_answer_does_not_depend_on_the_order_of_the_tables(reference: Reference, providers: Providers) -> None:
    turned = Providers(dict(reversed(list(providers.domains.items()))), dict(reversed(list(providers.tiers.items()))))
    one, other = DomainCorrector(providers, {}, ()), DomainCorrector(turned, {}, ())
    for typed in [*(typed for typed, _, _ in decisions()), "gma.com", "wab.de", "hotmal.se", "yaho.c"]:
        assert one.correct(typed) == other.correct(typed)


def test_a_dead_domain_raises_only_what_was_nearly_sure(sanitizer: Sanitizer) -> None:
    doubted = sanitizer.sanitize("anna@gmail.cc")
    assert doubted.doubt is not None
    assert doubted.text == "anna@gmail.cc"
    assert sanitizer.with_evidence(doubted, {"gmail.cc": DomainEvidence.NO_MAIL}) == doubted
    nearly = sanitizer.sanitize("anna@yandxxx.ru")
    assert (nearly.text, nearly.suggestion) == ("anna@yandxxx.ru", "anna@yandex.ru")
    settled = sanitizer.with_evidence(nearly, {"yandxxx.ru": DomainEvidence.NO_MAIL})
    assert (settled.text, settled.suggestion, settled.doubt) == ("anna@yandex.ru", None, None)
    assert settled.changes[-1].rule.endswith(".dns")
    assert settled.changes[-1].confidence >= 0.9


def test_a_defensive_registration_is_applied(sanitizer: Sanitizer) -> None:
    doubted = sanitizer.sanitize("anna@gmail.cc")
    assert sanitizer.with_evidence(doubted, {"gmail.cc": DomainEvidence.PROVIDER}).text == "anna@gmail.com"


@pytest.mark.parametrize(
    "evidence", [{}, {"gmail.cc": DomainEvidence.TAKES_MAIL}, {"gmail.cc": DomainEvidence.UNKNOWN}]
)
def test_a_normal_domain_and_an_unknown_answer_hold_it_at_a_suggestion(
    sanitizer: Sanitizer, evidence: dict[str, DomainEvidence]
) -> None:
    doubted = sanitizer.sanitize("anna@gmail.cc")
    assert sanitizer.with_evidence(doubted, evidence) == doubted


def test_dead_targets_are_not_applied(sanitizer: Sanitizer) -> None:
    doubted = sanitizer.sanitize("anna@gmail.cc")
    evidence = {"gmail.cc": DomainEvidence.PROVIDER, "gmail.com": DomainEvidence.NO_MAIL}
    assert sanitizer.with_evidence(doubted, evidence) == doubted


def test_guarded_and_sure_cases_raise_no_doubt(sanitizer: Sanitizer) -> None:
    for domain in ("gmail.com", "gmial.com", "hitmail.com", "jcloud.com", "corporation.example"):
        assert sanitizer.sanitize(f"anna@{domain}").doubt is None
