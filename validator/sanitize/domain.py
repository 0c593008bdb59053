"""Which domain was meant? Provider table, reviewed map, then a short list re-ranked by a weighted distance. Pure.

Known names are kept, reviewed slips are applied, everything else is weighed: the name apart from the ending, the ending
by whether it exists. Ties are decided by (cost, tier, rank, name), never by the order of a dictionary.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from validator.reference.providers import Providers
from validator.reference.suffixes import registrable_domain
from validator.sanitize.candidate import SUGGESTED, Candidate
from validator.sanitize.correction import APPLY_FROM, SUGGEST_FROM, Correction, CorrectionAction, keep
from validator.sanitize.endings import is_delegated, is_special_use
from validator.sanitize.finding import CandidateFinder
from validator.sanitize.targets import Targets

MAP_CONFIDENCE = 0.97
"""Confidence of a row of the reviewed map."""
TIE = 0.12
"""Two targets whose costs differ by less are not told apart: suggest."""
_ASKED_FROM = 0.7
"""Lowest confidence that DNS evidence may raise; a name under no real ending needs no DNS to be dead."""
_DEAD_PROVES_FROM = 0.78
"""Lowest confidence of a slip in the name that a dead domain raises to a repair."""
REMEMBERED_DOMAINS = 8_192
"""Strange domains whose correction is kept, about 400 bytes each."""
_MAX_CHARS = 80
"""Longer domains are nobody's slip of the keys."""


class DomainCorrector:
    """Corrects domains against one load of the reference data; immutable."""

    def __init__(
        self, providers: Providers, slips: Mapping[str, str], guard: Collection[str], doubtful: Collection[str] = ()
    ) -> None:
        self._providers = providers
        self._slips = dict(slips)
        self._guard = frozenset(guard)
        self._doubtful = frozenset(doubtful)
        self._finder = CandidateFinder(Targets(providers))
        self._weighed = lru_cache(maxsize=REMEMBERED_DOMAINS)(self._weigh)

    def is_known(self, domain: str) -> bool:
        """True for a provider's domain."""
        return domain in self._providers.domains

    def correct(self, domain: str) -> Correction:
        """Keep, apply or suggest for a lower-case A-label domain; never raises.

        A known domain takes less than 1 µs, a strange one about 5 µs, one near a provider 10 to 100 µs.
        """
        if domain in self._providers.domains:
            return keep(domain, "domain.known")
        if domain in self._guard:
            return keep(domain, "domain.guarded")
        slip = self._slips.get(domain)
        if slip is not None:
            proposal = (slip, "domain.map", MAP_CONFIDENCE)
            return Correction(domain, CorrectionAction.APPLY, *proposal, (proposal,))
        return self._weighed(domain)

    def _weigh(self, domain: str) -> Correction:
        """A domain on no list; remembered, because one check asks more than once and lists repeat domains."""
        if len(domain) > _MAX_CHARS or "xn--" in domain or is_special_use(domain):
            return keep(domain, "domain.none")
        # with one dot it is either registrable itself or a public suffix: there is nothing above it to know
        parent = registrable_domain(domain) if domain.count(".") > 1 else None
        if parent is not None and parent != domain and (self.is_known(parent) or parent in self._guard):
            return self._decide(domain, self._finder.below_known(domain, parent))
        return self._decide(domain, self._finder.near(domain))

    def _is_word_elsewhere(self, domain: str, first: Candidate) -> bool:
        """The name is a guarded one under the ending that was meant: `grail.co` may be `grail.com`, too."""
        if first.target is None or first.rule != "domain.typo":
            return False
        other = f"{domain.partition('.')[0]}.{first.target.ending}"
        return other in self._doubtful or other in self._guard

    def _decide(self, domain: str, candidates: Iterable[Candidate]) -> Correction:
        best: dict[str, Candidate] = {}
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
        doubtful = domain in self._doubtful or self._is_word_elsewhere(domain, first)
        if doubtful or tied:
            confidence = min(confidence, SUGGESTED)
        if first.target is None:
            inner = self.correct(first.domain)
            if inner.action is not CorrectionAction.KEEP:
                proposal = (inner.target, inner.rule, SUGGESTED)
                return Correction(domain, CorrectionAction.SUGGEST, *proposal, (proposal,))
        proposals = tuple((other.domain, other.rule, round(other.confidence, 3)) for other in ranked[:3])
        action = CorrectionAction.APPLY if confidence >= APPLY_FROM else CorrectionAction.SUGGEST
        asked = action is CorrectionAction.SUGGEST and not (tied or doubtful) and is_delegated(domain)
        asked = asked and confidence >= _ASKED_FROM
        return Correction(
            domain,
            action,
            first.domain,
            first.rule,
            round(confidence, 3),
            proposals,
            asked,
            asked and _dead_proves(first),
        )


def _tied(ranked: list[Candidate]) -> bool:
    """Another domain is as near as the first one; `hotmail.es` and `hotmail.de` are different people too."""
    first = ranked[0]
    for other in ranked[1:]:
        if other.order[0] - first.order[0] >= TIE:
            continue
        same_name = first.target is not None and other.target is not None and other.target.name == first.target.name
        if not (same_name and other.capped):
            return True
    return False


def _dead_proves(first: Candidate) -> bool:
    """A typed domain that takes no mail is proof enough: a long name with a slip that was nearly sure.

    Not for a provider's name under another real ending, nor another compound (`hmail`), nor a short name: those die and
    are registered again, and then the person meant was somebody else.
    """
    long_name = first.target is not None and len(first.target.name) > 5
    if first.target is not None and first.target.among_words:
        return False
    return first.rule == "domain.typo" and long_name and not first.capped and first.confidence >= _DEAD_PROVES_FROM
