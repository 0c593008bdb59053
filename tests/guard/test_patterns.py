"""Regular expressions mean the same on every Python that is supported."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import validator

NOT_IMPORTED = {"validator.__main__", "validator.migrations.env"}
"""Act when they are imported."""
EXTRAS = {"validator.bulk.arrays", "validator.bulk.parquet", "validator.bulk.spark"}


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for found in pkgutil.walk_packages(validator.__path__, "validator."):
        if found.name in NOT_IMPORTED | EXTRAS:
            continue
        for name, value in vars(importlib.import_module(found.name)).items():
            for one in value if isinstance(value, tuple | list) else [value]:
                if isinstance(one, re.Pattern):
                    yield f"{found.name}.{name}", one


def possessive_groups(parsed: Any) -> int:
    """How many possessive quantifiers stand after more than one character, a set, or any character."""
    count = 0
    for code, value in parsed:
        if code is codes.POSSESSIVE_REPEAT:
            body = value[2]
            one = len(body) == 1 and body[0][0] in (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)
            count += not one
        inner = value if isinstance(value, tuple | list) else [value]
        for part in inner:
            for branch in part if isinstance(part, list) else [part]:
                if isinstance(branch, _parser.SubPattern):
                    count += possessive_groups(branch)
    return count


PATTERNS = dict(_patterns())


def test_possessive_groups_are_seen() -> None:
    assert possessive_groups(_parser.parse(r"(?:ab|c)*+")) == 1
    assert possessive_groups(_parser.parse(r"x(?:y(?:(a|bc)++|z))?")) == 1
    assert possessive_groups(_parser.parse(r"(?=(?:ab){2,3}+)(?>(?:a|b)*)")) == 1
    assert possessive_groups(_parser.parse(r"a++[bc]*+.?+(?>(?:d|e)*)")) == 0
    assert len(PATTERNS) > 100


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_no_group_has_a_possessive_quantifier(name: str) -> None:
    """Before 3.11.5 those match something else, or never end (python/cpython#106052); `(?>(?:...)*)` is right."""
    pattern = PATTERNS[name]
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    assert not possessive_groups(_parser.parse(pattern.pattern, flags))
