"""`validator dns`: what DNS says about the mail of a domain, as evidence for people."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from validator.cli.exits import Exit
from validator.cli.logs import log_to_stderr

if TYPE_CHECKING:
    from validator.mx.health import ResolverHealth
    from validator.mx.route import MailRoute
    from validator.settings import Settings


def dns_command(
    domains: Annotated[list[str], typer.Argument(help="Domains to look up, or addresses of which the domain counts.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as in `explain.dns`.")] = False,
    zone: Annotated[Path | None, typer.Option("--zone", help="Answer from this zone file; no network.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write every answer to this snapshot.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Answer from this snapshot; no network.")] = None,
    settings_file: Annotated[Path | None, typer.Option("--settings", help="A .env-style settings file.")] = None,
) -> None:
    """Look DOMAINS up and show the evidence. Exit code: 0 all take mail, 1 some do not, 2 usage, 3 could not tell."""
    import time

    from validator.cli.written import refuse_unwritable
    from validator.mx.present import describe_route, is_never_asked
    from validator.mx.route import RouteOutcome
    from validator.settings import load_settings

    refuse_unwritable({"--record": record}, [path for path in (zone, replay, settings_file) if path is not None])
    given = {"dns_zone_file": zone, "dns_record_file": record, "dns_replay_file": replay}
    settings = load_settings(settings_file)
    changes: dict[str, object] = {name: path for name, path in given.items() if path is not None}
    if zone is not None or replay is not None:
        from validator.cli.check_engine import ENDINGS_FOR_TESTS

        changes["special_use_exceptions"] = tuple({*settings.special_use_exceptions, *ENDINGS_FOR_TESTS})
    settings = settings.model_copy(update=changes)
    routes, health = asyncio.run(look_up(settings, [a_labels(text) for text in domains]))
    for route in routes:
        typer.echo(_json(route) if as_json else describe_route(route, time.monotonic()))
    if not as_json and not all(is_never_asked(route) for route in routes):
        typer.echo("asked: " + ", ".join(f"{server.address} ({server.state.value})" for server in health.servers))
    outcomes = {route.outcome for route in routes}
    if RouteOutcome.UNKNOWN in outcomes:
        raise typer.Exit(Exit.UNDECIDED)
    raise typer.Exit(Exit.SOME_NOT if RouteOutcome.NO_MAIL in outcomes else Exit.ALL_VALID)


def a_labels(text: str) -> str:
    """The domain of *text*, an address or a domain, as lower-case A-labels; raises `typer.BadParameter`."""
    from validator.address import SyntaxFault, ascii_domain

    typed = text.rpartition("@")[2].removesuffix(".")  # `dig` and zone files write the final dot
    domain = ascii_domain(typed)
    if isinstance(domain, SyntaxFault):
        raise typer.BadParameter(f"{typed!r}: {domain.message}")
    return domain


async def look_up(settings: Settings, domains: Sequence[str]) -> tuple[list[MailRoute], ResolverHealth]:
    """The routes in the order of *domains*, and how the resolvers are doing afterwards."""
    from validator.mx.resolver import open_resolver
    from validator.reference import load_reference

    log_to_stderr()
    resolver = open_resolver(settings, load_reference(settings.data_dir))
    await resolver.start()
    try:
        timeout_s = settings.dns_timeout_s
        routes = await asyncio.gather(*(resolver.route(domain, timeout_s=timeout_s) for domain in domains))
        return routes, resolver.health()
    finally:
        await resolver.aclose()


def _json(route: MailRoute) -> str:
    import json
    import time

    return json.dumps(route.evidence(time.monotonic()))
