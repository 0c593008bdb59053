"""The figures that were promised, on the shared corpora; skipped where those are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.corpora_dir import tsv
from validator.reference import Reference
from validator.reference.providers import Providers
from validator.sanitize import Correction, CorrectionAction, DomainEvidence, Sanitizer
from validator.sanitize.domain import DomainCorrector

Correct = Callable[[str], Correction]


@pytest.fixture(scope="module")
def slips(reference: Reference) -> dict[str, str]:
    return {row["typed"]: row["meant"] for row in reference.table("typos").records()}


@pytest.fixture(scope="module")
def unguarded(providers: Providers, slips: dict[str, str]) -> Correct:
    """The engine without the list of legitimate neighbours."""
    return DomainCorrector(providers, slips, ()).correct


def applied(correct: Correct, domain: str) -> str | None:
    correction = correct(domain)
    return correction.target if correction.action is CorrectionAction.APPLY else None


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def test_typos_are_corrected_exactly_and_hardly_ever_wrongly(sanitizer: Sanitizer) -> None:
    rows = list(tsv("sanitizing", "domain_typos.tsv"))
    said = [(row, applied(sanitizer.correct_domain, row["typo"])) for row in rows]
    assert share([target == row["intended"] for row, target in said]) >= 0.93
    assert share([target not in (None, row["intended"]) for row, target in said]) <= 0.008
    assert share([target == row["intended"] for row, target in said if int(row["n_sources"]) > 1]) >= 0.99
    named = [sanitizer.correct_domain(row["typo"]).target == row["intended"] for row in rows]
    assert share(named) >= 0.96


def test_the_distance_alone_carries_most_of_it(providers: Providers) -> None:
    bare = DomainCorrector(providers, {}, ()).correct
    rows = list(tsv("sanitizing", "domain_typos.tsv"))
    assert share([applied(bare, row["typo"]) == row["intended"] for row in rows]) >= 0.925


def test_real_domains_are_not_changed_even_without_the_guard(sanitizer: Sanitizer, unguarded: Correct) -> None:
    rows = list(tsv("sanitizing", "domain_legitimate.tsv"))
    assert not any(applied(sanitizer.correct_domain, row["domain"]) for row in rows)
    changed = [(row["hard"] == "1", applied(unguarded, row["domain"]) is not None) for row in rows]
    assert share([bad for _, bad in changed]) <= 0.001
    assert share([bad for hard, bad in changed if hard]) <= 0.01


def test_contested_names_are_suggested_not_applied(sanitizer: Sanitizer, unguarded: Correct) -> None:
    rows = list(tsv("sanitizing", "domain_contested.tsv"))
    for correct in (sanitizer.correct_domain, unguarded):
        actions = [correct(row["typed"]).action for row in rows]
        assert actions.count(CorrectionAction.APPLY) / len(rows) <= 0.05
        assert actions.count(CorrectionAction.SUGGEST) / len(rows) >= 0.5


def test_a_resolver_that_denies_everything_changes_no_real_domain(sanitizer: Sanitizer) -> None:
    changed = {"domain_legitimate.tsv": 0, "domain_contested.tsv": 0}
    for name in changed:
        for row in tsv("sanitizing", name):
            typed = row.get("domain") or row["typed"]
            before = sanitizer.sanitize(f"anna@{typed}")
            after = sanitizer.with_evidence(before, {typed: DomainEvidence.NO_MAIL})
            changed[name] += after.text != before.text
    assert changed == {"domain_legitimate.tsv": 0, "domain_contested.tsv": 0}


def test_the_map_is_not_the_corpus(slips: dict[str, str]) -> None:
    rows = list(tsv("sanitizing", "domain_typos.tsv"))
    assert share([row["typo"] in slips for row in rows]) < 0.35
