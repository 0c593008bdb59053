"""The decision: facts in, one outcome per reason out, the first failing one wins. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from validator.blacklist.entry import Hit, Kind
from validator.mx.route import RouteOutcome
from validator.recipient import DomainRule, LocalRule, RecipientClass
from validator.verdict import Finding, Outcome, Reason, Status

REASONS = tuple(Reason)


def decide(route: RouteOutcome, *, application: bool, system: bool, hits: Iterable[Hit]) -> tuple[Outcome, ...]:
    """One outcome per reason, in order of precedence, for something that is an address (so `invalid` has passed).

    An overridden hit is shown but does not decide. A hit on a host or its address is certain whatever else DNS said;
    without a hit, what DNS could not tell leaves both questions open.
    """
    address_or_domain = host = ip = False
    for hit in hits:
        if hit.overridden:
            continue
        if hit.kind is Kind.MX_HOST:
            host = True
        elif hit.kind is Kind.MX_IP:
            ip = True
        else:
            address_or_domain = True
    mx = silent = Outcome.PASSED
    if route is RouteOutcome.NO_MAIL:
        mx, silent = Outcome.FAILED, Outcome.SKIPPED
    elif route is RouteOutcome.UNKNOWN:
        mx = silent = Outcome.UNKNOWN
    return (
        Outcome.PASSED,
        mx,
        Outcome.FAILED if application else Outcome.PASSED,
        Outcome.FAILED if system else Outcome.PASSED,
        Outcome.FAILED if address_or_domain else Outcome.PASSED,
        Outcome.FAILED if host else silent,
        Outcome.FAILED if ip else silent,
    )


def first_failed(outcomes: Sequence[Outcome]) -> Reason | None:
    """The reason of highest precedence that is certain; None when none is."""
    if Outcome.FAILED not in outcomes:
        return None
    return REASONS[outcomes.index(Outcome.FAILED)]


def status_of(outcomes: Sequence[Outcome]) -> Status:
    """`invalid` when a reason is certain, else `unknown` when a question stayed open, else `valid`."""
    if Outcome.FAILED in outcomes:
        return Status.INVALID
    return Status.UNKNOWN if Outcome.UNKNOWN in outcomes else Status.VALID


@dataclass(frozen=True, slots=True, eq=False)
class RouteVerdict:
    """The verdict on a person's address about which nothing is known but the route of its domain."""

    reason: Reason | None
    """`mx_record`, or null."""
    status: Status
    """In one word."""


def verdicts_of_routes() -> dict[RouteOutcome, RouteVerdict]:
    """What `decide` says for each outcome of a route when nothing else speaks against the address."""
    found = {}
    for route in RouteOutcome:
        outcomes = decide(route, application=False, system=False, hits=())
        found[route] = RouteVerdict(first_failed(outcomes), status_of(outcomes))
    return found


def findings_of_fault(detail: str) -> tuple[Finding, ...]:
    """The findings of a text that is no address: nothing else was asked."""
    return (
        Finding(Reason.INVALID, Outcome.FAILED, detail),
        *(Finding(reason, Outcome.SKIPPED, "not an address") for reason in REASONS[1:]),
    )


def findings_of(
    outcomes: Sequence[Outcome],
    *,
    route_finding: str,
    domain_rule: DomainRule | None,
    local_rule: LocalRule | None,
    hits: Sequence[Hit],
) -> tuple[Finding, ...]:
    """One finding per reason, in order of precedence, with words for people."""
    system = local_rule is not None and local_rule.recipient is RecipientClass.SYSTEM
    details = (
        "an acceptable address",
        route_finding,
        domain_rule.what if domain_rule is not None else "no application rule",
        local_rule.what if system and local_rule is not None else "no system rule",
        _entries(hits, Kind.ADDRESS, Kind.DOMAIN),
        _entries(hits, Kind.MX_HOST),
        _entries(hits, Kind.MX_IP),
    )
    return tuple(
        Finding(reason, outcome, detail) for reason, outcome, detail in zip(REASONS, outcomes, details, strict=True)
    )


def entry_evidence(hit: Hit) -> dict[str, object]:
    """A matching blacklist entry, with its details, for `explain`; the value only where it is not an address."""
    details = hit.details
    assert details is not None
    return {
        "id": hit.entry_id,
        "kind": hit.kind.value,
        "value": None if hit.kind is Kind.ADDRESS else hit.value,
        "cause": hit.cause.value,
        "list": hit.list,
        "source": details.source,
        "since": details.since.isoformat(),
        "last_event": details.last_event.isoformat() if details.last_event else None,
        "expires": details.expires.isoformat() if details.expires else None,
        "overridden": hit.overridden,
    }


def _entries(hits: Sequence[Hit], *kinds: Kind) -> str:
    found = [hit for hit in hits if hit.kind in kinds]
    if not found:
        return "no entry"
    return ", ".join(
        f"entry {hit.entry_id} ({hit.cause.value}{', overridden' if hit.overridden else ''})" for hit in found[:5]
    )
