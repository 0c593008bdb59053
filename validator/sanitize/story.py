"""The story of a repair, one sentence a step: what `validator explain` prints and `explain` carries. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from validator.address import EmailAddress, SyntaxRules, parse_address
from validator.sanitize.correction import APPLY_FROM, Correction, CorrectionAction
from validator.sanitize.result import Sanitized
from validator.verdict import Change

_RULES = {
    "text.unescape": "HTML entities, percent and backslash escapes were resolved",
    "text.unicode": "characters of other shapes were written plainly (NFKC)",
    "text.invisible": "invisible characters and odd white space were dropped",
    "text.at": "the @ was written as a word, or more than once",
    "text.at_key": "the quotation mark stands on the key of the @",
    "text.repetition": "the same address stood there more than once",
    "text.unwrap": "what stood around the address was taken off",
    "text.domain": "dots, spaces and stray signs of the domain were put right",
    "text.accents": "without the accents the domain is a provider's",
    "symbols.removed": "special characters were removed from the local part",
    "symbols.tag": "the +tag was removed: this provider delivers it to the plain address",
    "cyrillic.at_key": "on the Russian layout the key of the @ types a quotation mark",
    "cyrillic.key": "the keys were struck on a Cyrillic layout",
    "cyrillic.twin": "Cyrillic letters stood for Latin ones that look the same",
    "cyrillic.sound": "a Latin name was spelled with Cyrillic letters",
    "domain.map": "a slip that is known and reviewed",
    "domain.typo": "a slip of the keys, weighed by how it happens",
    "domain.ending": "the provider has no such ending",
    "domain.no_ending": "the ending was left out",
    "domain.dot": "only dots and hyphens differ",
    "domain.repeated": "the provider's domain stood there more than once",
    "domain.prefix": "the name of a service stood before the provider's domain",
    "domain.junk": "something was glued to the provider's name",
    "domain.tld": "there is no such top-level domain",
    "domain.known": "a provider's domain",
    "domain.guarded": "a domain of its own, although it looks like a provider's",
    "domain.none": "a domain like any other",
}
_UNKNOWN_RULE = "a repair"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the story."""

    rule: str
    """Dotted name of the rule."""
    before: str
    """The part as it stood."""
    after: str
    """The part afterwards; equal to `before` when the step changed nothing."""
    confidence: float
    """0 to 1."""
    sentence: str
    """For people."""


def rule_sentence(rule: str) -> str:
    """What a rule means; rules settled by DNS (`….dns`) say so."""
    settled = rule.endswith(".dns")
    sentence = _RULES.get(rule.removesuffix(".dns"), _UNKNOWN_RULE)
    return f"{sentence}; the typed domain takes no mail" if settled else sentence


def tell(
    sanitized: Sanitized, correction: Correction | None = None, rules: SyntaxRules | None = None
) -> tuple[Step, ...]:
    """Every step in order, the verdict about the domain and what came of it last.

    *correction* is the engine's answer about the domain of `sanitized.text`, when that is worth a step of its own.
    """
    steps = [_change(change) for change in sanitized.changes]
    if correction is not None and correction.action is not CorrectionAction.APPLY:
        steps.append(_domain(correction))
    steps.append(_end(sanitized, rules))
    return tuple(steps)


def _change(change: Change) -> Step:
    sentence = f"{rule_sentence(change.rule)}: {_shown(change.before)} -> {_shown(change.after)}"
    return Step(change.rule, change.before, change.after, change.confidence, sentence)


def _domain(correction: Correction) -> Step:
    sentence = f"{correction.domain}: {rule_sentence(correction.rule)}"
    if correction.action is CorrectionAction.SUGGEST:
        others = ", ".join(f"{domain} ({confidence:.2f})" for domain, _, confidence in correction.proposals)
        sentence += f"; near to {others}, below {APPLY_FROM} or not alone, so it is only suggested"
    return Step(correction.rule, correction.domain, correction.domain, correction.confidence, sentence)


def _end(sanitized: Sanitized, rules: SyntaxRules | None) -> Step:
    text, suggestion = sanitized.text, sanitized.suggestion
    parsed = parse_address(text) if rules is None else parse_address(text, rules)
    fault = sanitized.fault or (None if isinstance(parsed, EmailAddress) else parsed)
    if fault is not None:
        sentence = f"not an address: {fault.message}"
    elif sanitized.changes:
        sentence = f"judged as {_shown(text)}"
    else:
        sentence = "nothing to repair"
    if suggestion is not None:
        sentence += f"; {_shown(suggestion)} was probably meant, but that is not sure enough to apply"
    if sanitized.doubt is not None:
        sentence += "; DNS may settle it"
    return Step("end", text, text, 1.0, sentence)


def _shown(text: str) -> str:
    """*text* with everything visible: what cannot be printed is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
