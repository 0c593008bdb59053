"""The ordered rules for reply texts, and their verifier.

Pure: `data/reply_rules.tsv` and `data/reply_wordings.tsv` in, rules or faults out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from validator.errors import DatasetError
from validator.feedback.reasons import FailureReason
from validator.feedback.reply import Reply, Stage, without_accents
from validator.reference import Reference

_GAP = " * "
MAX_GAP = 90
"""Characters that ` * ` in a wording may stand for."""
ANY = "*"
STAGE_UNKNOWN = frozenset({"no_such_user.elsewhere", "no_such_user_weak.elsewhere"})
"""Rules for "no such user" where nobody knows whether the recipient was asked for or the message refused."""


_NO_SPACES = "\u0e00"
"""From here on stand the scripts that put no space between words, or put endings there: Thai, kana, hangul, han."""


def stands_anywhere(first: str) -> bool:
    """Whether a phrase that begins with *first* need not begin where a word does."""
    return not first[0].isalnum() or first[0] >= _NO_SPACES


@dataclass(frozen=True, slots=True)
class Phrase:
    """One wording: pieces that must stand in this order, the first at the start of a word where there are spaces."""

    text: str
    """As written in the table."""
    pieces: tuple[str, ...]
    """What must be found, in order."""
    whole: bool
    """The reply must consist of it."""

    @property
    def joined(self) -> str:
        """The pieces with something between them."""
        return " * ".join(self.pieces)

    def found_in(self, words: str) -> bool:
        """Whether the wording stands in *words*; no backtracking into the gaps."""
        if self.whole:
            return words.strip(" .:;!") == self.pieces[0]
        first = self.pieces[0]
        at = words.find(first)
        anywhere = stands_anywhere(first)
        while at >= 0:
            if (anywhere or at == 0 or not words[at - 1].isalnum()) and self._rest_at(words, at):
                return True
            at = words.find(first, at + 1)
        return False

    def _rest_at(self, words: str, at: int) -> bool:
        at += len(self.pieces[0])
        for piece in self.pieces[1:]:
            found = words.find(piece, at, at + MAX_GAP + len(piece))
            if found < 0:
                return False
            at = found + len(piece)
        return True


def parse_phrase(text: str) -> Phrase:
    """Read one cell of the wordings table."""
    if text.startswith("="):
        return Phrase(text, (without_accents(text[1:]),), whole=True)
    return Phrase(text, tuple(without_accents(text).split(_GAP)), whole=False)


class Wording:
    """A named set of phrases."""

    __slots__ = ("_first_pieces", "name", "phrases")

    def __init__(self, name: str, phrases: Sequence[Phrase]) -> None:
        """Phrases without gaps are asked first."""
        self.name = name
        self.phrases = tuple(sorted(phrases, key=lambda phrase: phrase.whole or len(phrase.pieces) > 1))
        self._first_pieces = [phrase.pieces[0] for phrase in self.phrases]

    def may_stand_in(self, words: str) -> bool:
        """False only when no phrase can stand in *words*; cheaper than finding out."""
        for piece in self._first_pieces:  # noqa: SIM110 - a generator takes three times as long
            if piece in words:
                return True
        return False


_WORD = re.compile(r"[^\W_]++")
_HEAD = 6
"""Characters of a phrase, from the start of a word, that say whether it is worth looking for."""


class WordingIndex:
    """The phrases of many wordings, found by how they begin: a reply is compared with a few of them, not with all."""

    def __init__(self, wordings: Iterable[Wording]) -> None:
        self._by_head: dict[str, list[tuple[str, int, Phrase]]] = {}
        self._anywhere: list[tuple[str, int, Phrase]] = []
        self._without_spaces: list[tuple[str, int, Phrase]] = []
        for wording in wordings:
            for place, phrase in enumerate(wording.phrases):
                first = phrase.pieces[0]
                item = (wording.name, place, phrase)
                if not stands_anywhere(first):
                    self._by_head.setdefault(first[:_HEAD], []).append(item)
                elif first[0] < _NO_SPACES:
                    self._anywhere.append(item)
                else:
                    self._without_spaces.append(item)
        self._lengths = sorted({len(head) for head in self._by_head})

    def phrases_in(self, words: str) -> dict[str, str]:
        """The first phrase of each wording that stands in *words*, as written; wordings without one are missing."""
        heads = {
            words[start : start + length]
            for start in (word.start() for word in _WORD.finditer(words))
            for length in self._lengths
        }
        candidates = [item for head in heads & self._by_head.keys() for item in self._by_head[head]]
        candidates += self._anywhere
        if not words.isascii():
            candidates += self._without_spaces
        found: dict[str, tuple[int, str]] = {}
        for name, place, phrase in candidates:
            if phrase.pieces[0] in words and (name not in found or place < found[name][0]) and phrase.found_in(words):
                found[name] = (place, phrase.text)
        return {name: text for name, (_, text) in found.items()}


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of `data/reply_rules.tsv`: conditions, all of which must hold, and the reason."""

    id: str
    """Dotted name; answers name it."""
    host: tuple[str, ...]
    """Parts of the answering server's name, one of which must stand in it; empty: any."""
    stages: frozenset[Stage]
    """Commands, one of which must have been answered; empty: any."""
    codes: tuple[str, ...]
    """Reply codes or their beginnings (`5*` as `5`); empty: any."""
    statuses: tuple[str, ...]
    """Enhanced statuses, exact or a beginning that ends in a dot; empty: any."""
    wording: Wording | None
    """Wordings, one of which must stand in the reply; None: any."""
    reason: FailureReason
    """What it means."""
    confidence: float
    """0 to 1."""
    source: str
    """Where the knowledge comes from."""

    def circumstances_hold(self, reply: Reply) -> bool:
        """Every condition but the wording; cheap."""
        if self.stages and reply.stage not in self.stages:
            return False
        if self.codes and not (reply.code and str(reply.code).startswith(self.codes)):
            return False
        if self.statuses and not reply.status:
            return False
        if self.statuses and not any(
            reply.status.startswith(status) if status.endswith(".") else reply.status == status
            for status in self.statuses
        ):
            return False
        return not self.host or any(part in reply.host for part in self.host)


