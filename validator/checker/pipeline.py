"""One check from top to bottom: sanitize, parse, ask about the domain, ask the blacklist, decide.

The only place that knows the order of the stages. Facts are fetched, then judged. A hot check is a parse, one
dictionary look-up and one blacklist look-up.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from validator import metrics
from validator.address import (
    DEFAULT_RULES,
    MAX_INPUT_CHARS,
    EmailAddress,
    FaultCode,
    SyntaxFault,
    SyntaxRules,
    parse_address,
    plain_address,
)
from validator.blacklist.entry import Hit
from validator.checker.facts import BlacklistReader, DomainFacts, DomainKnowledge, MailResolver, keys_of
from validator.checker.judge import (
    REASONS,
    RouteVerdict,
    decide,
    entry_evidence,
    findings_of,
    findings_of_fault,
    first_failed,
    status_of,
)
from validator.mx.route import MailRoute, RouteOutcome
from validator.recipient import DomainRule, LocalRule, RecipientClass, Recipients
from validator.reference.providers import Provider, Providers
from validator.sanitize import DomainEvidence, Sanitized, Sanitizer
from validator.verdict import Change, Explanation, Outcome, Reason, Status, Verdict

Evidence = Callable[[str], Awaitable[Mapping[str, object]]]
"""Address -> JSON-ready evidence by name; empty when there is none."""
BLACKLIST_REASONS = frozenset({Reason.BLACKLISTED, Reason.MX_RECORD_BLACKLISTED, Reason.MX_IP_BLACKLISTED})
"""Reasons that come from an entry of the list."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What the caller asks for."""

    sanitize: bool = True
    """Repair before judging; without, the raw text is judged and repairs become the suggestion."""
    explain: bool = False
    """Return the evidence."""
    lists: tuple[str, ...] = ()
    """Named exclusion lists that apply besides `default`."""

    @property
    def asks_little(self) -> bool:
        """Neither evidence nor further lists."""
        return not self.explain and not self.lists


DEFAULT_OPTIONS = CheckOptions()
_new = tuple.__new__


@dataclass(slots=True)
class Prepared:
    """A text after the stages that judge nothing yet: what will be judged, and what was done to it."""

    orig: str
    """As it was sent."""
    text: str
    """As it is judged."""
    parsed: EmailAddress | SyntaxFault
    """The text as an address, or why it is none."""
    changes: tuple[Change, ...] = ()
    """Repairs that were applied."""
    suggestion: str | None = None
    """A repair that was not."""


