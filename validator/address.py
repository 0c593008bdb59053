"""What is an address: `parse_address` splits and judges a text by syntax alone.

Pure. The accepted form is narrower than RFC 5321: an ordinary mailbox that ordinary mail can be sent to, no quoted
local parts, no comments, no domain literals (owner's list of characters; `docs/decisions/`). Lengths are checked
before any Unicode work, because normalisation of hostile text is quadratic in CPython 3.11.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import idna

MAX_INPUT_CHARS = 320
"""Longest text that is looked at: 64 + 1 + 255 octets, RFC 3696 section 3."""
MAX_ADDRESS_OCTETS = 254
"""Longest address that fits an SMTP path, RFC 5321 4.5.3.1.3 and RFC 3696 erratum 1690."""
MAX_LOCAL_OCTETS = 64
"""RFC 5321 4.5.3.1.1."""
MAX_DOMAIN_OCTETS = 253
"""RFC 1035 2.3.4, in text form without the final dot."""


class FaultCode(StrEnum):
    """Why a text is not an acceptable address."""

    EMPTY = "empty"
    """Nothing there."""
    TOO_LONG = "too_long"
    """The text, the local part, a label or the domain is over its limit."""
    CONTROL_CHARACTER = "control_character"
    """A control, invisible or unassigned character."""
    NO_AT = "no_at"
    """No @ at all."""
    MANY_AT = "many_at"
    """More than one @."""
    EMPTY_PART = "empty_part"
    """Nothing before or after the @."""
    LOCAL_CHARACTER = "local_character"
    """A character that is not accepted in a local part."""
    LOCAL_DOTS = "local_dots"
    """A dot at an end of the local part, or two in a row."""
    DOMAIN_LITERAL = "domain_literal"
    """An address literal in brackets, RFC 5321 4.1.3."""
    DOMAIN_CHARACTER = "domain_character"
    """A character that no host name has."""
    DOMAIN_DOTS = "domain_dots"
    """A dot at an end of the domain, or two in a row."""
    DOMAIN_HYPHEN = "domain_hyphen"
    """A label that begins or ends with a hyphen."""
    DOMAIN_IDN = "domain_idn"
    """An internationalised label that IDNA 2008 / UTS 46 refuses."""
    SINGLE_LABEL = "single_label"
    """A domain without a dot takes no internet mail (SAC053)."""
    BAD_TLD = "bad_tld"
    """A last label that can be no top-level domain: digits, or one character."""
    TWO_ADDRESSES = "two_addresses"
    """Two different addresses in one text."""


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """A text that is not an acceptable address, and why."""

    code: FaultCode
    """Machine-readable cause."""
    message: str
    """A sentence for people; never quotes the text."""


@dataclass(frozen=True, slots=True)
class SyntaxRules:
    """What is accepted beyond letters, digits and `. _ - +` in a local part; all off by default."""

    apostrophe: bool = False
    """Accept `'` (o'brien)."""
    symbols: bool = False
    """Accept every atext symbol of RFC 5322 3.2.3, the apostrophe included."""
    eai: bool = False
    """Accept non-ASCII letters in the local part (RFC 6531)."""


class EmailAddress(NamedTuple):
    """A syntactically acceptable address."""

    local: str
    """Local part, case kept."""
    domain: str
    """Domain as lower-case A-labels, no final dot: the form for DNS and look-ups."""
    text: str
    """The address to show and store: case of the local part kept, domain lower-cased in the script it came in."""


DEFAULT_RULES = SyntaxRules()

_PLAIN = re.compile(
    r"([A-Za-z0-9_+-]++(?>(?:\.[A-Za-z0-9_+-]++)*))@((?:[a-z0-9]++(?>(?:-++[a-z0-9]++)*)\.)+[a-z]{2,63})"
)
_PLAIN_LINES = re.compile(f"(?:{_PLAIN.pattern}|[^\\n]*+)\\n")
_new = tuple.__new__  # what a named tuple's own constructor does, at half the price
_SHORT = 64
"""A whole address this short has no part that is too long."""
_BASE_ATOM = "A-Za-z0-9_+"
_SYMBOLS = r"!#$%&'*/=?^`{|}~"
_LDH = re.compile(r"[a-z0-9-]+")
_TLD = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]+")


