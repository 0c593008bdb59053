"""Finds what a mistyped domain may have been: one method for each way in which domains are mistyped. Pure.

rapidfuzz makes the short list, the weighted distance prices it. An ending that exists is somebody's, so under it only
what hands easily do is priced for applying; under one that does not exist the address is dead as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable

from validator.reference.suffixes import is_public_suffix
from validator.sanitize.candidate import Candidate, limit_of
from validator.sanitize.compounds import is_doubtful_slip, is_other_compound
from validator.sanitize.distance import is_layout_echo, one_letter_for_two, slip_cost
from validator.sanitize.endings import (
    COMMON_ENDINGS,
    DELEGATED_SLIPS,
    ENDING_LIMIT,
    ENDING_REACH,
    ending_cost,
    is_delegated,
    is_near_ending,
    is_tie,
    unknown_ending,
)
from validator.sanitize.targets import Target, Targets, flat

_COM_BONUS = 0.25
"""Taken off `.com` when the typed ending does not exist."""
_NO_SUCH_TLD = 0.75
"""Added to the limit when the typed ending does not exist: the address is dead as it stands."""
_REACH = 0.6
"""Added to the limit for suggestions."""
_SHORT_REACH = 0.4
"""The same for names that are not among the most used."""
_MOST_USED = 12
"""Last rank of the most used providers."""
_LESS_USED = 0.5
"""Cost, for a provider's domain that is no target, of being used by few."""
_SHORT_LIST = 4
_ANY_SLIP = frozenset(ending for slips in DELEGATED_SLIPS.values() for ending in slips)
_CYRILLIC_COUNTRIES = frozenset({"ru", "by", "ua", "kz", "net", "bg"})
"""Endings under which both layouts are in use."""
_GENERIC = frozenset({"com", "net", "org", "info", "biz", "eu"})
_SERVICE_LABELS = frozenset(
    {
        "www", "mail", "email", "e-mail", "smtp", "imap", "pop", "pop3", "mx", "webmail", "m",
    }
)  # fmt: skip


def edits_of(name: str) -> int:
    """How many edits a name under the right ending may be away; `_both_wrong` never allows more."""
    return 1 if len(name) < 4 else 2 if len(name) < 8 else 3


