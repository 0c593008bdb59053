"""`/blacklist`: one resource. Add, show, search, look up, change, archive, remove, restore."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from validator.address import EmailAddress, SyntaxFault, ascii_domain
from validator.blacklist.entry import DomainKeys, Hit, Kind, NewEntry, Rule, RuleFault
from validator.blacklist.filter import Filter
from validator.blacklist.keys import address_rule, parse_rule
from validator.blacklist.results import KEEP, Recorded
from validator.blacklist.service import Blacklist
from validator.errors import Complaint, NotFound, RequestRefused
from validator.server.app_keys import ACTOR, RUNTIME
from validator.server.blacklist_models import (
    AddRequest,
    EditRequest,
    EntryPage,
    FilterModel,
    LookupKey,
    LookupRequest,
    LookupResponse,
    SearchQuery,
    WhyQuery,
    WhyRequest,
)
from validator.server.bodies import json_response, read_body, read_model, read_query, validate_json
from validator.server.entry_models import (
    EVIDENCE_EVENTS,
    AddressDetail,
    EntryDetail,
    EntryModel,
    detail_document,
    entry_document,
    hit_document,
)
from validator.server.routes import Answer, Param, ParamPlace, Route, Scope

MAX_ENTRY_BODY_BYTES = 16 * 1024
MAX_LOOKUP_BODY_BYTES = 1024 * 1024


def blacklist_of(request: web.Request) -> Blacklist:
    """The blacklist of the running service."""
    return request.app[RUNTIME].blacklist


def actor_of(request: web.Request) -> str:
    """Who asks, for the history."""
    return str(request.get(ACTOR, "local"))


def rule_of(value: str, kind: Kind | None, *, below: bool = False, pointer: str = "/value") -> Rule:
    """A value as a rule; raises `RequestRefused` that points at it."""
    rule = parse_rule(value, kind, below=below)
    if isinstance(rule, RuleFault):
        raise RequestRefused("the value is no address, domain, host or network", [Complaint(pointer, rule.message)])
    return rule


async def wanted_of(request: web.Request, query: FilterModel, *, where: str = "/query") -> Filter:
    """A filter as the store understands it; raises `RequestRefused` for what cannot be meant, below *where*."""
    domain = None
    if query.domain is not None:
        found = ascii_domain(query.domain.removeprefix("@"))
        if isinstance(found, SyntaxFault):
            raise RequestRefused("the domain is none", [Complaint(f"{where}/domain", found.message)])
        domain = found
    if query.list:
        await blacklist_of(request).require_lists(query.list, pointer=f"{where}/list")
    return query.wanted(domain)


async def why_of(request: web.Request) -> str:
    """The reason given in the body, if there is one, or in the query."""
    asked = read_query(request, WhyQuery)
    if request.body_exists:
        raw = await read_body(request, MAX_ENTRY_BODY_BYTES)
        if raw.strip():
            return validate_json(raw, WhyRequest).why or asked.why
    return asked.why


async def post_entry(request: web.Request) -> web.StreamResponse:
    """Make an entry, or add to the one that is there."""
    asked = await read_model(request, AddRequest, MAX_ENTRY_BODY_BYTES)
    new = NewEntry(
        rule_of(asked.value, asked.kind, below=asked.below),
        asked.cause,
        asked.source.strip() or "api",
        list=asked.list,
        note=asked.note,
        created=asked.created,
        last_event=asked.last_event,
        expires=asked.expires,
    )
    entries = blacklist_of(request).entries
    [(entry, outcome)] = await entries.add([new], actor=actor_of(request), force=asked.force)
    headers = {"Location": f"/blacklist/{entry.id}"}
    status = 201 if outcome in {Recorded.ADDED, Recorded.REVIVED} else 200
    return json_response(entry_document(entry, _now()), status=status, headers=headers)


async def get_entries(request: web.Request) -> web.StreamResponse:
    """One page of what a filter finds."""
    query = read_query(request, SearchQuery)
    entries = blacklist_of(request).entries
    found = await entries.search(await wanted_of(request, query), limit=query.limit, cursor=query.cursor)
    now = _now()
    return json_response({"entries": [entry_document(entry, now) for entry in found.entries], "cursor": found.cursor})


async def get_entry(request: web.Request) -> web.StreamResponse:
    """One entry with its history and evidence."""
    blacklist = blacklist_of(request)
    entry, events = await blacklist.entries.get(request.match_info["id"])
    is_person = entry.kind is Kind.ADDRESS and bool(entry.value)
    reported = await blacklist.reported(entry.key, limit=EVIDENCE_EVENTS) if is_person else ()
    return json_response(detail_document(entry, events, reported, _now()))


async def get_address(request: web.Request) -> web.StreamResponse:
    """Why and since when an address is on the list."""
    blacklist = blacklist_of(request)
    rule = address_rule(request.match_info["address"])
    if isinstance(rule, RuleFault):
        raise NotFound("nothing is known about this address")
    found = await blacklist.entries.of_rule(rule)
    hits = await _hits(blacklist, rule, ())
    if not found and not hits:
        raise NotFound("nothing is known about this address")
    now = _now()
    reported = await blacklist.reported(rule.key, limit=EVIDENCE_EVENTS)
    body = {
        "address": rule.key,
        "blocked": any(not hit.overridden for hit in hits),
        "entries": [detail_document(entry, events, reported if entry.value else (), now) for entry, events in found],
        "rules": [hit_document(hit) for hit in hits if hit.kind is not Kind.ADDRESS],
    }
    return json_response(body)


async def patch_entry(request: web.Request) -> web.StreamResponse:
    """Change note or expiry."""
    identifier = request.match_info["id"]
    asked = await read_model(request, EditRequest, MAX_ENTRY_BODY_BYTES)
    given = asked.model_fields_set
    entry = await blacklist_of(request).entries.edit(
        identifier,
        actor=actor_of(request),
        note=(asked.note or "") if "note" in given else KEEP,
        expires=asked.expires if "expires" in given else KEEP,
        why=asked.why,
    )
    return json_response(entry_document(entry, _now()))


async def delete_entry(request: web.Request) -> web.StreamResponse:
    """Have an entry block no more."""
    identifier = request.match_info["id"]
    why = await why_of(request)
    entry = await blacklist_of(request).entries.remove(identifier, actor=actor_of(request), why=why)
    return json_response(entry_document(entry, _now()))


async def restore_entry(request: web.Request) -> web.StreamResponse:
    """Bring an entry back with the cause and date it had."""
    identifier = request.match_info["id"]
    why = await why_of(request)
    entry = await blacklist_of(request).entries.restore(identifier, actor=actor_of(request), why=why)
    return json_response(entry_document(entry, _now()))


async def archive_entry(request: web.Request) -> web.StreamResponse:
    """Hide an entry; it blocks all the same."""
    identifier = request.match_info["id"]
    why = await why_of(request)
    entry = await blacklist_of(request).entries.archive(identifier, actor=actor_of(request), why=why)
    return json_response(entry_document(entry, _now()))


async def post_lookup(request: web.Request) -> web.StreamResponse:
    """What matches each of up to 1,000 keys."""
    asked = await read_model(request, LookupRequest, MAX_LOOKUP_BODY_BYTES)
    blacklist = blacklist_of(request)
    await blacklist.require_lists(asked.lists)
    keys = [key if isinstance(key, LookupKey) else LookupKey(value=key) for key in asked.keys]
    rules = [parse_rule(key.value, key.kind) for key in keys]
    matched = await _hits_of_many(blacklist, [rule for rule in rules if isinstance(rule, Rule)], tuple(asked.lists))
    results: list[dict[str, object]] = []
    for rule in rules:
        if isinstance(rule, RuleFault):
            results.append({"blocked": None, "entries": [], "fault": rule.message})
            continue
        hits = matched[rule]
        documents = [hit_document(hit) for hit in hits]
        results.append({"blocked": any(not hit.overridden for hit in hits), "entries": documents, "fault": None})
    return json_response({"results": results})


async def _hits(blacklist: Blacklist, rule: Rule, lists: tuple[str, ...]) -> tuple[Hit, ...]:
    return (await _hits_of_many(blacklist, [rule], lists))[rule]


async def _hits_of_many(blacklist: Blacklist, rules: list[Rule], lists: tuple[str, ...]) -> dict[Rule, tuple[Hit, ...]]:
    """What matches each rule's value; an address also by its domain. Two queries however many there are."""
    addresses = {rule: parsed for rule in rules if (parsed := _address(rule)) is not None}
    by_address = dict(zip(addresses, await blacklist.match_addresses(list(addresses.values()), lists), strict=True))
    distinct = list(dict.fromkeys(rules))
    by_domain = await blacklist.match_domains([_keys(rule) for rule in distinct], lists)
    found = {}
    for rule, hits in zip(distinct, by_domain, strict=True):
        parsed = addresses.get(rule)
        more = hits if parsed is None else await blacklist.overridden(parsed, hits)
        found[rule] = tuple(sorted((*by_address.get(rule, ()), *more), key=lambda hit: hit.overridden))
    return found


