"""Which domain was meant? Provider table, reviewed map, then a short list re-ranked by a weighted distance. Pure.

Known names are kept, reviewed slips are applied, everything else is weighed: the name apart from the ending, the ending
by whether it exists. Ties are decided by (cost, tier, rank, name), never by the order of a dictionary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from validator.reference.providers import Providers
from validator.reference.suffixes import is_public_suffix, registrable_domain
from validator.sanitize.correction import APPLY_FROM, SUGGEST_FROM, Correction, CorrectionAction, keep
from validator.sanitize.distance import is_layout_echo, one_letter_for_two, slip_cost
from validator.sanitize.endings import (
    DELEGATED_SLIPS,
    ENDING_LIMIT,
    ENDING_REACH,
    ending_cost,
    is_delegated,
    is_special_use,
    is_tie,
    unknown_ending,
)
from validator.sanitize.targets import Target, Targets, flat

MAP_CONFIDENCE = 0.97
"""Confidence of a row of the reviewed map."""
TIE = 0.12
"""Two targets whose costs differ by less are not told apart: suggest."""
_LIMITS = (0.0, 0.0, 0.3, 0.56, 0.62, 1.25, 1.3, 1.55)
"""Highest cost that is applied, by the length of the target's name; the last for all longer ones."""
_SMALL_AND_SHORT = (0.0, 0.0, 0.0, 0.5, 0.5, 0.7)
"""The same for targets of the second tier and below with short names: only what is hardly ever a name of its own."""
_TIER_SHARE = {1: 1.0, 2: 0.9, 3: 0.72}
"""Part of the limit that a target of a tier has."""
_TIER_STEP = 0.2
"""Cost of a tier when candidates are compared: people mostly mean the name that most people have."""
_GIANT = 0.1
"""Taken off, when candidates are compared, for the three providers that have most of all mailboxes."""
_COM_BONUS = 0.25
"""Taken off `.com` when the typed ending does not exist."""
_NO_SUCH_TLD = 0.75
"""Added to the limit when the typed ending does not exist: the address is dead as it stands."""
_REACH = 0.6
"""Added to the limit for suggestions."""
_SUGGESTED = 0.85
"""Highest confidence of a target that may only be suggested."""
_SETTLED_FROM = 0.7
"""Lowest confidence that DNS evidence may raise to a repair."""
_SHORT_LIST = 4
_ANY_SLIP = frozenset(ending for slips in DELEGATED_SLIPS.values() for ending in slips)
_CYRILLIC_COUNTRIES = frozenset({"ru", "by", "ua", "kz", "net", "bg"})
"""Endings under which both layouts are in use."""
_GENERIC = frozenset({"com", "net", "org", "info", "biz", "eu"})
_COMPOUNDS = ("mail", "cloud", "online")
_SERVICE_LABELS = frozenset(
    {
        "www", "mail", "email", "e-mail", "smtp", "imap", "pop", "pop3", "mx", "webmail", "m",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One target within reach."""

    cost: float
    target: Target | None
    domain: str
    rule: str
    limit: float
    reach: float
    capped: bool = False

    @property
    def confidence(self) -> float:
        """0.9 and more up to the limit, down to 0.6 at the end of the reach."""
        if self.cost <= self.limit:
            certain = 0.99 - 0.09 * self.cost / self.limit if self.limit else 0.9
            return min(certain, _SUGGESTED) if self.capped else certain
        if self.cost <= self.reach:
            return _SUGGESTED - (_SUGGESTED - SUGGEST_FROM) * (self.cost - self.limit) / (self.reach - self.limit)
        return 0.0

    @property
    def order(self) -> tuple[float, int, int, str]:
        """Sort key: cost with a small bonus for the popular, then tier, rank, name."""
        if self.target is None:
            return (self.cost, 9, 0, self.domain)
        target = self.target
        cost = self.cost + _TIER_STEP * (target.tier - 1) - (_GIANT if target.tier == 1 and target.rank <= 3 else 0.0)
        return (cost, target.tier, target.rank, self.domain)


def _limit(target: Target) -> float:
    share = _TIER_SHARE[target.tier]
    if len(target.name) < 6 and target.tier > 1 and not (target.famous and len(target.name) == 5):
        return 0.0 if target.ending == "com" and len(target.name) < 5 else _SMALL_AND_SHORT[len(target.name)]
    if target.ending == "com" and len(target.name) == 3:
        return 0.5
    if target.ending == "com" and target.common:
        share *= 0.55
    return _LIMITS[min(len(target.name), len(_LIMITS) - 1)] * share


class DomainCorrector:
    """Corrects domains against one load of the reference data; immutable."""

    def __init__(
        self, providers: Providers, slips: Mapping[str, str], guard: Collection[str], doubtful: Collection[str] = ()
    ) -> None:
        self._providers = providers
        self._slips = dict(slips)
        self._guard = frozenset(guard)
        self._doubtful = frozenset(doubtful)
        self._targets = Targets(providers)

    def is_known(self, domain: str) -> bool:
        """True for a provider's domain."""
        return domain in self._providers.domains

    def correct(self, domain: str) -> Correction:
        """Keep, apply or suggest for a lower-case A-label domain; never raises.

        A known domain takes about 0.2 µs, one near a provider about 100 µs, a strange one about 40 µs.
        """
        if domain in self._providers.domains:
            return keep(domain, "domain.known")
        if domain in self._guard:
            return keep(domain, "domain.guarded")
        slip = self._slips.get(domain)
        if slip is not None:
            return Correction(
                domain,
                CorrectionAction.APPLY,
                slip,
                "domain.map",
                MAP_CONFIDENCE,
                ((slip, "domain.map", MAP_CONFIDENCE),),
            )
        if len(domain) > 80 or is_special_use(domain):
            return keep(domain, "domain.none")
        parent = registrable_domain(domain) if "." in domain else None
        if parent is not None and parent != domain and (self.is_known(parent) or parent in self._guard):
            return self._decide(domain, self._below_known(domain, parent))
        return self._decide(domain, self._candidates(domain))

    # candidates

    def _candidates(self, domain: str) -> list[_Candidate]:
        found: list[_Candidate] = []
        if "." not in domain:
            found += self._without_dot(domain)
        else:
            name, ending = self._targets.split(domain)
            exists = is_delegated(domain)
            found += self._same_name(domain, exists)
            found += self._same_letters(domain, exists)
            if ending in self._targets.by_ending:
                found += self._same_ending(name, ending, exists)
            if not found or not exists:
                found += self._both_wrong(domain, exists)
            if not exists:
                found += self._ending_alone(domain)
        return found

    def _below_known(self, domain: str, parent: str) -> Iterable[_Candidate]:
        """Subdomains of a provider: nearly always the provider was meant, but only a repeated name is sure."""
        prefix = domain[: -len(parent) - 1]
        letters = self._targets.flat.get(flat(domain))
        if letters is not None and letters.tier < 3:
            yield _Candidate(0.4, letters, letters.domain, "domain.dot", 1.0, 1.0)
        if parent in ("mail.com", "email.com"):
            for target in self._targets.by_name.get(prefix, ()):
                if target.tier == 1 and target.ending == "com":
                    yield _Candidate(0.6, target, target.domain, "domain.junk", 1.0, 1.0)
        for target in self._targets.by_name.get(parent.partition(".")[0], ()):
            if target.domain == parent and target.tier < 3:
                repeated = prefix in (target.name, parent, "www")
                if repeated or prefix in _SERVICE_LABELS:
                    yield _Candidate(0.3, target, parent, "domain.prefix", 1.0, 1.0, capped=not repeated)

    def _without_dot(self, domain: str) -> Iterable[_Candidate]:
        exact = self._targets.by_name.get(domain)
        if exact is not None:
            best = exact[0]
            yield _Candidate(
                0.5, best, best.domain, "domain.no_ending", 1.0, 1.0, capped=best.common or len(domain) < 4
            )
        letters = self._targets.flat.get(flat(domain))
        if letters is not None:
            yield _Candidate(0.4, letters, letters.domain, "domain.dot", 1.0, 1.0)
            return
        if domain.endswith(("com", "net", "org")) and len(domain) > 6:
            yield _Candidate(1.2, None, f"{domain[:-3]}.{domain[-3:]}", "domain.dot", 1.0, 1.6)
        same_name = self._targets.flat_names.get(flat(domain))
        if exact is None and same_name is not None:
            capped = same_name.common or len(same_name.name) < 5
            yield _Candidate(0.7, same_name, same_name.domain, "domain.no_ending", 1.0, 1.0, capped=capped)
            return
        for close, _, _ in process.extract(
            domain, self._targets.flats, scorer=OSA.distance, score_cutoff=2, limit=_SHORT_LIST
        ):
            target = self._targets.flat[close]
            limit = _limit(target) + 0.3
            yield _Candidate(
                slip_cost(domain, target.domain, limit + _REACH),
                target,
                target.domain,
                "domain.typo",
                limit,
                limit + _REACH,
            )

    def _same_name(self, domain: str, exists: bool) -> Iterable[_Candidate]:
        """The name is a provider's to the letter; the ending is not."""
        at = domain.find(".")
        while at >= 0:
            name, ending = domain[:at], domain[at + 1 :]
            group = self._targets.by_name.get(name, ())
            for place, target in enumerate(group):
                if place == 0 or _near_ending(ending, target.ending):
                    yield self._other_ending(target, ending, exists, group)
            at = domain.find(".", at + 1)

    def _other_ending(self, target: Target, ending: str, exists: bool, group: tuple[Target, ...]) -> _Candidate:
        cost = ending_cost(ending, target.ending)
        rule = "domain.ending"
        if ending.startswith(target.ending) and ending[len(target.ending) :].strip(".") == target.domain:
            return _Candidate(0.3, target, target.domain, "domain.repeated", 1.0, 1.0)
        if not exists:
            if target.ending == "com" and "." not in ending and (len(ending) < 5 or ending.startswith("com")):
                cost = max(cost - _COM_BONUS, 0.05)
            alone = target is group[0] and (len(group) == 1 or group[1].tier > max(2, target.tier))
            limit = (2.6 if alone else 1.7) if target.tier < 3 else 1.3
            if alone and not target.common and target.tier < 3 and len(ending) <= 5:
                cost = min(cost, limit - 0.1)
            return _Candidate(cost, target, target.domain, rule, limit, limit + _REACH)
        slip = DELEGATED_SLIPS.get(target.ending, {}).get(ending)
        if slip is not None:
            sure = target.tier < 3 and (not target.common or (ending in ("cm", "om") and len(target.name) > 2))
            return _Candidate(slip, target, target.domain, rule, 1.0, 1.0, capped=not sure)
        if "." in target.ending and ending.rpartition(".")[2] == target.ending.rpartition(".")[2]:
            sure = "." in ending and target.tier < 3
            return _Candidate(cost, target, target.domain, rule, 1.1, 1.6, capped=not sure)
        tail = target.ending.rpartition(".")[2]
        if set(ending[len(target.ending) :].split(".")) == {"", tail} and ending.startswith(target.ending):
            return _Candidate(0.4, target, target.domain, "domain.repeated", 1.0, 1.0)
        if ending.startswith(f"{target.ending}."):
            return _Candidate(cost, target, target.domain, rule, 1.0, 1.2, capped=True)
        if target is group[0] and target.tier < 3 and ending in _ANY_SLIP and len(target.name) > 2:
            return _Candidate(0.9, target, target.domain, rule, 0.5, 1.2, capped=True)
        distinct = not target.common and (target.tier < 3 or len(target.name) > 5)
        if "." in ending and not is_public_suffix(ending):
            distinct = False
        elsewhere = target.famous or target.rank <= 3 or ending in _GENERIC
        reach = 1.8 if distinct and target.tier < 3 and elsewhere else 0.9
        if distinct and elsewhere and target is group[0]:
            cost = min(cost, (0.6 if target.famous else 1.2) + 0.1 * target.tier)
        return _Candidate(cost, target, target.domain, rule, 0.5, reach, capped=True)

    def _same_letters(self, domain: str, exists: bool) -> Iterable[_Candidate]:
        """Only dots and hyphens differ, or the provider's whole domain stands where its name should."""
        target = self._targets.flat.get(flat(domain))
        if target is not None:
            sure = not exists or (target.tier < 3 and len(target.name) > 4)
            yield _Candidate(0.4, target, target.domain, "domain.dot", 1.0, 1.0, capped=not sure)
            return
        name, ending = self._targets.split(domain)
        doubled = self._targets.flat.get(flat(name))
        if doubled is not None and (doubled.ending == ending or (not exists and len(doubled.domain) > 5)):
            sure = doubled.tier < 3 and len(doubled.domain) > 5
            yield _Candidate(0.5, doubled, doubled.domain, "domain.repeated", 1.0, 1.0, capped=not sure)
        same_name = self._targets.flat_names.get(flat(domain))
        if same_name is not None and not same_name.common:
            yield _Candidate(0.7, same_name, same_name.domain, "domain.no_ending", 1.0, 1.0, capped=exists)
        for known in (
            self._targets.by_name.get(name.removesuffix("mail").rstrip("-"), ()) if name.endswith("mail") else ()
        ):
            if known.ending == ending and known.tier < 3 and not known.common and len(known.name) > 4:
                limit = 1.0 if known.name.endswith("mail") else 0.5
                yield _Candidate(0.9, known, known.domain, "domain.junk", limit, 1.2)
        stripped = name.strip("0123456789_-")
        for known in self._targets.by_name.get(stripped, ()) if stripped != name else ():
            if known.ending == ending and len(known.name) > 4:
                yield _Candidate(0.8, known, known.domain, "domain.junk", 1.0, 1.0, capped=known.tier > 2)

    def _same_ending(self, name: str, ending: str, exists: bool) -> Iterable[_Candidate]:
        """The ending is a provider's to the letter; the name is not."""
        names = self._targets.names_under[ending]
        group = self._targets.by_ending[ending]
        cutoff = 1 if len(name) < 4 else 2 if len(name) < 8 else 3
        close = process.extract(name, names, scorer=OSA.distance, score_cutoff=cutoff, limit=_SHORT_LIST)
        spoken = one_letter_for_two(name)
        if spoken != name:
            close += process.extract(spoken, names, scorer=OSA.distance, score_cutoff=1, limit=1)
        if ending in _CYRILLIC_COUNTRIES:
            close += [(other, 0, at) for at, other in enumerate(names) if is_layout_echo(name, other)]
        for _, _, at in close:
            target = group[at]
            limit = _limit(target) + (0.0 if exists else _NO_SUCH_TLD)
            reach = limit + _REACH
            cost = slip_cost(name, target.name, reach)
            if cost <= reach:
                capped = exists and (_other_compound(name, target.name) or name == f"{target.name}s")
                yield _Candidate(cost, target, target.domain, "domain.typo", limit, reach, capped)

    def _both_wrong(self, domain: str, exists: bool) -> Iterable[_Candidate]:
        name, _, ending = domain.partition(".")
        if not name or len(name) > 24 or len(ending) > 12 or name in self._targets.by_name:
            return
        slips = {meant: costs[ending] for meant, costs in DELEGATED_SLIPS.items() if ending in costs}
        if exists and not slips and len(name) < 5:
            return
        cutoff = 1 if len(name) < 6 else 2
        for close, _, _ in process.extract(
            name, self._targets.names, scorer=OSA.distance, score_cutoff=cutoff, limit=_SHORT_LIST
        ):
            if exists and not slips:
                yield from self._near_name_elsewhere(name, ending, self._targets.by_name[close][0])
                continue
            for target in self._targets.by_name[close]:
                if not exists and (len(close) < 4 or (target.tier > 1 and not _near_ending(ending, target.ending))):
                    continue
                if exists and (target.ending not in slips or target.tier > 1 or len(target.name) < 3):
                    continue
                limit = _limit(target) + 0.5 if exists else _limit(target) + 2 * _NO_SUCH_TLD
                of_ending = slips[target.ending] if exists else ending_cost(ending, target.ending)
                if not exists and target.ending == "com":
                    of_ending = max(of_ending - _COM_BONUS, 0.05)
                cost = slip_cost(name, target.name, limit + _REACH) + of_ending
                if cost <= limit + _REACH:
                    capped = exists and (_other_compound(name, target.name) or len(target.name) < 5)
                    yield _Candidate(cost, target, target.domain, "domain.typo", limit, limit + _REACH, capped)

    def _near_name_elsewhere(self, name: str, ending: str, target: Target) -> Iterable[_Candidate]:
        """A long name mistyped under an ending that exists and that the provider does not use."""
        long_enough = len(target.name) > (4 if target.tier == 1 else 6)
        if long_enough and target.tier < 3 and not target.common and "." not in ending:
            cost = 1.0 + slip_cost(name, target.name, 1.0)
            yield _Candidate(cost, target, target.domain, "domain.typo", 0.5, 1.9, capped=True)

    def _ending_alone(self, domain: str) -> Iterable[_Candidate]:
        """An unknown name under an ending that does not exist."""
        name, _, ending = domain.partition(".")
        if "." in ending and ending.count(".") > 1:
            name, _, ending = domain.rpartition(".")
        if not name or len(ending) > 8 or name in self._targets.by_name:
            return
        found = unknown_ending(ending)
        for place, (meant, cost) in enumerate(found[:2]):
            capped = place > 0 or is_tie(found)
            yield _Candidate(
                cost + 1.0, None, f"{name}.{meant}", "domain.tld", ENDING_LIMIT + 1.0, ENDING_REACH + 1.0, capped
            )

    # decision

    def _decide(self, domain: str, candidates: Iterable[_Candidate]) -> Correction:
        best: dict[str, _Candidate] = {}
        for candidate in candidates:
            if candidate.confidence < SUGGEST_FROM or candidate.domain == domain:
                continue
            known = best.get(candidate.domain)
            if known is None or candidate.confidence > known.confidence:
                best[candidate.domain] = candidate
        if not best:
            return keep(domain, "domain.none")
        ranked = sorted(best.values(), key=lambda candidate: (candidate.confidence < APPLY_FROM, candidate.order))
        first = ranked[0]
        confidence = first.confidence
        tied = _tied(ranked)
        if domain in self._doubtful or tied:
            confidence = min(confidence, _SUGGESTED)
        if first.target is None and confidence >= APPLY_FROM:
            inner = self.correct(first.domain)
            if inner.action is not CorrectionAction.KEEP:
                proposal = (inner.target, inner.rule, _SUGGESTED)
                return Correction(domain, CorrectionAction.SUGGEST, *proposal, (proposal,))
        proposals = tuple((other.domain, other.rule, round(other.confidence, 3)) for other in ranked[:3])
        action = CorrectionAction.APPLY if confidence >= APPLY_FROM else CorrectionAction.SUGGEST
        doubtful = domain in self._doubtful
        settled = action is CorrectionAction.SUGGEST and confidence >= _SETTLED_FROM and not (tied or doubtful)
        return Correction(domain, action, first.domain, first.rule, round(confidence, 3), proposals, settled)


def _tied(ranked: list[_Candidate]) -> bool:
    """Another name is as near as the first one."""
    first = ranked[0]
    for other in ranked[1:]:
        if other.order[0] - first.order[0] >= TIE:
            continue
        if first.target is None or other.target is None or other.target.name != first.target.name:
            return True
    return False


def _vowels_differ(typed: str, meant: str) -> bool:
    """One vowel stands for another, which makes words of words: hit, hat, hut for hot."""
    differing = [(a, b) for a, b in zip(typed, meant, strict=True) if a != b]
    return bool(differing) and all(a in "aeiou" and b in "aeiou" for a, b in differing)


def _near_ending(typed: str, meant: str) -> bool:
    """Worth a closer look: at most two edits, cut short, or with something glued on."""
    return (
        OSA.distance(typed, meant, score_cutoff=2) <= 2
        or typed.startswith(meant)
        or typed.endswith(meant)
        or (bool(typed) and meant.startswith(typed))
        or meant.endswith(f".{typed}")
    )


def _other_compound(typed: str, name: str) -> bool:
    """*typed* is another word before the same common one (`hmail` for `gmail`), which people really register."""
    for word in _COMPOUNDS:
        if name.endswith(word) and typed.endswith(word) and len(name) > len(word):
            before, meant = typed[: -len(word)].rstrip("-_"), name[: -len(word)].rstrip("-_")
            if before == meant:
                return False
            if slip_cost(typed, name) <= 0.5:
                return False
            if len(meant) == 1:
                return slip_cost(before, meant) > 0.75 or meant not in before
            if len(before) == len(meant) and _vowels_differ(before, meant):
                return True
            if len(meant) > 1 and (before[1:] == meant or before[:-1] == meant or before == meant[1:]):
                return False
            return slip_cost(before, meant) > (0.79 if len(meant) < 5 else 1.5)
    return False