class CandidateFinder:
    """Searches the indexes of one provider table; immutable."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def near(self, domain: str) -> list[Candidate]:
        """Everything within reach of a domain that no table knows."""
        found: list[Candidate] = []
        if "." not in domain:
            found += self._without_dot(domain)
        else:
            name, ending = self._targets.split(domain)
            exists = is_delegated(domain)
            found += self._same_name(domain, exists)
            found += self._same_letters(domain, name, ending, exists)
            if exists and self._is_far(name, ending):
                return found
            if ending in self._targets.by_ending:
                found += self._same_ending(name, ending, exists)
            if not found or not exists:
                found += self._both_wrong(domain, exists)
            if not exists:
                found += self._ending_alone(domain)
        return found

    def _is_far(self, name: str, ending: str) -> bool:
        """No target is within reach under an ending that exists: one search says what is true of most real domains.

        It looks at every name that `_same_ending` and `_both_wrong` would, as far as the farther of them goes.
        """
        within_reach = self._targets.within_reach.get(ending)
        if within_reach is None or "." in name or ending in _ANY_SLIP or ending in _CYRILLIC_COUNTRIES:
            return False
        # the library goes another way for a limit of 1, which takes a third longer
        return one_letter_for_two(name) == name and not within_reach.near(name, edits_of(name), 2)

    def below_known(self, domain: str, parent: str) -> Iterable[Candidate]:
        """Subdomains of a provider: nearly always the provider was meant, but only a repeated name is sure."""
        prefix = domain[: -len(parent) - 1]
        letters = self._targets.flat.get(flat(domain))
        if letters is not None and letters.tier < 3:
            yield Candidate(0.4, letters, letters.domain, "domain.dot", 1.0, 1.0)
        if parent in ("mail.com", "email.com"):
            for target in self._targets.by_name.get(prefix, ()):
                if target.tier == 1 and target.ending == "com":
                    yield Candidate(0.6, target, target.domain, "domain.junk", 1.0, 1.0)
        for target in self._targets.by_name.get(parent.partition(".")[0], ()):
            if target.domain == parent and target.tier < 3:
                repeated = prefix in (target.name, parent, "www")
                if repeated or prefix in _SERVICE_LABELS:
                    yield Candidate(0.3, target, parent, "domain.prefix", 1.0, 1.0, capped=not repeated)

    def _without_dot(self, domain: str) -> Iterable[Candidate]:
        exact = self._targets.by_name.get(domain)
        if exact is not None:
            best = exact[0]
            yield Candidate(0.5, best, best.domain, "domain.no_ending", 1.0, 1.0, capped=best.common or len(domain) < 4)
        letters = self._targets.flat.get(flat(domain))
        if letters is not None:
            yield Candidate(0.4, letters, letters.domain, "domain.dot", 1.0, 1.0)
            return
        if domain.endswith(("com", "net", "org")) and len(domain) > 6:
            yield Candidate(1.2, None, f"{domain[:-3]}.{domain[-3:]}", "domain.dot", 1.0, 1.6)
        same_name = self._targets.flat_names.get(flat(domain))
        if exact is None and same_name is not None:
            capped = same_name.common or len(same_name.name) < 5
            yield Candidate(0.7, same_name, same_name.domain, "domain.no_ending", 1.0, 1.0, capped=capped)
            return
        for close, _ in self._targets.flats.near(domain, 2, _SHORT_LIST):
            target = self._targets.flat[close]
            limit = limit_of(target) + 0.3
            yield Candidate(
                slip_cost(domain, target.domain, limit + _REACH),
                target,
                target.domain,
                "domain.typo",
                limit,
                limit + _REACH,
            )

    def _same_name(self, domain: str, exists: bool) -> Iterable[Candidate]:
        """The name is a provider's to the letter; the ending is not."""
        at = domain.find(".")
        while at >= 0:
            name, ending = domain[:at], domain[at + 1 :]
            group = self._targets.by_name.get(name, ())
            for place, target in enumerate(group):
                if place == 0 or is_near_ending(ending, target.ending):
                    yield self._other_ending(target, ending, exists, group)
            if group and not exists and len(ending.rpartition(".")[2]) > 1:
                yield from self._known_elsewhere(name, ending)
            at = domain.find(".", at + 1)

    def _known_elsewhere(self, name: str, ending: str) -> Iterable[Candidate]:
        """`mail.byy` is nearer to mail.by, which attracts no slips of its name, than to mail.bg, which does."""
        for other in self._targets.endings_elsewhere.get(name, ()):
            if is_near_ending(ending, other):
                cost = ending_cost(ending, other) + _LESS_USED
                yield Candidate(cost, None, f"{name}.{other}", "domain.ending", 0.95, 1.4)

    def _other_ending(self, target: Target, ending: str, exists: bool, group: tuple[Target, ...]) -> Candidate:
        cost = ending_cost(ending, target.ending)
        rule = "domain.ending"
        if ending.startswith(target.ending) and ending[len(target.ending) :].strip(".") == target.domain:
            return Candidate(0.3, target, target.domain, "domain.repeated", 1.0, 1.0)
        if not exists:
            if target.ending == "com" and "." not in ending and (len(ending) < 5 or ending.startswith("com")):
                cost = max(cost - _COM_BONUS, 0.05)
            alone = target is group[0] and (len(group) == 1 or group[1].tier > max(2, target.tier))
            limit = (2.6 if alone else 1.7) if target.tier < 3 else 1.3
            if alone and not target.common and target.tier < 3 and len(ending) <= 5:
                cost = min(cost, limit - 0.1)
            dotted = f"{ending[:-2]}.{ending[-2:]}"  # couk: a country of which this name has no domain
            elsewhere = dotted in self._targets.by_ending and all(other.ending != dotted for other in group)
            return Candidate(cost, target, target.domain, rule, limit, limit + _REACH, capped=elsewhere)
        slip = DELEGATED_SLIPS.get(target.ending, {}).get(ending)
        if slip is not None:
            sure = target.tier < 3 and (not target.common or (ending in ("cm", "om") and len(target.name) > 2))
            return Candidate(slip, target, target.domain, rule, 1.0, 1.0, capped=not sure)
        if "." in target.ending and ending.rpartition(".")[2] == target.ending.rpartition(".")[2]:
            sure = "." in ending and target.tier < 3
            return Candidate(cost, target, target.domain, rule, 1.1, 1.6, capped=not sure)
        tail = target.ending.rpartition(".")[2]
        if set(ending[len(target.ending) :].split(".")) == {"", tail} and ending.startswith(target.ending):
            return Candidate(0.4, target, target.domain, "domain.repeated", 1.0, 1.0)
        if ending.startswith(f"{target.ending}."):
            return Candidate(cost, target, target.domain, rule, 1.0, 1.2, capped=True)
        if target is group[0] and target.tier < 3 and ending in _ANY_SLIP and len(target.name) > 2:
            return Candidate(0.9, target, target.domain, rule, 0.5, 1.2, capped=True)
        distinct = not target.common and (target.tier < 3 or len(target.name) > 5)
        if "." in ending and not is_public_suffix(ending):
            distinct = False
        elsewhere = target.famous or target.rank <= 3 or ending in _GENERIC
        reach = 1.8 if distinct and target.tier < 3 and elsewhere else 0.9
        if distinct and elsewhere and target is group[0]:
            cost = min(cost, (0.6 if target.famous else 1.2) + 0.1 * target.tier)
        return Candidate(cost, target, target.domain, rule, 0.5, reach, capped=True)

    def _same_letters(self, domain: str, name: str, ending: str, exists: bool) -> Iterable[Candidate]:
        """Only dots and hyphens differ, or the provider's whole domain stands where its name should."""
        letters = flat(domain)
        target = self._targets.flat.get(letters)
        if target is not None:
            sure = not exists or (target.tier < 3 and len(target.name) > 4)
            yield Candidate(0.4, target, target.domain, "domain.dot", 1.0, 1.0, capped=not sure)
            return
        doubled = self._targets.flat.get(flat(name))
        if doubled is not None and (doubled.ending == ending or (not exists and len(doubled.domain) > 5)):
            sure = doubled.tier < 3 and len(doubled.domain) > 5
            yield Candidate(0.5, doubled, doubled.domain, "domain.repeated", 1.0, 1.0, capped=not sure)
        same_name = self._targets.flat_names.get(letters)
        if same_name is not None and not same_name.common:
            yield Candidate(0.7, same_name, same_name.domain, "domain.no_ending", 1.0, 1.0, capped=exists)
        half = name[: len(name) // 2]
        for twice in self._targets.by_name.get(half, ()) if half * 2 == name else ():
            if twice.ending == ending:
                yield Candidate(0.5, twice, twice.domain, "domain.repeated", 1.0, 1.0, capped=len(half) < 5)
        for known in (
            self._targets.by_name.get(name.removesuffix("mail").rstrip("-"), ()) if name.endswith("mail") else ()
        ):
            if known.ending == ending and known.tier < 3 and not known.common and len(known.name) > 4:
                limit = 1.0 if known.name.endswith("mail") else 0.5
                yield Candidate(0.9, known, known.domain, "domain.junk", limit, 1.2)
        stripped = name.strip("0123456789_-")
        for known in self._targets.by_name.get(stripped, ()) if stripped != name else ():
            if known.ending == ending and len(known.name) > 4:
                yield Candidate(0.8, known, known.domain, "domain.junk", 1.0, 1.0, capped=known.tier > 2)

    def _same_ending(self, name: str, ending: str, exists: bool) -> Iterable[Candidate]:
        """The ending is a provider's to the letter; the name is not."""
        names = self._targets.names_under[ending]
        group = self._targets.by_ending[ending]
        close = names.near(name, edits_of(name), _SHORT_LIST)
        spoken = one_letter_for_two(name)
        if spoken != name:
            close += names.near(spoken, 1, 1)
        if ending in _CYRILLIC_COUNTRIES:
            same_length = zip(*names.of_length(len(name), 0), strict=True)
            close += [(other, at) for other, at in same_length if is_layout_echo(name, other)]
        for _, at in close:
            target = group[at]
            limit = limit_of(target) + (0.0 if exists else _NO_SUCH_TLD)
            reach = limit + (_REACH if target.famous and target.rank <= _MOST_USED else _SHORT_REACH)
            cost = slip_cost(name, target.name, reach)
            if cost <= reach:
                capped = exists and (is_other_compound(name, target.name) or is_doubtful_slip(name, target.name))
                yield Candidate(cost, target, target.domain, "domain.typo", limit, reach, capped)

    def _both_wrong(self, domain: str, exists: bool) -> Iterable[Candidate]:
        name, _, ending = domain.partition(".")
        if not name or len(name) > 24 or len(ending) > 12 or name in self._targets.by_name:
            return
        slips = {meant: costs[ending] for meant, costs in DELEGATED_SLIPS.items() if ending in costs}
        if exists and not slips and len(name) < 5:
            return
        cutoff = 1 if len(name) < 6 else 2
        if exists and not slips and ("." in ending or not self._targets.distinct_names.near(name, cutoff, 1)):
            return
        for close, _ in self._targets.names.near(name, cutoff, _SHORT_LIST):
            if exists and not slips:
                yield from self._near_name_elsewhere(name, ending, self._targets.by_name[close][0])
                continue
            for target in self._targets.by_name[close]:
                if not exists and (len(close) < 4 or (target.tier > 1 and not is_near_ending(ending, target.ending))):
                    continue
                if exists and (target.ending not in slips or target.tier > 1 or len(target.name) < 3):
                    continue
                limit = limit_of(target) + 0.5 if exists else limit_of(target) + 2 * _NO_SUCH_TLD
                of_ending = slips[target.ending] if exists else ending_cost(ending, target.ending)
                if not exists and target.ending == "com":
                    of_ending = max(of_ending - _COM_BONUS, 0.05)
                cost = slip_cost(name, target.name, limit + _REACH) + of_ending
                if cost <= limit + _REACH:
                    doubtful = len(target.name) < 5 or is_doubtful_slip(name, target.name)
                    capped = exists and (doubtful or is_other_compound(name, target.name))
                    yield Candidate(cost, target, target.domain, "domain.typo", limit, limit + _REACH, capped)

    def _near_name_elsewhere(self, name: str, ending: str, target: Target) -> Iterable[Candidate]:
        """A long name mistyped under an ending that exists and that the provider does not use."""
        if target.is_distinct and "." not in ending:
            cost = 1.0 + slip_cost(name, target.name, 1.0)
            yield Candidate(cost, target, target.domain, "domain.typo", 0.5, 1.9, capped=True)

    def _ending_alone(self, domain: str) -> Iterable[Candidate]:
        """An unknown name under an ending that does not exist."""
        name, _, ending = domain.partition(".")
        if "." in ending and (ending.count(".") > 1 or len(ending) > 8):
            name, _, ending = domain.rpartition(".")
        if not name or len(ending) > 8 or name in self._targets.by_name:
            return
        found = unknown_ending(ending)
        if not found and "." in ending:
            name, _, ending = domain.rpartition(".")
            found = unknown_ending(ending)
        cut_short = len(ending.rpartition(".")[2]) < 2
        for place, (meant, cost) in enumerate(found[:2]):
            if place > 0 and meant not in COMMON_ENDINGS:
                break
            capped = place > 0 or cut_short or is_tie(found) or meant not in COMMON_ENDINGS
            yield Candidate(
                cost + 1.0, None, f"{name}.{meant}", "domain.tld", ENDING_LIMIT + 1.0, ENDING_REACH + 1.0, capped
            )
