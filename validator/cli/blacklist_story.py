"""`validator blacklist show`: why and since when, with the evidence and what overrides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from validator.blacklist.entry import Kind
from validator.cli.blacklist import SettingsFile, on_list, rule_from, shown
from validator.cli.exits import Exit
from validator.cli.terminal import counted, moment, printable

if TYPE_CHECKING:
    from validator.blacklist.entry import Entry, Event, Hit, Rule
    from validator.blacklist.service import Blacklist

_REPORTS = 10


@dataclass(slots=True)
class _Story:
    entries: list[tuple[Entry, list[Event]]]
    rules: list[Hit] = field(default_factory=list)
    overridden: set[str] = field(default_factory=set)
    reports: Sequence[Mapping[str, Any]] = ()


def show_command(
    value: Annotated[str, typer.Argument(help="Address, domain, host, network, or the number of an entry.")],
    kind: Annotated[Kind | None, typer.Option(help="What it is; told from the value when missing.")] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Why and since when VALUE is on the list, and what led to it. Exit code 1 when it is not."""

    async def find(blacklist: Blacklist) -> _Story:
        if value.isdigit():
            entry, events = await blacklist.entries.get(value)
            if entry.kind is not Kind.ADDRESS or not entry.value:
                return _Story([(entry, events)])
            rule, entries = rule_from(entry.value, Kind.ADDRESS), [(entry, events)]
        else:
            rule = rule_from(value, kind)
            entries = await blacklist.entries.of_rule(rule)
        story = _Story(entries)
        if rule.kind is Kind.ADDRESS:
            await _about_person(blacklist, rule, story)
        return story

    story = on_list(settings_file, find)
    for entry, events in story.entries:
        _tell(entry, events, overridden=entry.id in story.overridden)
    for hit in story.rules:
        since = "" if hit.details is None else f" since {moment(hit.details.since)}"
        typer.echo(
            f"#{hit.entry_id}  {printable(hit.value)}  {hit.kind} on {hit.list}, {hit.cause}{since}"
            + (", overridden by the allow-list" if hit.overridden else ", blocks it as well")
        )
    if story.reports:
        typer.echo("reported:")
    for report in story.reports:
        words = printable(" ".join(str(report["text"]).split()))
        what = f"{report['kind']}, {report['reason']} ({report['disposition']}), by {report['provider']}"
        typer.echo(
            f"  {moment(report['occurred_at'] or report['received_at'])}  {what}" + (f": {words}" if words else "")
        )
    if not story.entries and not story.rules:
        typer.echo("not on the list", err=True)
        raise typer.Exit(Exit.SOME_NOT)


async def _about_person(blacklist: Blacklist, rule: Rule, story: _Story) -> None:
    from validator.address import EmailAddress
    from validator.blacklist.entry import DomainKeys

    local, _, domain = rule.key.rpartition("@")
    address = EmailAddress(local, domain, rule.key)
    lists = tuple({entry.list for entry, _ in story.entries})
    [own] = await blacklist.match_addresses([address], lists)
    [about_domain] = await blacklist.match_domains([DomainKeys(domain)])
    story.overridden = {hit.entry_id for hit in own if hit.overridden}
    story.rules = list(await blacklist.overridden(address, about_domain))
    story.reports = await blacklist.reported(rule.key, limit=_REPORTS)


def _tell(entry: Entry, events: list[Event], *, overridden: bool) -> None:
    but = ", overridden by the allow-list" if overridden else ""
    typer.echo(
        f"#{entry.id}  {printable(shown(entry))}  {entry.kind} on {entry.list}: {entry.state}, {entry.cause}{but}"
    )
    typer.echo(f"  since {moment(entry.created)} UTC, from {printable(entry.source)}, by {printable(entry.actor)}")
    if entry.last_event:
        typer.echo(f"  last event {moment(entry.last_event)}")
    if entry.expires:
        typer.echo(f"  expires {moment(entry.expires)}")
    if entry.note:
        typer.echo(f"  note: {printable(entry.note)}")
    if entry.last_blocked:
        typer.echo(f"  blocked {counted(entry.times_blocked, 'time')}, last {moment(entry.last_blocked)}")
    typer.echo("  history:")
    for event in events:
        why = f": {printable(event.why)}" if event.why else ""
        typer.echo(f"    {moment(event.at)}  {event.action} by {printable(event.actor)}{why}")
