"""`validator keys`: make, list and revoke keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from validator.cli.store import tell_of_new_store
from validator.cli.terminal import table

if TYPE_CHECKING:
    from validator.keys import KeyRecord, KeyRing

app = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True, rich_markup_mode=None)
Result = TypeVar("Result")
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="A .env-style file of VALIDATOR_* settings.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; the actor in history.")],
    scope: Annotated[list[str], typer.Option("--scope", "-s", help="What it may do; `*` for everything.")] = [  # noqa: B006
        "check"
    ],
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days after which it stops working.")
    ] = None,
    settings_file: SettingsFile = None,
) -> None:
    """Make a key. It is printed once, on standard output, and stored only as a digest."""
    from validator.keys.key import parse_scopes

    scopes = parse_scopes(word for item in scope for word in item.replace(",", " ").split())
    expires = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    text, record = _with_ring(lambda ring: ring.create(name, scopes, expires=expires), settings_file)
    typer.echo(f"id {record.id}, scopes {', '.join(sorted(record.scopes))}. The key, shown only now:", err=True)
    typer.echo(text)


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Show every key there is or was; never its secret."""
    import orjson

    rows = [_row(record) for record in _with_ring(_all, settings_file)]
    if as_json:
        for row in rows:
            typer.echo(orjson.dumps(row))
        return
    titles = ("id", "name", "state", "scopes", "created", "expires", "revoked")
    days = {"created", "expires", "revoked"}
    table(
        titles,
        [[(row[title] or "")[: 10 if title in days else None] for title in titles] for row in rows],
        always=("id", "name", "state", "scopes", "created"),
    )


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `keys list` shows it.")], settings_file: SettingsFile = None
) -> None:
    """Make a key useless, everywhere within five seconds."""
    _with_ring(lambda ring: ring.revoke(key_id), settings_file)
    typer.echo("revoked", err=True)


async def _all(ring: KeyRing) -> tuple[KeyRecord, ...]:
    return ring.records()


def _row(record: KeyRecord) -> dict[str, str | None]:
    now = datetime.now(UTC)
    state = "works" if record.works_at(now) else "revoked" if record.revoked else "expired"
    return {
        "id": record.id,
        "name": record.name,
        "state": state,
        "scopes": ",".join(sorted(record.scopes)),
        "created": record.created.isoformat(timespec="seconds"),
        "expires": record.expires.isoformat(timespec="seconds") if record.expires else None,
        "revoked": record.revoked.isoformat(timespec="seconds") if record.revoked else None,
    }


def _with_ring(work: Callable[[KeyRing], Awaitable[Result]], settings_file: Path | None) -> Result:
    from validator.database import Database
    from validator.keys import KeyRing
    from validator.keys.key import parse_static_keys
    from validator.settings import load_settings

    settings = load_settings(settings_file)
    tell_of_new_store(settings)
    static = parse_static_keys(settings.keys.get_secret_value(), since=datetime.now(UTC))

    async def run() -> Result:
        database = await Database.open(
            settings.database_url.get_secret_value(),
            migrate=settings.migrate,
            timeout_s=max(30.0, settings.store_timeout_s),
        )
        try:
            ring = KeyRing(database, static)
            await ring.refresh()
            return await work(ring)
        finally:
            await database.aclose()

    return asyncio.run(run())
