"""The part of a domain behind the name: what was meant by `.con`, `.co.uj`, `.comru`? Pure.

A delegated top-level domain is somebody's, any other is nobody's: that decides how bold a repair may be.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from rapidfuzz.distance import OSA

from validator.reference.suffixes import is_delegated_tld
from validator.sanitize.distance import slip_cost

SPECIAL_USE = frozenset(
    {
        "test", "example", "invalid", "localhost", "local", "onion", "internal", "alt", "lan", "home", "corp",
        "localdomain", "arpa", "intranet", "private",
    }
)  # fmt: skip
"""Last labels that never lead to Internet mail (RFC 6761, RFC 6762, RFC 7686, RFC 9476, SAC113): left as typed."""

_SLIPS_TO_COM = {"co": 0.6, "cm": 0.5, "om": 0.5}
_SLIPS_TO_NET = {"ne": 0.55, "et": 0.55}
DELEGATED_SLIPS: dict[str, dict[str, float]] = {"com": _SLIPS_TO_COM, "net": _SLIPS_TO_NET}
"""Delegated endings that people type for another one, with the cost of the slip."""

COMMON_ENDINGS = (
    "com", "net", "org", "edu", "ru", "de", "fr", "it", "es", "nl", "be", "pl", "cz", "ch", "at", "ua", "by", "info",
    "co.uk", "org.uk", "ac.uk", "com.br", "com.au", "com.ar", "com.mx", "com.tr", "co.jp", "co.in", "co.za", "co.nz",
    "co.kr", "co.il", "co.id", "com.co", "com.ua", "com.pl", "com.cn", "com.tw", "com.hk", "com.sg", "com.my", "ne.jp",
    "net.au", "org.au", "edu.br", "gov.br", "edu.au", "gov.uk", "biz", "eu",
)  # fmt: skip
"""Endings that an unknown name may be repaired into, the commonest first."""
_FIRST_CLASS = frozenset({"com", "net", "org"})

ENDING_LIMIT = 0.9
"""Highest cost at which the ending of an unknown name is repaired without asking."""
ENDING_REACH = 1.2
"""Highest cost at which another ending is suggested for an unknown name."""
_GAP = 0.1
_LESS_COMMON = 0.15
"""Added to the cost of a country that is no common ending: it may be meant, but is not what most people mean."""
_HARDLY_ANOTHER = 0.6
"""Cost, with `_LESS_COMMON`, of a letter doubled or two swapped."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def is_special_use(domain: str) -> bool:
    """True when the last label is set aside for other uses than Internet mail."""
    return domain.rpartition(".")[2] in SPECIAL_USE


def is_delegated(domain: str) -> bool:
    """True when the last label is a top-level domain of the root zone."""
    return is_delegated_tld(domain.rpartition(".")[2])


@lru_cache(maxsize=16_384)
def ending_cost(typed: str, meant: str) -> float:
    """Cost of having typed the ending *typed* for *meant*: edits, or cut short, or with something glued on."""
    near = OSA.distance(typed, meant, score_cutoff=2) <= 2
    cost = slip_cost(typed, meant) if near else 0.9 * max(len(typed), len(meant))
    if typed.count(".") > meant.count("."):
        cost += 0.25
    if "." in meant and typed.replace(".", "") == meant.replace(".", ""):
        cost = min(cost, 0.25)
    if typed and meant.startswith(typed):
        cost = min(cost, 0.45 + 0.1 * (len(meant) - len(typed)))
    if typed and meant.endswith(f".{typed}"):
        cost = min(cost, 0.35)
    elif typed and meant[1:] == typed:
        cost = min(cost, 0.6)
    if typed != meant and typed.startswith(meant):
        rest = typed[len(meant) :].strip(".")
        label = typed[len(meant)] == "."
        again = rest in (meant, meant.rpartition(".")[2])
        cost = min(cost, 0.3 if again else 1.2 if label else 0.5 + 0.15 * len(rest))
    elif typed.endswith(meant):
        cost = min(cost, 0.7 + 0.08 * (len(typed) - len(meant)))
    return cost


def is_near_ending(typed: str, meant: str) -> bool:
    """Worth a closer look: at most two edits, cut short, or with something glued on."""
    return (
        OSA.distance(typed, meant, score_cutoff=2) <= 2
        or typed.startswith(meant)
        or typed.endswith(meant)
        or (bool(typed) and meant.startswith(typed))
        or meant.endswith(f".{typed}")
    )


@lru_cache(maxsize=4_096)
def unknown_ending(typed: str) -> tuple[tuple[str, float], ...]:
    """Common endings within reach of *typed*, which is not delegated, with their cost, cheapest first.

    A near tie between two endings is broken by how common they are only for com, net and org. `.d` may be Germany or
    Denmark, `.usa` is no slip for Ukraine: countries of which no repair is made are found too, so that they tie.
    """
    found = []
    for place, meant in enumerate(COMMON_ENDINGS):
        if meant.count(".") < typed.count("."):
            continue
        cost = ending_cost(typed, meant)
        if meant not in _FIRST_CLASS:
            cost += 0.1
        if cost <= ENDING_REACH:
            found.append((cost, place, meant))
    found.sort()
    if len(typed) < 2 or not found or len(found[0][2]) < 3:
        found = _with_rivals(found, typed)
    return tuple((meant, cost) for cost, _, meant in found)


def _with_rivals(found: list[tuple[float, int, str]], typed: str) -> list[tuple[float, int, str]]:
    """*found* with the less common countries near *typed*: first only when hardly another letter was struck."""
    rivals = sorted((cost, len(COMMON_ENDINGS), meant) for meant, cost in _less_common(typed))
    rivals = [rival for rival in rivals if rival[0] <= ENDING_REACH]
    if rivals and rivals[0][0] <= _HARDLY_ANOTHER:
        return sorted((*found, *rivals))
    return [found[0], *sorted((*found[1:], *rivals))] if found else []


def _less_common(typed: str) -> Iterator[tuple[str, float]]:
    """Countries one letter or one swap from *typed* that are not among `COMMON_ENDINGS`, with their cost."""
    if "." in typed or not 0 < len(typed) < 4 or not typed.isascii():
        return
    if len(typed) == 3:
        near = {typed[:at] + typed[at + 1 :] for at in range(3)}
    else:
        near = {typed[:at] + letter + typed[at + len(typed) - 1 :] for at in (0, 1) for letter in _LETTERS}
        near.add(typed[::-1])
    for meant in sorted(near - set(COMMON_ENDINGS)):
        if len(meant) == 2 and is_delegated_tld(meant):
            yield meant, ending_cost(typed, meant) + _LESS_COMMON


def is_tie(found: tuple[tuple[str, float], ...]) -> bool:
    """True when the two cheapest endings cost nearly the same."""
    return len(found) > 1 and found[1][1] - found[0][1] < _GAP
