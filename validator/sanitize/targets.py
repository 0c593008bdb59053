"""The provider domains that repairs may lead to, indexed for the ways in which they are mistyped. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from validator.reference.providers import LAST_TARGET_TIER, Providers

COMMON_WORDS = frozenset(
    {
        "mail", "live", "free", "orange", "sky", "web", "post", "me", "mac", "list", "inbox", "internet", "online",
        "home", "planet", "bell", "shaw", "cox", "atlas", "go", "usa", "email", "plus", "voo", "start", "terra",
        "globo", "libero", "alice", "tin", "tim", "virgin", "juno", "hey", "rogers", "charter", "frontier",
        "optimum", "spray", "scarlet", "kakao", "nate", "daum", "base", "proton", "verizon", "ono", "iol", "blu",
        "op", "vp", "wp", "walla", "azet", "lenta", "magenta", "vodafone", "aim", "pm", "ya", "vk", "att", "bt",
        "freemail", "mynet", "fibertel", "roadrunner", "centrum", "ameritech",
    }
)  # fmt: skip
"""Names that other people own under other endings, so that an ending alone proves little."""
AMONG_WORDS = frozenset(
    {
        "alice", "arcor", "atlas", "bell", "bol", "charter", "chello", "free", "frontier", "gazeta", "globo", "home",
        "hughes", "interia", "internet", "inwind", "iol", "juno", "lenta", "libero", "live", "magenta", "mynet", "nate",
        "naver", "netzero", "noos", "online", "optimum", "orange", "planet", "poste", "posteo", "proton", "rogers",
        "scarlet", "sina", "siol", "spray", "start", "tele2", "telefonica", "telfort", "telia", "terra", "tin",
        "tiscali", "virgin", "voila", "volny", "walla",
    }
)  # fmt: skip
"""Names that lie among ordinary words (never, libro, alike, orage, carter): one other letter proves nothing."""
MEGA = frozenset({"gmail", "hotmail", "outlook", "yahoo", "icloud", "yandex"})
"""Names so much used that nearly everything near them was meant for them."""


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One provider domain as a goal of repairs; sorts by how many slips it attracts."""

    tier: int
    """1 to 3."""
    rank: int
    """The provider's rank."""
    domain: str
    """Whole domain."""
    name: str
    """Its first label."""
    ending: str
    """All behind the first dot."""

    famous: bool
    """Its name has a domain of the first tier."""

    @property
    def among_words(self) -> bool:
        """Ordinary words lie within one letter of the name."""
        return self.name in AMONG_WORDS

    @property
    def mega(self) -> bool:
        """One of the most used names of all, under whatever ending."""
        return self.name in MEGA

    @property
    def is_distinct(self) -> bool:
        """Long and used enough that a slip in it is seen under any ending."""
        return len(self.name) > (4 if self.tier == 1 else 6) and self.tier < 3 and not self.common

    @property
    def common(self) -> bool:
        """The name is a word or so short that it stands under other endings too."""
        return len(self.name) < 3 or self.name in COMMON_WORDS


def flat(text: str) -> str:
    """*text* without dots, hyphens and underscores."""
    return text.replace(".", "").replace("-", "").replace("_", "")


class NameList:
    """Names in the order in which ties are decided, searched by edit distance."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._within: dict[tuple[int, int], tuple[tuple[str, ...], tuple[int, ...]]] = {}

    def of_length(self, length: int, within: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names whose length differs by at most *within*, with their places; no other is that few edits away."""
        found = self._within.get((length, within))
        if found is None:
            places = tuple(at for at, name in enumerate(self._names) if abs(len(name) - length) <= within)
            found = self._within[length, within] = (tuple(self._names[at] for at in places), places)
        return found

    def near(self, typed: str, edits: int, limit: int) -> list[tuple[str, int]]:
        """At most *limit* names within *edits* (optimal string alignment) with their places, nearest first."""
        names, places = self.of_length(len(typed), edits)
        if not names:
            return []
        close = process.extract(typed, names, scorer=OSA.distance, score_cutoff=edits, limit=limit)
        return [(name, places[at]) for name, _, at in close]


class Targets:
    """The indexes; built once per load of the reference data."""

    def __init__(self, providers: Providers) -> None:
        famous = {domain.partition(".")[0] for domain, tier in providers.tiers.items() if tier == 1}
        found = []
        self.endings_elsewhere: defaultdict[str, list[str]] = defaultdict(list)
        """Endings, by name, of the providers' domains that are known but no targets."""
        for domain, tier in sorted(providers.tiers.items()):
            name, _, ending = domain.partition(".")
            if tier > LAST_TARGET_TIER:
                self.endings_elsewhere[name].append(ending)
            else:
                found.append(Target(tier, providers.domains[domain].rank, domain, name, ending, name in famous))
        found.sort()
        by_name: defaultdict[str, list[Target]] = defaultdict(list)
        by_ending: defaultdict[str, list[Target]] = defaultdict(list)
        for target in found:
            by_name[target.name].append(target)
            by_ending[target.ending].append(target)
        self.by_name: dict[str, tuple[Target, ...]] = {name: tuple(group) for name, group in by_name.items()}
        """Targets of one name, the most used first."""
        self.by_ending: dict[str, tuple[Target, ...]] = {ending: tuple(group) for ending, group in by_ending.items()}
        """Targets under one ending, the most used first."""
        self.names = NameList([*self.by_name])
        """Every name once."""
        distinct = [name for name, group in self.by_name.items() if group[0].is_distinct]
        self.distinct_names = NameList(distinct)
        """Those that are told from others even under an ending that the provider does not use."""
        self.names_under = {
            ending: NameList([target.name for target in group]) for ending, group in self.by_ending.items()
        }
        """Names under one ending, in the order of `by_ending`."""
        self.within_reach = {
            ending: NameList([*dict.fromkeys([*(target.name for target in group), *distinct])])
            for ending, group in self.by_ending.items()
        }
        """The same with those of `distinct_names`: everything that is compared with a name under one ending."""
        self.flat: dict[str, Target] = {}
        """The most used target by its domain without punctuation."""
        self.flat_names: dict[str, Target] = {}
        """The most used target by its name without punctuation."""
        for target in found:
            self.flat.setdefault(flat(target.domain), target)
            self.flat_names.setdefault(flat(target.name), target)
        self.flats = NameList([*self.flat])
        """Every domain without punctuation."""

    def split(self, domain: str) -> tuple[str, str]:
        """Name and ending: the longest ending that some target has, else all behind the first dot."""
        at = domain.find(".")
        first = at
        while at >= 0:
            if domain[at + 1 :] in self.by_ending:
                return domain[:at], domain[at + 1 :]
            at = domain.find(".", at + 1)
        return (domain[:first], domain[first + 1 :]) if first >= 0 else (domain, "")