def load_rules(reference: Reference, *, thorough: bool) -> tuple[Rule, ...]:
    """Read both tables; raises `DatasetError` with every fault, if *thorough* of rules beside each other as well."""
    wordings: dict[str, list[Phrase]] = {}
    for row in reference.table("reply_wordings").records():
        wordings.setdefault(row["wording"], []).append(parse_phrase(row["phrase"]))
    sets = {name: Wording(name, phrases) for name, phrases in wordings.items()}
    rules = []
    for row in reference.table("reply_rules").records():
        try:
            rules.append(_rule(row, sets))
        except (KeyError, ValueError) as error:
            raise DatasetError(f"reply_rules: {row.get('id')}: {error}") from error
    if thorough and (faults := rule_faults(rules, sets)):
        raise DatasetError("; ".join(faults))
    return tuple(rules)


def rule_faults(rules: Sequence[Rule], sets: Mapping[str, Wording]) -> list[str]:
    """What is wrong with the rules, one sentence each: duplicates, unreachable rules, wordings nobody uses."""
    faults = []
    used = {rule.wording.name for rule in rules if rule.wording}
    faults += [f"wording {name} is used by no rule" for name in sets if name not in used]
    for name, wording in sets.items():
        for phrase in wording.phrases:
            if any(not piece.strip() or piece != piece.lower() for piece in phrase.pieces):
                faults.append(f"wording {name}: {phrase.text!r} is empty or not lower case")
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        if rule.id in seen:
            faults.append(f"rule {rule.id} stands twice")
        seen.add(rule.id)
        if not 0 < rule.confidence <= 1:
            faults.append(f"rule {rule.id}: confidence {rule.confidence}")
        faults += [
            f"rule {rule.id} cannot be reached: {earlier.id} takes all of it"
            for earlier in rules[:index]
            if _covers(earlier, rule)
        ]
    return faults


def dead_phrases(rules: Sequence[Rule]) -> list[str]:
    """Phrases that can never decide, because an earlier phrase under no stricter conditions stands inside them."""
    dead = []
    for index, rule in enumerate(rules):
        earlier = [other for other in rules[:index] if other.wording and _circumstances_cover(other, rule)]
        for phrase in rule.wording.phrases if rule.wording else ():
            dead += [
                f"{rule.id}: {phrase.text!r} ({other.id} has {inner.text!r})"
                for other in earlier
                if other.wording
                for inner in other.wording.phrases
                if _phrase_covers(inner, phrase)
            ]
    return dead


def _rule(row: Mapping[str, str], sets: Mapping[str, Wording]) -> Rule:
    return Rule(
        id=row["id"],
        host=_cell(row["host"]),
        stages=frozenset(Stage(word) for word in _cell(row["stage"])),
        codes=tuple(code.rstrip("*") for code in _cell(row["code"])),
        statuses=tuple(status.rstrip("*") for status in _cell(row["status"])),
        wording=None if row["wording"] == ANY else sets[row["wording"]],
        reason=FailureReason(row["reason"]),
        confidence=float(row["confidence"]),
        source=row["source"],
    )


def _cell(text: str) -> tuple[str, ...]:
    return () if text == ANY else tuple(text.split(","))


def _covers(earlier: Rule, later: Rule) -> bool:
    """Whether every reply that *later* takes is taken by *earlier* already."""
    if not _circumstances_cover(earlier, later):
        return False
    if earlier.wording is None:
        return True
    if later.wording is None:
        return False
    if not earlier.wording.may_stand_in(later.wording.phrases[0].joined):
        return False  # what most pairs come to
    return all(
        any(_phrase_covers(wide, narrow) for wide in earlier.wording.phrases) for narrow in later.wording.phrases
    )


def _circumstances_cover(earlier: Rule, later: Rule) -> bool:
    if earlier.stages and not (later.stages and later.stages <= earlier.stages):
        return False
    if earlier.codes and not (later.codes and all(code.startswith(earlier.codes) for code in later.codes)):
        return False
    if earlier.statuses and not (
        later.statuses
        and all(
            any(status == wide or (wide.endswith(".") and status.startswith(wide)) for wide in earlier.statuses)
            for status in later.statuses
        )
    ):
        return False
    return not earlier.host or bool(
        later.host and all(any(wide in part for wide in earlier.host) for part in later.host)
    )


def _phrase_covers(wide: Phrase, narrow: Phrase) -> bool:
    """Whether any text with *narrow* in it has *wide* in it (a safe under-estimate: pieces are compared one by one)."""
    if wide.whole:
        return narrow.whole and wide.pieces == narrow.pieces
    return wide.found_in(narrow.joined)
