"""The verdicts of a window, of which most are made only when somebody looks at them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

from validator.checker.facts import DomainFacts
from validator.checker.judge import RouteVerdict
from validator.verdict import Verdict

Item = TypeVar("Item")


class Verdicts(Sequence[Verdict | Item], Generic[Item]):
    """One verdict a text, same length and order.

    Of an address that came as it should be and about which only the route of its domain speaks, the facts of the
    domain say everything. Most rows of a list are such, so what counts and writes them need not look at each.
    """

    __slots__ = ("alone", "facts", "others", "texts")

    def __init__(
        self, texts: Sequence[str], facts: Sequence[DomainFacts | None], others: Mapping[int, Verdict | Item]
    ) -> None:
        """*facts* where they say everything, with `alone` set; *others* by index everywhere else."""
        self.texts = texts
        self.facts = facts
        self.others = others
        self.alone: list[RouteVerdict | None] = [None if item is None else item.alone for item in facts]
        """What the route alone makes of a row; None where `others` has its verdict."""

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Verdict | Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Verdict | Item]: ...

    def __getitem__(self, index: int | slice) -> Verdict | Item | list[Verdict | Item]:
        if isinstance(index, slice):
            return [self._at(place) for place in range(*index.indices(len(self)))]
        return self._at(range(len(self))[index])

    def __iter__(self) -> Iterator[Verdict | Item]:
        return map(self._at, range(len(self.texts)))

    def _at(self, index: int) -> Verdict | Item:
        facts = self.facts[index]
        if facts is None or facts.alone is None:
            return self.others[index]
        text, route, provider = self.texts[index], facts.alone, facts.provider
        vendor, trusted = (None, False) if provider is None else (provider.vendor, provider.trusted)
        domain = text.rpartition("@")[2]
        return Verdict(
            text, route.reason is None, text, route.reason, route.status, None, None, domain, vendor, trusted
        )