def _local_pattern(rules: SyntaxRules) -> re.Pattern[str]:
    extra = re.escape(_SYMBOLS) if rules.symbols else "'" if rules.apostrophe else ""
    return re.compile(f"[{_BASE_ATOM}{extra}-]+")


_LOCALS = {
    (rules.apostrophe, rules.symbols): _local_pattern(rules)
    for rules in (SyntaxRules(), SyntaxRules(apostrophe=True), SyntaxRules(symbols=True), SyntaxRules(True, True))
}


def plain_address(text: str) -> EmailAddress | None:
    """Fast gate: an all-ASCII address with a lower-case domain that needs no further thought, else None (1 µs)."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    local, domain = match.groups()
    if "xn--" in domain:
        return None
    if len(text) > _SHORT and (
        len(local) > MAX_LOCAL_OCTETS
        or len(text) > MAX_ADDRESS_OCTETS
        or len(domain) > MAX_DOMAIN_OCTETS
        or any(len(label) > 63 for label in domain.split("."))
    ):
        return None
    return _new(EmailAddress, (local, domain, text))


def plain_parts(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Local part and domain of each text that `plain_address` takes, two empty texts for any other (0.5 µs each)."""
    parts: list[tuple[str, str]] = _PLAIN_LINES.findall("\n".join([*texts, ""]))
    if len(parts) != len(texts):  # some text holds a line feed
        return [_parts_of(text) for text in texts]
    for index, text in enumerate(texts) if max(map(len, texts), default=0) > _SHORT else ():
        if len(text) > _SHORT:
            parts[index] = _parts_of(text)
    if any("xn--" in domain for _, domain in parts):
        return [part if "xn--" not in part[1] else ("", "") for part in parts]
    return parts


def _parts_of(text: str) -> tuple[str, str]:
    plain = plain_address(text)
    return ("", "") if plain is None else (plain.local, plain.domain)


def parse_address(text: str, rules: SyntaxRules = DEFAULT_RULES) -> EmailAddress | SyntaxFault:
    """Split *text* at its only @ and judge both sides.

    Never raises for any string, lone surrogates included; linear up to `MAX_INPUT_CHARS`, constant beyond.
    """
    plain = plain_address(text)
    if plain is not None:
        return plain
    if not text:
        return SyntaxFault(FaultCode.EMPTY, "the text is empty")
    if len(text) > MAX_INPUT_CHARS:
        return SyntaxFault(FaultCode.TOO_LONG, f"longer than {MAX_INPUT_CHARS} characters")
    for char in text:
        if not char.isprintable() and char != " " and unicodedata.category(char) in _REFUSED_CATEGORIES:
            return SyntaxFault(FaultCode.CONTROL_CHARACTER, "a control, invisible or unassigned character")
    local, at, domain_text = text.rpartition("@")
    if not at:
        return SyntaxFault(FaultCode.NO_AT, "no @")
    if "@" in local:
        return SyntaxFault(FaultCode.MANY_AT, "more than one @")
    if not local or not domain_text:
        return SyntaxFault(FaultCode.EMPTY_PART, "nothing before or after the @")
    fault = _local_fault(local, rules)
    if fault is not None:
        return fault
    domain = ascii_domain(domain_text)
    if isinstance(domain, SyntaxFault):
        return domain
    if _octets(local) + 1 + len(domain) > MAX_ADDRESS_OCTETS:
        return SyntaxFault(FaultCode.TOO_LONG, f"longer than {MAX_ADDRESS_OCTETS} octets")
    # letter by letter: of a whole word Python makes the last sigma another letter, and so another domain
    shown = domain if domain_text.isascii() else "".join(map(str.lower, domain_text))
    return EmailAddress(local, domain, f"{local}@{shown}")


