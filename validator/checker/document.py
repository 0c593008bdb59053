"""The wire form of a verdict: what `POST /check` answers, what a list writes a line of. Pure."""

from __future__ import annotations

from typing import Any

from validator.sanitize.story import rule_sentence
from validator.verdict import Explanation, Verdict


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """The wire form of a verdict."""
    document: dict[str, Any] = {
        "orig": verdict.orig,
        "valid": verdict.valid,
        "email": verdict.email,
        "reason": verdict.reason,
        "status": verdict.status,
        "suggestion": verdict.suggestion,
    }
    if verdict.explain is not None:
        document["explain"] = explain_document(verdict.explain)
    return document


def explain_document(explain: Explanation) -> dict[str, Any]:
    """The wire form of the evidence."""
    return {
        "changes": [
            {
                "rule": change.rule,
                "before": change.before,
                "after": change.after,
                "confidence": change.confidence,
                "sentence": rule_sentence(change.rule),
            }
            for change in explain.changes
        ],
        "findings": [
            {"reason": finding.reason, "outcome": finding.outcome, "detail": finding.detail}
            for finding in explain.findings
        ],
        "dns": explain.dns,
        "provider": explain.provider,
        "flags": list(explain.flags),
        "entries": list(explain.entries),
        "extra": dict(explain.extra),
    }
