"""Who reads an address: a person, a program (`application`), nobody (`system`), or a role shared by several.

Pure. Rules are the tables `applications` and `system_mailboxes`; a privacy relay reaches a person and is only a remark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from validator.errors import DatasetError
from validator.reference import Reference


class RecipientClass(StrEnum):
    """Who reads the address."""

    APPLICATION = "application"
    """A program hands it out or reads it."""
    RELAY = "relay"
    """A privacy relay that forwards to a person."""
    SYSTEM = "system"
    """A technical or no-reply mailbox."""
    ROLE = "role"
    """A shared business mailbox such as info@; people's shops use them."""


@dataclass(frozen=True, slots=True)
class DomainRule:
    """One application or relay rule."""

    domain: str
    """Lower-case A-label domain of the rule."""
    local: re.Pattern[str] | None
    """Pattern for the whole lower-cased local part; None for every local part."""
    recipient: RecipientClass
    """`APPLICATION` or `RELAY`."""
    what: str
    """What the address is, in words."""

    def matches(self, local: str) -> bool:
        """True when the rule speaks of this local part."""
        return self.local is None or self.local.fullmatch(local.lower()) is not None


@dataclass(frozen=True, slots=True)
class LocalRule:
    """What a local part says about its reader."""

    recipient: RecipientClass
    """`SYSTEM` or `ROLE`."""
    what: str
    """What the mailbox is, in words."""


class Recipients:
    """The rules of one load of reference data."""

    def __init__(self, reference: Reference) -> None:
        """Compile both tables; raises `DatasetError` for a class, scope or pattern that means nothing."""
        self._exact: dict[str, tuple[DomainRule, ...]] = {}
        self._below: dict[str, tuple[DomainRule, ...]] = {}
        for row in reference.table("applications").records():
            rule = DomainRule(
                row["domain"],
                None if row["local"] == "*" else _compile(row["local"], "applications"),
                _recipient_class(row["class"], RecipientClass.APPLICATION, RecipientClass.RELAY),
                row["what"],
            )
            if row["scope"] not in {"exact", "below"}:
                raise DatasetError(f"applications: unknown scope {row['scope']}")
            target = self._exact if row["scope"] == "exact" else self._below
            target[rule.domain] = (*target.get(rule.domain, ()), rule)
        self._locals: dict[str, LocalRule] = {}
        patterns: dict[LocalRule, list[str]] = {}
        for row in reference.table("system_mailboxes").records():
            local_rule = LocalRule(
                _recipient_class(row["class"], RecipientClass.SYSTEM, RecipientClass.ROLE), row["what"]
            )
            if row["kind"] == "exact":
                self._locals[row["local"]] = local_rule
            else:
                patterns.setdefault(local_rule, []).append(_compile(row["local"], "system_mailboxes").pattern)
        self._patterns = tuple((re.compile("|".join(texts)), rule) for rule, texts in patterns.items())
        self._any_pattern = re.compile("|".join(text for texts in patterns.values() for text in texts))
        self._system_names = {name for name, rule in self._locals.items() if rule.recipient is RecipientClass.SYSTEM}
        system = (texts for rule, texts in patterns.items() if rule.recipient is RecipientClass.SYSTEM)
        self._system_signs = tuple({required_text(text) for texts in system for text in texts})

    def domain_rules(self, domain: str) -> tuple[DomainRule, ...]:
        """Every application or relay rule that speaks of *domain*; usually empty. Depends on the domain only."""
        rules = self._exact.get(domain, ())
        name = domain
        while name:
            found = self._below.get(name)
            if found:
                rules += found
            name = name.partition(".")[2]
        return rules

    def local_rule(self, local: str) -> LocalRule | None:
        """The system or role rule for a local part, its `+tag` left aside; None for a person's."""
        lowered = local.lower()
        base = lowered.partition("+")[0] or lowered
        found = self._locals.get(base)
        if found is not None:
            return found
        if not self._any_pattern.fullmatch(lowered) and (base == lowered or not self._any_pattern.fullmatch(base)):
            return None
        for pattern, rule in self._patterns:
            if pattern.fullmatch(lowered) or pattern.fullmatch(base):
                return rule
        return None

    def system_among(self, locals_: Sequence[str]) -> list[int]:
        """Indices of the local parts that `local_rule` calls system; many cost a fraction of asking for each.

        None of the local parts may hold a line feed.
        """
        joined = "\n".join(locals_).lower()
        lowered = joined.split("\n")
        bases = [local.partition("+")[0] or local for local in lowered] if "+" in joined else lowered
        signs = [sign for sign in self._system_signs if sign in joined]
        suspects = {
            index for sign in signs for index, local in enumerate(lowered) if sign in local
        }  # fmt: skip
        if not self._system_names.isdisjoint(bases):
            suspects.update(index for index, base in enumerate(bases) if base in self._system_names)
        rules = ((index, self.local_rule(locals_[index])) for index in sorted(suspects))
        return [index for index, rule in rules if rule is not None and rule.recipient is RecipientClass.SYSTEM]


def required_text(pattern: str) -> str:
    """The longest literal text that whatever *pattern* matches must contain; empty when none is plain to see."""
    runs = [""]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "|" or (pattern.startswith("(?", at) and pattern[at + 2 : at + 3] != ":"):
            return ""
        if char.isalnum() or char in "-_=@":
            runs[-1] += char
        else:
            if char in "?*{":
                runs[-1] = runs[-1][:-1]
            runs.append("")
            at = _end_of(pattern, at) - 1
        at += 1
    return max(runs, key=len)


def _end_of(pattern: str, at: int) -> int:
    """Where the group, class, repetition, escape or sign that begins at *at* ends."""
    char = pattern[at]
    if char == "\\":
        return at + 2
    if char == "{":
        return pattern.index("}", at) + 1
    if char == "[":
        at += 2 if pattern[at + 1] != "^" else 3  # a bracket that comes first is one of the characters
        while pattern[at] != "]":
            at += 2 if pattern[at] == "\\" else 1
        return at + 1
    if char == "(":
        at += 1
        while pattern[at] != ")":
            at = _end_of(pattern, at)
        return at + 1
    return at + 1


def _compile(pattern: str, table: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise DatasetError(f"{table}: pattern {pattern}: {error}") from error


def _recipient_class(text: str, *allowed: RecipientClass) -> RecipientClass:
    for member in allowed:
        if text == member:
            return member
    raise DatasetError(f"unknown recipient class {text}")
