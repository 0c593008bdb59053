"""Is a Cyrillic local part a Russian word, or Latin typed on the wrong layout? Letter pairs decide. Pure.

`иван` reads as a word and its keys (`bdfy`) do not; for `шмфт` it is the other way round.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable

_WORDS = re.compile(r"[a-z]+|[а-яёіїєґў]+")
MARGIN = 0.0
"""By how much, in natural log units a letter, the Russian reading must win before the layout reading is doubted."""


class LetterPairs:
    """Likelihood of words from the letter pairs of a sample."""

    def __init__(self, sample: Iterable[str], letters: int) -> None:
        self._pairs: Counter[str] = Counter()
        self._firsts: Counter[str] = Counter()
        self._letters = letters
        for word in sample:
            padded = f" {word.lower()} "
            for first, second in itertools.pairwise(padded):
                self._pairs[first + second] += 1
                self._firsts[first] += 1

    def score(self, text: str) -> float:
        """Mean log-likelihood of a letter over all words of *text*; 0 for a text without words."""
        total, count = 0.0, 0
        for word in _WORDS.findall(text.lower()):
            padded = f" {word} "
            for first, second in itertools.pairwise(padded):
                chance = (self._pairs[first + second] + 0.3) / (self._firsts[first] + 0.3 * self._letters)
                total += math.log(chance)
                count += 1
        return total / count if count else 0.0


class Readability:
    """Compares the Russian reading of a text with its reading by keys."""

    def __init__(self, russian: Iterable[str], latin: Iterable[str]) -> None:
        self._russian = LetterPairs(russian, 34)
        self._latin = LetterPairs(latin, 27)

    def is_word(self, cyrillic: str, keys: str) -> bool:
        """True when *cyrillic* reads better in Russian than *keys*, its Latin keys, read in Latin."""
        if sum(char.isalpha() for char in cyrillic) < 3:
            return False
        return self._russian.score(cyrillic) - self._latin.score(keys) > MARGIN

    def is_likelier_name(self, one: str, other: str) -> bool:
        """True when *one* reads better in Latin than *other* does; never for fewer than three letters."""
        if sum(char.isalpha() for char in one) < 3:
            return False
        return self._latin.score(one) > self._latin.score(other)
