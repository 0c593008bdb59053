"""What makes a run fail: chosen reasons, less what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from validator.bulk.findings import REPAIRED, UNKNOWN, Level, is_repaired, rule_of
from validator.bulk.summary import Summary
from validator.cli.exits import Exit
from validator.errors import RequestRefused
from validator.verdict import Reason, Status, Verdict

_REASONS = frozenset(reason.value for reason in Reason)
_NEED_DNS = frozenset({Reason.MX_RECORD.value, Reason.MX_RECORD_BLACKLISTED.value, Reason.MX_IP_BLACKLISTED.value})


@dataclass(frozen=True, slots=True)
class Rules:
    """How verdicts are weighed in this run."""

    fail_on: frozenset[str]
    """Reasons, and perhaps `unknown` and `repaired`, that make the run fail."""
    allowed: frozenset[str]
    """Addresses and domains that are never a finding, lower case; domains begin with @."""
    patterns: tuple[str, ...]
    """The same with `*`."""
    no_dns: bool
    """`unknown` is no fault, nobody was asked."""

    @classmethod
    def read(cls, fail_on: str | None, allow: Sequence[Path], *, no_dns: bool) -> Rules:
        """From the options of the command; raises `RequestRefused`."""
        chosen = _REASONS
        if fail_on is not None:
            chosen = frozenset(word.strip() for word in fail_on.split(",") if word.strip())
            strange = chosen - _REASONS - {UNKNOWN, REPAIRED}
            if strange:
                raise RequestRefused(f"--fail-on: no such reason: {', '.join(sorted(strange))}")
        entries = {entry for path in allow for entry in _entries(path)}
        patterns = tuple(sorted(entry for entry in entries if "*" in entry))
        return cls(chosen, frozenset(entries.difference(patterns)), patterns, no_dns)

    def finding(self, verdict: Verdict) -> tuple[str, Level] | None:
        """The rule and weight of what there is to say about a verdict; None when there is nothing."""
        rule = rule_of(verdict)
        if rule == UNKNOWN and UNKNOWN not in self.fail_on and REPAIRED in self.fail_on and is_repaired(verdict):
            rule = REPAIRED  # certain, whatever DNS would have said
        if rule is None or (rule == REPAIRED and REPAIRED not in self.fail_on):
            return None
        if rule == UNKNOWN and self.no_dns and UNKNOWN not in self.fail_on:
            return None
        if self.allows(verdict):
            return None
        return rule, Level.ERROR if rule in self.fail_on else Level.WARNING

    def allows(self, verdict: Verdict) -> bool:
        """The address or its domain is on an allow file."""
        if not self.allowed and not self.patterns:
            return False
        names = {verdict.orig.strip().lower(), verdict.email.lower()}
        names |= {f"@{name.rpartition('@')[2]}" for name in names if "@" in name}
        return not self.allowed.isdisjoint(names) or any(
            fnmatchcase(name, pattern) for name in names for pattern in self.patterns
        )

    def exit_of(self, verdict: Verdict) -> Exit:
        """What one verdict alone would make of the run."""
        found = self.finding(verdict)
        if found is not None and found[1] is Level.ERROR:
            return Exit.SOME_NOT
        if verdict.status is Status.UNKNOWN and self.undecided_matters and not self.allows(verdict):
            return Exit.UNDECIDED
        return Exit.ALL_VALID

    @property
    def undecided_matters(self) -> bool:
        """An open question about DNS leaves open whether the run fails."""
        return not self.no_dns and not self.fail_on.isdisjoint(_NEED_DNS)

    def exit_of_counts(self, summary: Summary) -> Exit:
        """The same for a whole list, from its counts; without allow files."""
        reasons = sum(count for reason, count in summary.reasons.items() if reason in self.fail_on)
        if reasons or summary.errors or (REPAIRED in self.fail_on and summary.reworded):
            return Exit.SOME_NOT
        unknown = summary.statuses[Status.UNKNOWN.value]
        if unknown and UNKNOWN in self.fail_on:
            return Exit.SOME_NOT
        return Exit.UNDECIDED if unknown and self.undecided_matters else Exit.ALL_VALID


def _entries(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestRefused(f"--allow {path}: cannot be read") from error
    found = []
    for line in text.splitlines():
        entry = line.partition("#")[0].strip().lower()
        if entry:
            found.append(entry if "@" in entry else f"@{entry}")
    return found
