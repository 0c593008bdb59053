"""Chooses among the readings of Cyrillic letters in a domain. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from validator.address import SyntaxFault, ascii_domain
from validator.reference.suffixes import is_delegated_tld
from validator.sanitize.correction import Correction, CorrectionAction
from validator.sanitize.cyrillic import (
    Reading,
    all_letters_cyrillic,
    by_key,
    by_sound,
    by_twin,
    from_twins,
    has_cyrillic,
    is_cyrillic,
    only_twins,
    readings,
)
from validator.sanitize.domain import DomainCorrector
from validator.sanitize.readable import Readability

_SHARED = frozenset("aceopxykmthi")
"""Latin letters that look like letters of the common Cyrillic alphabets."""
_MAX_LABELS = 4
_MAX_CHARS = 48
"""No provider's name is longer in any script."""
_MAX_WEIGHED = 16
"""Combinations of readings that are given to the distance; all are compared with the provider table."""

Choice = tuple[tuple[Reading | None, ...], str]
"""The kind of reading of each label, and the domain that they make together."""


@dataclass(frozen=True, slots=True)
class Reread:
    """One choice."""

    text: str
    """The text in the chosen reading; the input when it is left alone."""
    rule: str | None
    """`cyrillic.key`, `cyrillic.twin`, `cyrillic.sound`; None when left alone."""
    confidence: float
    """0 to 1."""
    suggestion: str | None = None
    """Another reading that is likelier, or the only one that would do."""


def decode_labels(domain: str) -> str:
    """`xn--` labels that hold Cyrillic shown in letters; others as they are (browsers punycode what is typed)."""
    if "xn--" not in domain.lower():
        return domain
    labels = []
    for label in domain.split("."):
        shown = label
        if label.lower().startswith("xn--"):
            try:
                shown = label[4:].encode("ascii").decode("punycode")
            except UnicodeError:
                shown = label
        labels.append(shown if has_cyrillic(shown) else label)
    return ".".join(labels)


def reread_domain(
    domain: str, corrector: DomainCorrector, aliases: Mapping[str, str], readability: Readability
) -> Reread:
    """The Latin reading of a domain with Cyrillic letters, or the domain itself when it is a genuine one."""
    labels = domain.split(".")
    if len(labels) > _MAX_LABELS or len(domain) > _MAX_CHARS:
        return Reread(domain, None, 1.0)
    choices: list[Choice] = []
    for combination in itertools.product(*(readings(label.strip(), aliases) for label in labels)):
        latin = ".".join(text for _, text in combination).lower().strip(".")
        choices.append((tuple(reading for reading, _ in combination), latin))
    known = [(kinds, latin) for kinds, latin in choices if corrector.is_known(latin)]
    sure = [
        (kinds, latin)
        for kinds, latin in known
        if not _is_short_guess(labels, kinds, latin, aliases) and not _is_spelled_otherwise(labels, kinds, aliases)
    ]
    if sure:
        # who struck one label by its keys struck the others so, too
        kinds, latin = min(sure, key=_mixture)
        if _is_tie(labels, [entry for entry in sure if _mixture(entry) == _mixture((kinds, latin))], aliases):
            return Reread(domain, None, 1.0, _spelled(labels, corrector, aliases) or latin)
        return Reread(latin, _rule(kinds), 0.97)
    if known:
        spelled = [latin for kinds, latin in choices if Reading.SOUND in kinds and labels[0].lower() in aliases]
        heard = _spelled(labels, corrector, aliases)
        return Reread(domain, None, 1.0, heard or (spelled[0] if spelled else known[0][1]))
    if _is_genuine(labels):
        return Reread(domain, None, 1.0)
    restored = _restored(labels)
    if restored is not None:
        return Reread(restored, "cyrillic.twin", 0.92)
    weighed = [(kinds, latin) for kinds, latin in choices if latin.isascii()][:_MAX_WEIGHED]
    applied = [(kinds, latin, corrector.correct(latin)) for kinds, latin in weighed]
    ending_stands = any(
        is_delegated_tld(latin.rpartition(".")[2])
        for kinds, latin in weighed
        if kinds[-1] is not Reading.TWIN or all_letters_cyrillic(labels[-1])
    )
    best = [
        entry
        for entry in applied
        if entry[2].action is CorrectionAction.APPLY
        and corrector.is_known(entry[2].target)
        and not (ending_stands and _has_other_ending(*entry[1:]))
    ]
    if best:
        kinds, latin, _ = max(best, key=lambda entry: entry[2].confidence)
        return Reread(latin, _rule(kinds), 0.93)
    heard = _spelled(labels, corrector, aliases)
    return _unknown(domain, labels, readability) if heard is None else Reread(domain, None, 1.0, heard)


def _mixture(choice: Choice) -> int:
    """How many kinds of readings a choice takes for its labels."""
    return len({*choice[0]} - {None})


def _is_tie(labels: list[str], choices: list[Choice], aliases: Mapping[str, str]) -> bool:
    """Providers that differ in labels without a Latin letter: `mail.ву` is mail.de by its keys, mail.by by its looks.

    What was put together letter by letter, and is no known spelling, rivals nobody.
    """
    first = choices[0][1].split(".")
    for kinds, latin in choices[1:]:
        parts = latin.split(".")
        by_letters = (
            kind is Reading.SOUND and label.lower() not in aliases for label, kind in zip(labels, kinds, strict=True)
        )
        if parts == first or any(by_letters):
            continue
        rivals = labels
        if len(first) == len(parts) == len(labels):
            rivals = [label for label, mine, other in zip(labels, first, parts, strict=True) if mine != other]
        if all(map(all_letters_cyrillic, rivals)):
            return True
    return False


