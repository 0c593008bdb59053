"""The text while it is being repaired, with what was done to it. Pure, but mutable: one per pass, never shared."""

from __future__ import annotations

from collections.abc import Callable

from validator.sanitize.result import DomainDoubt, Sanitized
from validator.verdict import Change

_SURE = 0.98


class Ledger:
    """Text and changes of one pass."""

    __slots__ = ("_changes", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._changes: list[Change] = []

    def step(self, rule: str, repair: Callable[[str], str]) -> None:
        """Apply a repair of the whole text; noted only when it changed something."""
        self.set(rule, repair(self.text))

    def set(self, rule: str, text: str, confidence: float = _SURE) -> None:
        """Replace the whole text; noted only when it differs."""
        self.part(rule, self.text, text, confidence)
        self.text = text

    def part(self, rule: str, before: str, after: str, confidence: float = _SURE) -> None:
        """Note the repair of one side; the caller puts the text together."""
        if before != after and before.lower() != after:
            self._changes.append(Change(rule, before, after, confidence))

    def result(self, *, suggestion: str | None = None, doubt: DomainDoubt | None = None) -> Sanitized:
        """What this pass came to."""
        differs = suggestion if suggestion != self.text else None
        return Sanitized(self.text, tuple(self._changes), differs, None, doubt)