class CheckPipeline:
    """The stages, put together; safe for any number of checks at once in one event loop."""

    def __init__(
        self,
        *,
        sanitizer: Sanitizer,
        recipients: Recipients,
        providers: Providers,
        resolver: MailResolver,
        blacklist: BlacklistReader,
        rules: SyntaxRules = DEFAULT_RULES,
        strip_tags: bool = False,
        dns_timeout_s: float = 2.5,
        relays_are_application: bool = False,
        disposable: Collection[str] = frozenset(),
    ) -> None:
        self._resolver = resolver
        self._blacklist = blacklist
        self._syntax = rules
        self._strip_tags = strip_tags
        self._dns_timeout_s = dns_timeout_s
        self._relays_are_application = relays_are_application
        self._disposable = disposable
        self.evidence: Evidence | None = None
        """Further evidence of an address for `explain`; set by whoever has some."""
        self._sanitizer = sanitizer
        self._recipients = recipients
        self._providers = providers
        self._knowledge = DomainKnowledge(
            sanitizer=sanitizer,
            recipients=recipients,
            providers=providers,
            resolver=resolver,
            blacklist=blacklist,
        )

    async def check(self, text: str, options: CheckOptions = DEFAULT_OPTIONS) -> Verdict:
        """Judge one text. Never raises for bad input or DNS trouble; raises `StorageUnavailable` and `UnknownList`."""
        if options.lists:
            await self._blacklist.require_lists(options.lists)
        plain = plain_address(text)
        if plain is not None and self._needs_no_repair(plain):
            facts = self._knowledge.fresh(plain.domain)
            if facts is None:
                facts = await self._knowledge.learn_kept(plain.domain, self._dns_timeout_s)
            if (
                facts.alone is not None
                and (options is DEFAULT_OPTIONS or options.asks_little)
                and self._is_person(plain)
            ):
                return await self._check_plain(plain, facts, facts.alone)
            prepared = Prepared(text, text, plain)
        else:
            deadline = time.monotonic() + self._dns_timeout_s
            sanitized = self._sanitize(text)
            if sanitized.doubt is not None:
                sanitized = await self._settle(sanitized, deadline)
            prepared = self._parse(text, sanitized, options)
            if isinstance(prepared.parsed, SyntaxFault):
                return self._reject(prepared, prepared.parsed, options)
            remaining_s = max(0.0, deadline - time.monotonic())
            facts = (await self._knowledge.learn((prepared.parsed.domain,), remaining_s))[0]
        address = prepared.parsed
        assert isinstance(address, EmailAddress)
        hits = (await self._blacklist.match_addresses((address,), options.lists, details=options.explain))[0]
        if options.lists:
            hits += (await self._list_hits([facts], options.lists))[0]
        if facts.hits:
            hits += await self._blacklist.overridden(address, facts.hits)
        verdict = self._judge(prepared, address, facts, hits, options)
        return verdict if verdict.explain is None else await self._with_evidence(verdict, verdict.explain)

    async def _check_plain(self, address: EmailAddress, facts: DomainFacts, alone: RouteVerdict) -> Verdict:
        """What most checks come to: only the route of the domain, or an entry for the address, speaks about it."""
        (hits,) = await self._blacklist.match_addresses((address,), details=False)
        text = address.text
        if hits:
            return self._judge(Prepared(text, text, address), address, facts, hits, DEFAULT_OPTIONS)
        status, reason, provider = alone.status, alone.reason, facts.provider
        vendor, trusted = (None, False) if provider is None else (provider.vendor, provider.trusted)
        COUNTERS[status, reason].count += 1
        # what Verdict(...) does, at half the price
        return _new(Verdict, (text, reason is None, text, reason, status, None, None, address.domain, vendor, trusted))

    async def _with_evidence(self, verdict: Verdict, explain: Explanation) -> Verdict:
        """The verdict with what other rooms know of the address; it decides nothing."""
        extra = await self.evidence(verdict.email) if self.evidence is not None else None
        return verdict._replace(explain=replace(explain, extra=extra)) if extra else verdict

    # --- text -> address ---------------------------------------------------------------------------------------------

    def _needs_no_repair(self, plain: EmailAddress) -> bool:
        """Sanitizing a plain address can only change its domain, or strip a tag (or suggest to)."""
        return self._knowledge.is_kept(plain.domain) and not (self._strip_tags and "+" in plain.local)

    def _sanitize(self, text: str) -> Sanitized:
        if len(text) > MAX_INPUT_CHARS:
            fault = SyntaxFault(FaultCode.TOO_LONG, f"longer than {MAX_INPUT_CHARS} characters")
            return Sanitized(text, (), None, fault, None)
        return self._sanitizer.sanitize(text)

    def _parse(self, text: str, sanitized: Sanitized, options: CheckOptions) -> Prepared:
        if not options.sanitize:
            return Prepared(text, text, parse_address(text, self._syntax), (), self._unapplied(text, sanitized))
        if sanitized.fault is not None:
            return Prepared(text, sanitized.text, sanitized.fault, sanitized.changes, sanitized.suggestion)
        parsed = parse_address(sanitized.text, self._syntax)
        shown = sanitized.text if isinstance(parsed, SyntaxFault) else parsed.text
        return Prepared(text, shown, parsed, sanitized.changes, sanitized.suggestion)

    def _unapplied(self, text: str, sanitized: Sanitized) -> str | None:
        """With `sanitize: false`, what would have been repaired is the suggestion."""
        if sanitized.changes and sanitized.fault is None:
            repaired = parse_address(sanitized.text, self._syntax)
            if isinstance(repaired, EmailAddress) and repaired.text != text:
                return repaired.text
        return sanitized.suggestion if sanitized.suggestion != text else None

    async def _settle(self, sanitized: Sanitized, deadline: float) -> Sanitized:
        """Let DNS settle a middling repair: what it says of the typed domain and of those proposed for it."""
        doubt = sanitized.doubt
        assert doubt is not None
        proposed = [domain for domain, _, _ in doubt.proposed[:3]]
        names = list(dict.fromkeys([doubt.typed, *proposed]))
        routes = await self._knowledge.routes(names, max(0.0, deadline - time.monotonic()))
        evidence: dict[str, DomainEvidence] = {route.domain: _evidence_of(route) for route in routes}
        if _is_served_by(routes[0], self._providers.get(proposed[0])):
            evidence[doubt.typed] = DomainEvidence.PROVIDER
        return self._sanitizer.with_evidence(sanitized, evidence)

    # --- facts -> verdict --------------------------------------------------------------------------------------------

    async def _list_hits(self, facts: Sequence[DomainFacts], lists: Collection[str]) -> list[tuple[Hit, ...]]:
        """Hits on named lists only; the default list's are among the facts."""
        matched = await self._blacklist.match_domains([keys_of(item.route) for item in facts], lists)
        return [tuple(hit for hit in hits if hit.list in lists) for hits in matched]

    def _judge(
        self,
        prepared: Prepared,
        address: EmailAddress,
        facts: DomainFacts,
        hits: tuple[Hit, ...],
        options: CheckOptions,
    ) -> Verdict:
        domain_rule = next((rule for rule in facts.rules if rule.matches(address.local)), None) if facts.rules else None
        local_rule = self._recipients.local_rule(address.local)
        outcomes = decide(
            facts.route.outcome,
            application=domain_rule is not None and self._is_application(domain_rule),
            system=local_rule is not None and local_rule.recipient is RecipientClass.SYSTEM,
            hits=hits,
        )
        reason = first_failed(outcomes)
        if reason in BLACKLIST_REASONS:
            self._blacklist.note_blocked(hits)
        provider = facts.provider
        return _counted(
            Verdict(
                orig=prepared.orig,
                valid=reason is None,
                email=prepared.text,
                reason=reason,
                status=status_of(outcomes),
                suggestion=prepared.suggestion,
                explain=(
                    self._explain(prepared, facts, hits, outcomes, domain_rule, local_rule) if options.explain else None
                ),
                domain=address.domain,
                vendor=provider.vendor if provider is not None else None,
                trusted=provider.trusted if provider is not None else False,
            ),
            prepared.changes,
        )

    def _is_person(self, address: EmailAddress) -> bool:
        """Nothing about the local part says that a machine or nobody reads it."""
        rule = self._recipients.local_rule(address.local)
        return rule is None or rule.recipient is not RecipientClass.SYSTEM

    def _is_application(self, rule: DomainRule) -> bool:
        return rule.recipient is RecipientClass.APPLICATION or self._relays_are_application

    def _reject(self, prepared: Prepared, fault: SyntaxFault, options: CheckOptions) -> Verdict:
        explain = None
        if options.explain:
            findings = findings_of_fault(f"{fault.code}: {fault.message}")
            explain = Explanation(prepared.changes, findings, None, None, (), ())
        return _counted(
            Verdict(
                orig=prepared.orig,
                valid=False,
                email=prepared.text,
                reason=Reason.INVALID,
                status=Status.INVALID,
                suggestion=prepared.suggestion,
                explain=explain,
            ),
            prepared.changes,
        )

    def _explain(
        self,
        prepared: Prepared,
        facts: DomainFacts,
        hits: Sequence[Hit],
        outcomes: Sequence[Outcome],
        domain_rule: DomainRule | None,
        local_rule: LocalRule | None,
    ) -> Explanation:
        flags = []
        if local_rule is not None and local_rule.recipient is RecipientClass.ROLE:
            flags.append("role")
        if domain_rule is not None and domain_rule.recipient is RecipientClass.RELAY:
            flags.append("relay")
        if facts.route.domain in self._disposable:
            flags.append("disposable")
        provider = facts.provider
        return Explanation(
            changes=prepared.changes,
            findings=findings_of(
                outcomes,
                route_finding=facts.route.finding.value,
                domain_rule=domain_rule,
                local_rule=local_rule,
                hits=hits,
            ),
            dns=facts.route.evidence(time.monotonic()),
            provider=None if provider is None else {"vendor": provider.vendor, "trusted": provider.trusted},
            flags=tuple(flags),
            entries=tuple(entry_evidence(hit) for hit in hits),
        )