def _address(rule: Rule) -> EmailAddress | None:
    if rule.kind is not Kind.ADDRESS:
        return None
    local, _, domain = rule.key.rpartition("@")
    return EmailAddress(local, domain, rule.key)


def _keys(rule: Rule) -> DomainKeys:
    match rule.kind:
        case Kind.ADDRESS:
            return DomainKeys(rule.key.rpartition("@")[2])
        case Kind.DOMAIN:
            return DomainKeys(rule.key)
        case Kind.MX_HOST:
            return DomainKeys("", (rule.key,))
        case Kind.MX_IP:
            return DomainKeys("", (), (rule.key.partition("/")[0],))


def _now() -> datetime:
    return datetime.now(UTC)


ID = Param("id", ParamPlace.PATH, "Identifier of the entry.", pattern=r"^[0-9]{1,18}$")
_READ, _WRITE = Scope.BLACKLIST_READ, Scope.BLACKLIST_WRITE

ROUTES = (
    Route(
        "POST", "/blacklist", post_entry, "Enter an address, domain, mail host or network", "blacklist", _WRITE,
        {
            201: Answer("It is there now.", EntryModel, {"Location": "The entry."}),
            200: Answer("It was there already; its cause may be heavier now.", EntryModel, {"Location": "The entry."}),
        },
        body=AddRequest, max_body_bytes=MAX_ENTRY_BODY_BYTES,
        examples={"an address": {"value": "jane@example.com", "cause": "complaint"},
                  "a network": {"value": "192.0.2.0/24", "note": "spam house"}},
        description="A rule that would hit a known provider, a public suffix or too wide a network needs `force`.",
    ),
    Route(
        "GET", "/blacklist", get_entries, "Search", "blacklist", _READ,
        {200: Answer("One page, newest first.", EntryPage)}, query=SearchQuery, problems=(404,),
    ),
    Route(
        "POST", "/blacklist/lookup", post_lookup, "Look up to 1,000 keys up", "blacklist", _READ,
        {200: Answer("Same length and order.", LookupResponse)}, problems=(404,),
        body=LookupRequest, max_body_bytes=MAX_LOOKUP_BODY_BYTES, examples={"one": {"keys": ["jane@example.com"]}},
    ),
    Route(
        "GET", "/blacklist/address/{address}", get_address, "Why and since when is this address on it?", "blacklist",
        _READ, {200: Answer("Its entries with history and evidence, and what blocks its domain.", AddressDetail)},
        params=(Param("address", ParamPlace.PATH, "The whole address."),),
    ),
    Route(
        "GET", "/blacklist/{id}", get_entry, "One entry, why and since when", "blacklist", _READ,
        {200: Answer("The entry with history and evidence.", EntryDetail)}, params=(ID,),
    ),
    Route(
        "PATCH", "/blacklist/{id}", patch_entry, "Change note or expiry", "blacklist", _WRITE,
        {200: Answer("The entry as it is now.", EntryModel)}, body=EditRequest, max_body_bytes=MAX_ENTRY_BODY_BYTES,
        params=(ID,), examples={"note": {"note": "asked twice"}},
    ),
    Route(
        "DELETE", "/blacklist/{id}", delete_entry, "Remove: it blocks no more", "blacklist", _WRITE,
        {200: Answer("The entry, remembered as removed.", EntryModel)}, query=WhyQuery, params=(ID,), problems=(409,),
        max_body_bytes=MAX_ENTRY_BODY_BYTES,
        description="Nothing is deleted: who, when and why stay, and `restore` brings it back.",
    ),
    Route(
        "POST", "/blacklist/{id}/restore", restore_entry, "Restore with its first cause and date", "blacklist", _WRITE,
        {200: Answer("The entry, active.", EntryModel)}, query=WhyQuery, params=(ID,), problems=(409,),
        max_body_bytes=MAX_ENTRY_BODY_BYTES,
    ),
    Route(
        "POST", "/blacklist/{id}/archive", archive_entry, "Archive: hidden, blocks all the same", "blacklist", _WRITE,
        {200: Answer("The entry, archived.", EntryModel)}, query=WhyQuery, params=(ID,), problems=(409,),
        max_body_bytes=MAX_ENTRY_BODY_BYTES,
    ),
)  # fmt: skip
