"""What a run came to: counts per reason and status, the domains that failed most, repairs. Pure, bounded, mergeable.

No address is ever kept here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from validator.bulk.answers import Answer
from validator.bulk.rows import RowFault
from validator.checker import Verdicts
from validator.verdict import Reason, Status

TOP_DOMAINS = 20
"""Domains that a report names."""
DOMAINS_COUNTED = 4_000
"""Domains that are counted at once; past it the rarer half is forgotten, so counts of rare domains are lower bounds."""

_CASE_ALONE = "case of the domain"


@dataclass(slots=True)
class Summary:
    """Running counts; the work of every window is added to it."""

    rows: int = 0
    """Rows answered, errors included."""
    errors: int = 0
    """Rows that had no verdict."""
    repaired: int = 0
    """Rows whose `email` differs from what was sent."""
    suggested: int = 0
    """Rows with a suggestion."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Verdicts by status."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Verdicts by first reason; valid ones are not in it."""
    repairs: Counter[str] = field(default_factory=Counter)
    """Repaired rows by what changed: `domain`, `local part`, `text`."""
    bad_domains: Counter[str] = field(default_factory=Counter)
    """Verdicts that are not valid, by domain; bounded by `DOMAINS_COUNTED`."""

    def add(self, answers: Sequence[Answer]) -> None:
        """Count some answers."""
        self.rows += len(answers)
        if not isinstance(answers, Verdicts):
            self._add_each(answers)
            return
        self._add_each(answers.others.values())
        for route, count in Counter(answers.alone).items():
            if route is None:
                continue
            self.statuses[route.status.value] += count
            if route.reason is not None:
                self.reasons[route.reason.value] += count
            if route.status is Status.INVALID:
                at_fault = (text for text, found in zip(answers.texts, answers.alone, strict=True) if found is route)
                for domain, failures in Counter(text.rpartition("@")[2] for text in at_fault).items():
                    self._count_domain(domain, failures)

    def _add_each(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            if isinstance(answer, RowFault):
                self.errors += 1
                continue
            if answer.email is not answer.orig and answer.email != answer.orig:
                self.repaired += 1
                self.repairs[_what_changed(answer.orig, answer.email)] += 1
            if answer.suggestion is not None:
                self.suggested += 1
            self.statuses[answer.status.value] += 1
            if answer.reason is not None:
                self.reasons[answer.reason.value] += 1
            if answer.status is Status.INVALID and answer.domain:
                self._count_domain(answer.domain, 1)

    def merge(self, other: Summary) -> None:
        """Add the counts of *other*."""
        self.rows += other.rows
        self.errors += other.errors
        self.repaired += other.repaired
        self.suggested += other.suggested
        self.statuses.update(other.statuses)
        self.reasons.update(other.reasons)
        self.repairs.update(other.repairs)
        for domain, count in other.bad_domains.items():
            self._count_domain(domain, count)

    @property
    def reworded(self) -> int:
        """Rows whose `email` is another text than what was sent, not only in other case."""
        return self.repaired - self.repairs[_CASE_ALONE]

    def top_domains(self) -> list[tuple[str, int]]:
        """The domains with most failures, most first; equal counts by name, so that two runs agree."""
        return sorted(self.bad_domains.items(), key=lambda item: (-item[1], item[0]))[:TOP_DOMAINS]

    def document(self) -> dict[str, Any]:
        """JSON-ready, every status and reason named."""
        return {
            "rows": self.rows,
            "errors": self.errors,
            "repaired": self.repaired,
            "suggested": self.suggested,
            "statuses": {status.value: self.statuses[status.value] for status in Status},
            "reasons": {reason.value: self.reasons[reason.value] for reason in Reason},
        }

    def state(self) -> dict[str, Any]:
        """Everything, for a checkpoint."""
        return self.document() | {"repairs": dict(self.repairs), "bad_domains": dict(self.bad_domains)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The summary that a checkpoint holds."""
        return cls(
            rows=state["rows"],
            errors=state["errors"],
            repaired=state["repaired"],
            suggested=state["suggested"],
            statuses=Counter(state["statuses"]),
            reasons=Counter(state["reasons"]),
            repairs=Counter(state["repairs"]),
            bad_domains=Counter(state["bad_domains"]),
        )

    def _count_domain(self, domain: str, count: int) -> None:
        self.bad_domains[domain] += count
        if len(self.bad_domains) > DOMAINS_COUNTED:
            kept = sorted(self.bad_domains.items(), key=lambda item: (-item[1], item[0]))[: DOMAINS_COUNTED // 2]
            self.bad_domains = Counter(dict(kept))


def _what_changed(orig: str, email: str) -> str:
    """Which side of the @ was repaired; `text` when the input had no one @ to tell sides by."""
    before = orig.rpartition("@")
    after = email.rpartition("@")
    if not before[1] or "@" in before[0]:
        return "text"
    if before[0] == after[0]:
        return _CASE_ALONE if before[2].lower() == after[2] else "domain"
    return "local part" if before[2].lower() == after[2] else "text"