COUNTERS = {
    (status, reason): metrics.tally(metrics.CHECKS.labels(status.value, "" if reason is None else reason.value))
    for status, reason in (
        (Status.VALID, None),
        (Status.UNKNOWN, None),
        *((Status.INVALID, reason) for reason in REASONS),
    )
}
"""Plain numbers behind the counter of checks, by what they came to."""


def _counted(verdict: Verdict, changes: Iterable[Change]) -> Verdict:
    COUNTERS[verdict.status, verdict.reason].count += 1
    if verdict.suggestion is not None:
        metrics.SUGGESTIONS.inc()
    for change in changes:
        metrics.REPAIRS.labels(change.rule.partition(".")[0]).inc()
    return verdict


def _evidence_of(route: MailRoute) -> DomainEvidence:
    if route.outcome is RouteOutcome.DELIVERABLE:
        return DomainEvidence.TAKES_MAIL
    return DomainEvidence.NO_MAIL if route.outcome is RouteOutcome.NO_MAIL else DomainEvidence.UNKNOWN


def _is_served_by(route: MailRoute, provider: Provider | None) -> bool:
    """Every mail host of the route serves the provider's own domains alone (a defensive registration)."""
    return provider is not None and bool(route.hosts) and all(provider.owns_host(host.name) for host in route.hosts)