def _is_spelled_otherwise(labels: list[str], kinds: tuple[Reading | None, ...], aliases: Mapping[str, str]) -> bool:
    """The name was taken by ear and the ending, a known spelling, by its keys: `яндекс.де` is no yandex.lt."""
    return kinds[0] is Reading.SOUND and kinds[-1] is Reading.KEY and labels[-1].lower() in aliases


def _has_other_ending(latin: str, correction: Correction) -> bool:
    """Two guesses on one label: read so that the ending does not exist, and then corrected into one that does."""
    return latin.rpartition(".")[2] != correction.target.rpartition(".")[2]


def _spelled(labels: list[str], corrector: DomainCorrector, aliases: Mapping[str, str]) -> str | None:
    """What `acme.ру` means, an ending spelled by ear behind a name in Latin letters or spelled so, too; else None."""
    latin = ".".join(aliases.get(label.strip().lower(), label.strip().lower()) for label in labels)
    ending = aliases.get(labels[-1].strip().lower())
    if ending is None or not latin.isascii() or not is_delegated_tld(ending):
        return None
    return corrector.correct(latin).target


def _is_short_guess(
    labels: list[str], kinds: tuple[Reading | None, ...], latin: str, aliases: Mapping[str, str]
) -> bool:
    """Two letters taken for others than they spell (`вк` is vk), or by their keys though the ending is Latin."""
    name = labels[0].strip().lower()
    if kinds[0] is None or len(name) > 2:
        return False
    if name in aliases and (kinds[0] is Reading.KEY or kinds[-1] is Reading.SOUND):
        return not latin.startswith(f"{aliases[name]}.")
    # a Latin letter beside one that has no twin leaves the keys as the only reading
    is_spelled = all_letters_cyrillic(name) or only_twins(name)
    return kinds[0] is Reading.KEY and is_spelled and not has_cyrillic(labels[-1])


def _is_genuine(labels: list[str]) -> bool:
    """Every label is of one script and the last one is delegated."""
    for label in labels:
        if has_cyrillic(label) and any(char.isalpha() and not is_cyrillic(char) for char in label):
            return False
    last = ascii_domain(f"a.{labels[-1]}")
    return not isinstance(last, SyntaxFault) and is_delegated_tld(last[2:])


def _restored(labels: list[str]) -> str | None:
    """A Cyrillic name with Latin look-alikes in it (`пoшта.укр`): no registry takes both scripts in one label.

    None where the Cyrillic letters may be the look-alikes as well.
    """
    restored = []
    for label in labels:
        latin = {char for char in label.lower() if char.isalpha() and not is_cyrillic(char)}
        if latin and has_cyrillic(label) and (only_twins(label) or not latin <= _SHARED):
            return None
        restored.append(from_twins(label))
    if restored == labels or not all_letters_cyrillic(restored[-1]) or not _is_genuine(restored):
        return None
    return ".".join(restored)


def _unknown(domain: str, labels: list[str], readability: Readability) -> Reread:
    """No reading is known: what lies under an ending that exists, by its keys or by its looks, is what was meant.

    Only look-alikes stand in one label with Latin letters. Where both readings exist (`acme.ву` is acme.de by its keys,
    acme.by by its looks) neither is sure, nor is one that is read by ear as another ending (`acme.су`).
    """
    keys, twins = by_key(domain).lower(), by_twin(domain).lower() if only_twins(domain) else domain
    written = [label for label in labels if has_cyrillic(label)]
    if only_twins(domain) and not all(map(all_letters_cyrillic, written)):
        return Reread(twins, "cyrillic.twin", 0.92) if twins.isascii() else Reread(domain, None, 1.0)
    if any(readability.is_word(label, by_key(label)) for label in labels[:-1] if all_letters_cyrillic(label)):
        return Reread(domain, None, 1.0)
    if not _exists(keys):
        if not _exists(twins):
            return Reread(domain, None, 1.0)
        heard = f"{twins.rpartition('.')[0]}.{by_sound(labels[-1])}".lower()
        is_rival = heard != twins and _exists(heard)
        return Reread(domain, None, 1.0, heard) if is_rival else Reread(twins, "cyrillic.twin", 0.92)
    if not has_cyrillic(labels[-1]):
        return Reread(domain, None, 1.0, keys)
    return Reread(domain, None, 1.0, twins) if keys != twins and _exists(twins) else Reread(keys, "cyrillic.key", 0.9)


def _exists(domain: str) -> bool:
    """A domain in Latin letters under a delegated ending."""
    is_domain = domain.isascii() and not isinstance(ascii_domain(domain), SyntaxFault)
    return is_domain and is_delegated_tld(domain.rpartition(".")[2])


def _rule(kinds: tuple[Reading | None, ...]) -> str:
    """The rule of the boldest reading among those of the labels, of which one at least is not Latin."""
    boldest = next(kind for kind in (Reading.KEY, Reading.SOUND, Reading.TWIN) if kind in kinds)
    return f"cyrillic.{boldest.value}"
