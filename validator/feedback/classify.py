"""What a failure reply means: the first rule that holds decides, and is named.

Pure. `Classifier` is immutable and shared; one call costs some tens of microseconds.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

from validator.feedback.reasons import Blame, Disposition, FailureReason, ReasonFacts, load_reasons
from validator.feedback.reply import Reply, Stage, parse_reply
from validator.feedback.rules import Rule, WordingIndex, load_rules
from validator.reference import Reference

_ONCE_CONFIRMED = "Hard once our own DNS agrees."
_DOMAIN_REASONS = frozenset({FailureReason.DOMAIN_NOT_FOUND, FailureReason.DOMAIN_NO_MAIL})


@dataclass(frozen=True, slots=True)
class Classification:
    """What one reply means."""

    reason: FailureReason
    """Why."""
    disposition: Disposition
    """What that says about the address."""
    blame: Blame
    """Whose fault it is."""
    rule: str
    """The rule that decided, by id; `none` when none did."""
    confidence: float
    """0 to 1."""
    explanation: str
    """A sentence for people: the reason, and the words that decided."""
    code: int | None
    """Reply code, when there was one."""
    enhanced_status: str
    """Enhanced status code, or empty."""
    permanent: bool | None
    """5xx, 4xx, or nobody said."""

    def document(self) -> dict[str, Any]:
        """The wire form, about nobody in particular."""
        return {
            "recipient": None,
            "reason": self.reason,
            "disposition": self.disposition,
            "blame": self.blame,
            "rule": self.rule,
            "confidence": self.confidence,
            "explanation": self.explanation,
            "code": self.code,
            "enhanced_status": self.enhanced_status or None,
            "original_recipient": None,
            "final_recipient": None,
        }


class Classifier:
    """The rules and the table of reasons of one load of the reference data."""

    def __init__(self, reference: Reference) -> None:
        self.version = reference.version
        self.reasons = load_reasons(reference)
        self.rules = load_rules(reference, thorough=not reference.shipped)
        self._worded: dict[str, list[tuple[int, Rule]]] = {}
        self._wordless: list[tuple[int, Rule]] = []
        for place, rule in enumerate(self.rules):
            known = self._worded.setdefault(rule.wording.name, []) if rule.wording else self._wordless
            known.append((place, rule))
        self._wordless_without_status = [item for item in self._wordless if not item[1].statuses]
        self._wordings = WordingIndex({rule.wording.name: rule.wording for rule in self.rules if rule.wording}.values())

    def classify_text(
        self,
        text: str,
        *,
        code: int | None = None,
        enhanced_status: str = "",
        remote_host: str = "",
        stage: Stage = Stage.UNKNOWN,
    ) -> Classification:
        """Classify a reply as it was received; never raises, whatever the text."""
        return self.classify(parse_reply(text, code=code, status=enhanced_status, host=remote_host, stage=stage))

    def classify(self, reply: Reply) -> Classification:
        """Classify a reply that was read already."""
        found = self._wordings.phrases_in(reply.words)
        wordless = self._wordless if reply.status else self._wordless_without_status
        worded = (item for name in found for item in self._worded[name])
        for _, rule in heapq.merge(sorted(worded, key=_place), wordless, key=_place):
            if rule.circumstances_hold(reply):
                return self._answer(reply, rule, found[rule.wording.name] if rule.wording else "")
        if reply.code is not None and 200 <= reply.code < 300:
            return self.verdict(FailureReason.DELIVERED, rule="code.2xx", confidence=0.9, reply=reply)
        return self.verdict(FailureReason.UNKNOWN, rule="none", confidence=0.0, reply=reply)

    def verdict(
        self, reason: FailureReason, *, rule: str, confidence: float, reply: Reply | None = None, because: str = ""
    ) -> Classification:
        """A classification that something other than the reply's words decided, such as a provider's event type."""
        facts = self.reasons[reason]
        permanent = reply.permanent if reply else None
        disposition = disposition_of(facts, permanent=permanent)
        sentences = [
            facts.sentence,
            f"Decided by {because}." if because else "",
            _ONCE_CONFIRMED if disposition is not facts.disposition and permanent is None else "",
        ]
        return Classification(
            reason=reason,
            disposition=disposition,
            blame=facts.blame,
            rule=rule,
            confidence=confidence,
            explanation=" ".join(part for part in sentences if part),
            code=reply.code if reply else None,
            enhanced_status=reply.status if reply else "",
            permanent=permanent,
        )

    def _answer(self, reply: Reply, rule: Rule, phrase: str) -> Classification:
        because = f"the words \u201c{phrase.removeprefix('=')}\u201d" if phrase else _circumstance(reply, rule)
        return self.verdict(rule.reason, rule=rule.id, confidence=rule.confidence, reply=reply, because=because)


def _place(item: tuple[int, Rule]) -> int:
    return item[0]


def disposition_of(facts: ReasonFacts, *, permanent: bool | None) -> Disposition:
    """The disposition of a reason; a temporary failure to find a domain is no proof that it is dead, nor is the word
    of a sender's system that gives no code: that becomes hard when our own DNS agrees, which recording asks."""
    if facts.reason in _DOMAIN_REASONS and permanent is False:
        return Disposition.TRANSIENT
    if facts.reason is FailureReason.DOMAIN_NO_MAIL and permanent is None:
        return Disposition.TRANSIENT  # "No MX for …" alone: hard once our own DNS agrees
    return facts.disposition


def _circumstance(reply: Reply, rule: Rule) -> str:
    if rule.statuses:
        return f"the enhanced status {reply.status}"
    if rule.stages:
        return f"a {reply.code} answer to the {reply.stage} stage"
    return f"the reply code {reply.code}"
