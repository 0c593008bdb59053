"""One target within reach of a typed domain: what it costs, how sure that makes us, what it is compared by. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from validator.sanitize.correction import SUGGEST_FROM
from validator.sanitize.targets import Target

_LIMITS = (0.0, 0.0, 0.3, 0.56, 0.66, 1.25, 1.3, 1.55)
"""Highest cost that is applied, by the length of the target's name; the last for all longer ones."""
_SMALL_AND_SHORT = (0.0, 0.0, 0.0, 0.5, 0.5, 0.7)
"""The same for targets of the second tier and below with short names: only what is hardly ever a name of its own."""
_AMONG_WORDS = (0.45, 0.56)
"""The same for names among ordinary words, up to five letters and longer: at most a look-alike, a neighbour key."""
_LESS_USED = 1.06
"""Highest cost that is applied for a name of six or seven letters that is not among the most used: one slip."""
_TIER_SHARE = {1: 1.0, 2: 0.9, 3: 0.72}
"""Part of the limit that a target of a tier has."""
_TIER_STEP = 0.2
"""Cost of a tier when candidates are compared: people mostly mean the name that most people have."""
_GIANT = 0.1
"""Taken off, when candidates are compared, for the three providers that have most of all mailboxes."""
SUGGESTED = 0.85
"""Highest confidence of a target that may only be suggested."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target within reach."""

    cost: float
    """What the slip costs, in the units of `distance`."""
    target: Target | None
    """The provider domain; None when only an ending is repaired."""
    domain: str
    """The domain that was probably meant."""
    rule: str
    """Dotted name of the rule that found it."""
    limit: float
    """Highest cost that is applied."""
    reach: float
    """Highest cost that is suggested."""
    capped: bool = False
    """Suggested at most, however little it costs."""

    @property
    def confidence(self) -> float:
        """0.9 and more up to the limit, down to 0.6 at the end of the reach."""
        if self.cost <= self.limit:
            certain = 0.99 - 0.09 * self.cost / self.limit if self.limit else 0.9
            return min(certain, SUGGESTED) if self.capped else certain
        if self.cost <= self.reach:
            return SUGGESTED - (SUGGESTED - SUGGEST_FROM) * (self.cost - self.limit) / (self.reach - self.limit)
        return 0.0

    @property
    def order(self) -> tuple[float, int, int, str]:
        """Sort key: cost with a small bonus for the popular, then tier, rank, name."""
        if self.target is None:
            return (self.cost, 9, 0, self.domain)
        target = self.target
        cost = self.cost + _TIER_STEP * (target.tier - 1) - (_GIANT if target.tier == 1 and target.rank <= 3 else 0.0)
        return (cost, target.tier, target.rank, self.domain)


def limit_of(target: Target) -> float:
    """Highest cost that is applied for *target* under an ending that exists."""
    if target.name.isdigit():
        return 0.0  # 126, 136, 139, 163: every number is somebody's
    if target.among_words:
        return _AMONG_WORDS[len(target.name) > 5] if target.tier < 3 else 0.41
    share = _TIER_SHARE[target.tier]
    if len(target.name) < 6 and target.tier > 1 and not (target.famous and len(target.name) == 5):
        return 0.0 if target.ending == "com" and len(target.name) < 5 else _SMALL_AND_SHORT[len(target.name)]
    if len(target.name) == 3 and (target.ending == "com" or target.common):
        return 0.5
    if len(target.name) == 5 and target.common:
        return _SMALL_AND_SHORT[5]
    if target.ending == "com" and target.common:
        share *= 0.55
    limit = _LIMITS[min(len(target.name), len(_LIMITS) - 1)] * share
    return limit if target.mega or len(target.name) > 7 else min(limit, _LESS_USED)
