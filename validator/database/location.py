"""Which database a URL names."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote

from validator.errors import SettingsError

_NOT_A_URL = "VALIDATOR_DATABASE_URL: not a database URL"


class Engine(StrEnum):
    """Which database answers."""

    SQLITE = "sqlite"
    """A file beside the service; one writer at a time."""
    POSTGRESQL = "postgresql"
    """A server that several replicas share."""


@dataclass(frozen=True, slots=True)
class Location:
    """A database and where it is."""

    engine: Engine
    """Which database."""
    url: str = field(repr=False)
    """`sqlite:///…` or `postgresql://…`, without the name of a driver; may hold a password."""
    path: Path | None
    """The file of a SQLite database; None for a server."""


def locate(url: str) -> Location:
    """Read a database URL; raises `SettingsError`, which never shows the URL (it may hold a password)."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise SettingsError(_NOT_A_URL)
    match scheme.partition("+")[0]:
        case "sqlite":
            file = rest.partition("?")[0]
            if not file.startswith("/") or file in {"/", "/:memory:"}:
                raise SettingsError("VALIDATOR_DATABASE_URL: name a file, such as sqlite:///validator.db")
            return Location(Engine.SQLITE, f"sqlite://{file}", Path(unquote(file[1:])))
        case "postgresql" | "postgres":
            return Location(Engine.POSTGRESQL, _server(f"postgresql://{rest}"), None)
        case _:
            raise SettingsError("VALIDATOR_DATABASE_URL: only sqlite:/// and postgresql:// are understood")


def _server(url: str) -> str:
    from sqlalchemy import exc, make_url

    try:
        return make_url(url).render_as_string(hide_password=False)
    except (exc.ArgumentError, ValueError) as error:
        raise SettingsError(_NOT_A_URL) from error
