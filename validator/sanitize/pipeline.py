"""The order of repairs: text, script, symbols, domain; each leaves a `Change`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from validator.address import (
    DEFAULT_RULES,
    MAX_INPUT_CHARS,
    EmailAddress,
    FaultCode,
    SyntaxFault,
    SyntaxRules,
    ascii_domain,
    parse_address,
    plain_address,
    unicode_domain,
)
from validator.reference import Reference
from validator.reference.providers import LAST_TARGET_TIER, load_providers
from validator.sanitize import text as cleaning
from validator.sanitize.correction import APPLY_FROM, Correction, CorrectionAction
from validator.sanitize.cyrillic import all_letters_cyrillic, by_key, has_cyrillic
from validator.sanitize.domain import DomainCorrector
from validator.sanitize.endings import is_special_use
from validator.sanitize.escapes import unescape
from validator.sanitize.hosts import clean_domain
from validator.sanitize.ledger import Ledger
from validator.sanitize.readable import Readability
from validator.sanitize.result import DomainDoubt, DomainEvidence, Sanitized
from validator.sanitize.script import decode_labels, reread_domain
from validator.sanitize.script_local import reread_local, struck_as_belarusian
from validator.sanitize.symbols import clean_local, fold_accents, with_plain_digits, without_tag
from validator.verdict import Change

_AT_NEIGHBOURS = "#2\"' ^&*.,;:-"
"""What people hit in place of the @, or put there."""
_MAX_PASSES = 4
_ASCII_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


class Sanitizer:
    """Repairs addresses against one load of the reference data; immutable and safe to share."""

    def __init__(
        self,
        reference: Reference,
        *,
        rules: SyntaxRules = DEFAULT_RULES,
        strip_tags: bool = False,
        guard: Collection[str] = (),
    ) -> None:
        """*guard*: further domains that are never changed, such as the operator's own customers'."""
        self._rules = rules
        self._strip_tags = strip_tags
        self._providers = load_providers(reference)
        slips = {row["typed"]: row["meant"] for row in reference.table("typos").records()}
        neighbours = reference.table("legitimate_neighbours").records()
        kept = {row["domain"] for row in neighbours if row["action"] == "keep"} | {name.lower() for name in guard}
        doubtful = {row["domain"] for row in neighbours if row["action"] == "suggest"}
        self._corrector = DomainCorrector(self._providers, slips, kept, doubtful)
        self._aliases = {row["spelled"]: row["meant"] for row in reference.table("cyrillic_aliases").records()}
        samples = reference.table("name_samples").records()
        self._readability = Readability(
            [row["word"] for row in samples if row["script"] == "cyrillic"],
            [row["word"] for row in samples if row["script"] == "latin"],
        )

    def correct_domain(self, domain: str) -> Correction:
        """Keep, apply or suggest for a lower-case A-label domain; never raises."""
        return self._corrector.correct(domain)

    def sanitize(self, text: str) -> Sanitized:
        """Repair *text* as far as that is safe; never raises for any string, instant beyond `MAX_INPUT_CHARS`."""
        if len(text) > MAX_INPUT_CHARS:
            return Sanitized(text, (), None, None, None)
        current = text
        changes: tuple[Change, ...] = ()
        for _ in range(_MAX_PASSES):
            result = self._once(current)
            if not result.text:
                break
            changes += result.changes
            if result.text == current or result.fault is not None:
                return replace(result, changes=changes)
            current = result.text
        return Sanitized(text, (), None, None, None)

    def with_evidence(self, sanitized: Sanitized, evidence: Mapping[str, DomainEvidence]) -> Sanitized:
        """Settle a doubt: a typed domain that the provider itself serves, or that takes no mail, raises a suggestion.

        A dead domain proves the slip, not what was meant, so it raises only what was nearly sure (`settled_by_dns`): a
        resolver that denies everything must not turn real domains into their neighbours.
        """
        doubt = sanitized.doubt
        if doubt is None or not doubt.proposed:
            return sanitized
        domain, rule, confidence = doubt.proposed[0]
        typed = evidence.get(doubt.typed, DomainEvidence.UNKNOWN)
        dead = typed is DomainEvidence.NO_MAIL and self._corrector.correct(doubt.typed).settled_by_dns
        if not dead and typed is not DomainEvidence.PROVIDER:
            return sanitized
        if evidence.get(domain) is DomainEvidence.NO_MAIL:
            return sanitized
        local = sanitized.text.rpartition("@")[0]
        repaired = parse_address(f"{local}@{domain}", self._rules)
        if not isinstance(repaired, EmailAddress):
            return sanitized
        change = Change(f"{rule}.dns", doubt.typed, domain, max(APPLY_FROM, confidence))
        return Sanitized(repaired.text, (*sanitized.changes, change), None, None, None)

    def _once(self, text: str) -> Sanitized:
        plain = plain_address(text)
        if plain is not None:
            return self._domain(Ledger(text), plain.local, plain.domain, None)
        ledger = Ledger(text)
        ledger.step("text.unescape", unescape)
        ledger.step("text.unicode", cleaning.normalise)
        if len(ledger.text) > MAX_INPUT_CHARS:
            return Sanitized(text, (), None, None, None)
        parted = cleaning.behind_a_line(ledger.text)
        if parted is not None:
            return self._in_doubt(ledger, parted)
        ledger.step("text.invisible", cleaning.drop_invisible)
        self._layout_at(ledger)
        told = cleaning.is_told(ledger.text)
        ledger.step("text.at", cleaning.restore_at)
        ledger.step("text.repetition", cleaning.without_repetition)
        several = cleaning.several_addresses(ledger.text)
        if len(several) > 1:
            return self._several(text, several[0])
        if several:
            ledger.set("text.repetition", several[0])
        ledger.step("text.unwrap", cleaning.unwrap)
        ledger.step("text.repetition", cleaning.without_repetition)
        if "@" not in ledger.text:
            return self._without_at(ledger)
        if ledger.text.count("@") > 1:
            alone = ledger.text.lstrip("@")
            if alone.count("@") == 1:
                return self._in_doubt(ledger, alone)
            name, _, rest = ledger.text.partition("@")
            if not self._corrector.is_known(rest.replace("@", ".").lower()) or "." in rest.rpartition("@")[2]:
                return ledger.result()
            # the key of the @ struck twice: what stands last is no domain, so the sign stands for the dot
            ledger.set("text.domain", f"{name}@{rest.replace('@', '.')}", 0.95)
        local, _, domain = ledger.text.partition("@")
        if domain.startswith("["):
            return ledger.result()
        local = local.strip()
        ledger.set("text.invisible", f"{local}@{domain}")
        if told and " " in local:
            return self._in_doubt(Ledger(text), f"{local.split()[-1]}@{domain}")
        return self._parts(ledger, local, domain)

    def _layout_at(self, ledger: Ledger) -> None:
        """Shift+2 types `"` on the Russian and Ukrainian layouts; read so before quotes are dropped."""
        text = ledger.text.strip()
        if "@" in text or text.count('"') != 1:
            return
        local, _, domain = text.partition('"')
        if not local or not domain or " " in text:
            return
        latin = by_key(domain).lower()
        if has_cyrillic(domain) and self._is_provider(latin):
            ledger.set("cyrillic.at_key", f"{local}@{domain}", 0.93)
        elif not has_cyrillic(text) and self._corrector.is_known(latin):
            ledger.set("text.at_key", f"{local}@{domain}", 0.9)

    def _is_provider(self, domain: str) -> bool:
        if self._corrector.is_known(domain):
            return True
        correction = self._corrector.correct(domain)
        return correction.action is CorrectionAction.APPLY and self._corrector.is_known(correction.target)

    def _several(self, text: str, first: str) -> Sanitized:
        fault = SyntaxFault(FaultCode.TWO_ADDRESSES, "two different addresses in one text")
        alone = self.sanitize(first)
        best = self._judged(alone.text)
        return Sanitized(text, (), best if best != text else alone.suggestion, fault, None)

    def _in_doubt(self, ledger: Ledger, address: str) -> Sanitized:
        """Something stands before or behind a whole address: the text stays, the address is suggested."""
        alone = self.sanitize(address)
        return ledger.result(suggestion=self._judged(alone.text) or alone.suggestion)

    def _without_at(self, ledger: Ledger) -> Sanitized:
        """No @ at all: a big provider at the end is a hint, never more than a suggestion."""
        text = ledger.text.strip()
        if self._corrector.is_known(text.lower()):
            return ledger.result()
        for at in range(1, len(text) - 3):
            domain = text[at:].lower()
            if self._providers.tiers.get(domain, LAST_TARGET_TIER) < LAST_TARGET_TIER:
                local = cleaning.without_at_word(text[:at]).rstrip(_AT_NEIGHBOURS)
                return ledger.result(suggestion=self._judged(f"{local}@{domain}"))
        return ledger.result()

    def _parts(self, ledger: Ledger, local: str, domain: str) -> Sanitized:
        read = clean_domain(domain, self._corrector.is_known)
        if read.hint is not None:
            return self._in_doubt(ledger, f"{local}@{read.hint}")
        cleaned = self._without_strange(read.text)
        ledger.part("text.domain", domain, cleaned)
        domain = cleaned
        suggested_domain = None
        shown = decode_labels(domain)
        if has_cyrillic(shown):
            reread = reread_domain(shown, self._corrector, self._aliases, self._readability)
            if reread.rule is not None:
                ledger.part(reread.rule, domain, reread.text, reread.confidence)
                domain = reread.text
            suggested_domain = reread.suggestion and self._corrector.correct(reread.suggestion).target
        elif not domain.isascii():
            folded = fold_accents(domain).lower()
            if self._is_provider(folded):
                ledger.part("text.accents", domain, folded, 0.93)
                domain = folded
        encoded = ascii_domain(domain)
        asked = encoded if isinstance(encoded, str) else domain.lower()
        suggestions: list[str] = []
        if not self._rules.eai:
            digits = with_plain_digits(local)
            ledger.part("text.unicode", local, digits)
            local = digits
        if has_cyrillic(local) and not (self._rules.eai and all_letters_cyrillic(local) and has_cyrillic(domain)):
            spoken = reread_local(local, self._readability, belarusian=struck_as_belarusian(local, shown, domain))
            if spoken.rule is not None:
                ledger.part(spoken.rule, local, spoken.text, spoken.confidence)
                local = spoken.text
            elif spoken.suggestion is not None:
                suggestions.append(spoken.suggestion)
        # the provider that counts is the one that the domain will be repaired to
        correction = self._corrector.correct(asked) if asked.isascii() else None
        final = correction.target if correction is not None and correction.action is CorrectionAction.APPLY else asked
        provider = self._providers.get(final)
        cleaned_local = clean_local(local, refused=partial(self._providers.known_to_refuse, final), rules=self._rules)
        if cleaned_local.text != local:
            ledger.part("symbols.removed", local, cleaned_local.text, 0.95)
            local = cleaned_local.text
        if cleaned_local.suggestion is not None:
            suggestions.append(cleaned_local.suggestion)
        if provider is not None and not provider.dots_matter and ".." in local:
            suggestions.append(".".join(part for part in local.split(".") if part))
        shown = unicode_domain(encoded) if isinstance(encoded, str) and not domain.isascii() else asked
        return self._domain(ledger, local, asked, shown, suggestions, suggested_domain)

    def _without_strange(self, domain: str) -> str:
        """Without characters that no host name has: the owner's four always, others when a provider is left."""
        if domain.isascii() and domain.isalnum():
            return domain
        kept = "".join(char for char in domain if char not in '!?#$"')
        bare = "".join(char for char in kept if not char.isascii() or char.lower() in _ASCII_HOST)
        if bare != kept and self._is_provider(bare.lower()):
            return bare
        return kept or domain

    def _domain(
        self,
        ledger: Ledger,
        local: str,
        domain: str,
        shown: str | None,
        locals_suggested: Collection[str] = (),
        domain_suggested: str | None = None,
    ) -> Sanitized:
        """The last stage: correct the domain, strip the tag where that is asked for, put the whole together."""
        correction = self._corrector.correct(domain)
        shown = shown or domain
        if correction.action is CorrectionAction.APPLY:
            ledger.part(correction.rule, domain, correction.target, correction.confidence)
            domain = shown = correction.target
        provider = self._providers.get(domain)
        if self._strip_tags and "+" in local and provider is not None and provider.plus_tags:
            bare = without_tag(local)
            ledger.part("symbols.tag", local, bare, 1.0)
            local = bare
        ledger.text = f"{local}@{shown}"
        parsed = parse_address(ledger.text, self._rules)
        if isinstance(parsed, EmailAddress):
            ledger.text = parsed.text
        suggestion, doubt = None, None
        better = next(iter(locals_suggested), local)
        wanted = correction.target if correction.action is CorrectionAction.SUGGEST else domain_suggested or shown
        if better != local or wanted != shown:
            suggestion = self._judged(f"{better}@{wanted}")
        if suggestion is None and better != local:
            suggestion = self._judged(f"{better}@{shown}")
        if correction.action is CorrectionAction.SUGGEST and correction.asks_dns and isinstance(parsed, EmailAddress):
            doubt = DomainDoubt(parsed.domain, correction.proposals)
        return ledger.result(suggestion=suggestion, doubt=doubt)

    def _judged(self, text: str) -> str | None:
        """*text* when it is an address that may be suggested, else None."""
        parsed = parse_address(text, self._rules)
        if isinstance(parsed, EmailAddress) and not is_special_use(parsed.domain):
            return parsed.text
        return None
