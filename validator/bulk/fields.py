"""Field paths: which texts of a document are addresses, such as `$.users[*].email`. Pure.

A small part of JSONPath (RFC 9535): `$`, `.name`, `['name']`, `[2]`, `[:]` (all places of an array), `[*]` and `.*`
(members too), `..name`; names may hold `*` and `?`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from validator.errors import RequestRefused

Component = str | int
"""One step of a path: the name of a member, or the 0-based place in an array."""

_STEP = re.compile(
    r"(?P<deep>\.\.)?(?:"
    r"\[(?P<index>\d+)\]|\[(?P<places>:)\]|\[(?P<any>\*)\]|\[(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\]"
    r"|(?(deep)|\.)(?P<name>[^.\[\]'\"]+))"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a field path."""

    pattern: str | int | None
    """Name or pattern of a member, place in an array, or None for everything."""
    deep: bool = False
    """Any number of levels may lie before it."""
    places_only: bool = False
    """Of everything only the places of an array, no members."""

    def takes(self, component: Component) -> bool:
        """True when the step leads to *component*."""
        if self.pattern is None:
            return isinstance(component, int) or not self.places_only
        if isinstance(self.pattern, int) or isinstance(component, int):
            return self.pattern == component
        return fnmatch.fnmatchcase(component.lower(), self.pattern.lower())


DEFAULT_FIELDS = (
    "$[:]", "$", "$..email", "$..e-mail", "$..e_mail", "$..mail", "$..emails", "$..emails[*]", "$..*_email",
    "$..email_address", "$..emailAddress", "$..email[:]", "$..e-mail[:]", "$..e_mail[:]", "$..mail[:]",
    "$..*_email[:]",
)  # fmt: skip
"""Where addresses are looked for when no field is named."""


def parse_field(text: str) -> tuple[Step, ...]:
    """The steps of a field path; a plain name means `$..name`. Raises `RequestRefused`."""
    if not text.startswith("$"):
        text = f"$..{text}" if not text.startswith(("[", ".")) else f"${text}"
    steps = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise RequestRefused(f"field: cannot read the path from character {at + 1} on")
        if found["index"] is not None:
            pattern: str | int | None = int(found["index"])
        elif found["quoted"] is not None:
            pattern = found["quoted"].replace("[", "[[]")
        elif found["places"] is not None or found["any"] is not None or found["name"] == "*":
            pattern = None
        else:
            pattern = found["name"]
        steps.append(Step(pattern, deep=found["deep"] is not None, places_only=found["places"] is not None))
        at = found.end()
    return tuple(steps)


State = frozenset[tuple[int, int]]
"""Which steps of which path have been taken."""


class FieldMatcher:
    """Follows a document level by level; the state below a level is computed once."""

    def __init__(self, paths: Sequence[str] = DEFAULT_FIELDS) -> None:
        self._paths = tuple(parse_field(path) for path in paths)
        self.start: State = frozenset((index, 0) for index in range(len(self._paths)))
        self.below = lru_cache(maxsize=4_096)(self._below)

    def _below(self, state: State, component: Component) -> State:
        """The state of *component* inside a value of *state*."""
        found = set()
        for path, taken in state:
            steps = self._paths[path]
            if taken == len(steps):
                continue
            step = steps[taken]
            if step.takes(component):
                found.add((path, taken + 1))
            if step.deep:
                found.add((path, taken))
        return frozenset(found)

    def below_index(self, state: State, index: int) -> State:
        """The same for a place in an array; places that no path names are all alike."""
        return self.below(state, index if index in self._named else -1)

    @property
    def _named(self) -> frozenset[int]:
        return frozenset(step.pattern for path in self._paths for step in path if isinstance(step.pattern, int))

    def is_wanted(self, state: State) -> bool:
        """A text in this state is an address."""
        return any(taken == len(self._paths[path]) for path, taken in state)


def show_path(components: Sequence[Component]) -> str:
    """A path as a person writes it: `$.users[3].email`."""
    shown = ["$"]
    for component in components:
        if isinstance(component, int):
            shown.append(f"[{component}]")
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", component):
            shown.append(f".{component}")
        else:
            shown.append(f"['{component}']")
    return "".join(shown)