_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _local_fault(local: str, rules: SyntaxRules) -> SyntaxFault | None:
    pattern = _LOCALS[rules.apostrophe, rules.symbols]
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return SyntaxFault(FaultCode.LOCAL_DOTS, "a dot at an end of the local part, or two in a row")
    for atom in local.split("."):
        if pattern.fullmatch(atom):
            continue
        judged = (
            "".join("a" if ord(char) > 127 and _is_eai_char(char) else char for char in atom) if rules.eai else atom
        )
        if not pattern.fullmatch(judged):
            return SyntaxFault(FaultCode.LOCAL_CHARACTER, "a character that is not accepted in a local part")
    if _octets(local) > MAX_LOCAL_OCTETS:
        return SyntaxFault(FaultCode.TOO_LONG, f"a local part of more than {MAX_LOCAL_OCTETS} octets")
    return None


def _octets(local: str) -> int:
    """Length on the wire: UTF-8 of the NFC form, which can be longer than the text (RFC 6532 3.1)."""
    return len(local) if local.isascii() else len(unicodedata.normalize("NFC", local).encode())


def _is_eai_char(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def ascii_domain(text: str) -> str | SyntaxFault:
    """The lower-case A-label form of a domain, or why it is none.

    IDNA 2008 with UTS 46 mapping, non-transitional: `faß.de` stays its own domain. Never raises.
    """
    if text.startswith("["):
        return SyntaxFault(FaultCode.DOMAIN_LITERAL, "an address literal, not a domain")
    if len(text) > MAX_INPUT_CHARS:
        return SyntaxFault(FaultCode.TOO_LONG, f"a domain of more than {MAX_DOMAIN_OCTETS} octets")
    if text.isascii():
        domain = text.lower()
    else:
        try:
            domain = idna.encode(text, uts46=True, std3_rules=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return SyntaxFault(FaultCode.DOMAIN_IDN, "a domain that IDNA does not allow")
    return _domain_fault(domain) or domain


def _domain_fault(domain: str) -> SyntaxFault | None:
    if len(domain) > MAX_DOMAIN_OCTETS:
        return SyntaxFault(FaultCode.TOO_LONG, f"a domain of more than {MAX_DOMAIN_OCTETS} octets")
    if domain.startswith(".") or domain.endswith(".") or ".." in domain:
        return SyntaxFault(FaultCode.DOMAIN_DOTS, "a dot at an end of the domain, or two in a row")
    labels = domain.split(".")
    for label in labels:
        if not _LDH.fullmatch(label):
            return SyntaxFault(FaultCode.DOMAIN_CHARACTER, "a character that no host name has")
        if len(label) > 63:
            return SyntaxFault(FaultCode.TOO_LONG, "a label of more than 63 octets")
        if label.startswith("-") or label.endswith("-"):
            return SyntaxFault(FaultCode.DOMAIN_HYPHEN, "a label that begins or ends with a hyphen")
        if label.startswith("xn--"):
            try:
                idna.decode(label)
            except (idna.IDNAError, UnicodeError):
                return SyntaxFault(FaultCode.DOMAIN_IDN, "an A-label that decodes to nothing IDNA allows")
    if len(labels) == 1:
        return SyntaxFault(FaultCode.SINGLE_LABEL, "a domain without a dot")
    if not _TLD.fullmatch(labels[-1]):
        return SyntaxFault(FaultCode.BAD_TLD, "a last label that can be no top-level domain")
    return None


def unicode_domain(domain: str) -> str:
    """The domain with its A-labels shown in their own script; labels that do not decode stay as they are."""
    if "xn--" not in domain:
        return domain
    shown = []
    for label in domain.split("."):
        try:
            shown.append(idna.decode(label) if label.startswith("xn--") else label)
        except (idna.IDNAError, UnicodeError):
            shown.append(label)
    return ".".join(shown)
