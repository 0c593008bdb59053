"""Every setting, once: name with unit, default, one sentence. Environment `VALIDATOR_*`, then a file, then secrets.

`VALIDATOR_SETTINGS_FILE` names a `.env`-style file; `VALIDATOR_SECRETS_DIR` a folder of one file per secret.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from validator.errors import SettingsError


class OnUnknown(StrEnum):
    """What a check answers when DNS could not tell."""

    ACCEPT = "accept"
    """200 with `valid: true` and `status: unknown`."""
    ERROR = "error"
    """503 problem."""


class PlusPolicy(StrEnum):
    """What sanitizing does with `+tag` in a local part."""

    KEEP = "keep"
    """Leave it: removing it can name a stranger."""
    STRIP_TAG = "strip_tag"
    """Drop `+tag` at providers known to deliver it to the plain address."""


class LogLevel(StrEnum):
    """Least severe event that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The whole configuration, immutable once read."""

    model_config = SettingsConfigDict(env_prefix="VALIDATOR_", frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on; other than loopback needs keys.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 lets the system choose.")
    database_url: SecretStr = Field(
        SecretStr("sqlite:///validator.db"), description="`sqlite:///FILE` or `postgresql://…` (extra `postgres`)."
    )
    data_dir: Path | None = Field(None, description="Folder of reference tables; empty: the ones that came with it.")
    log_level: LogLevel = Field(LogLevel.INFO, description="Least severe event that is logged.")
    shutdown_delay_s: float = Field(
        0.0, ge=0, le=60, description="Seconds between turning not ready and closing the socket, on SIGTERM."
    )

    dns_servers: Names = Field((), description="Resolvers to ask, comma-separated `ip[:port]`; empty: the system's.")
    dns_zone_file: Path | None = Field(None, description="Answer from this zone file instead of asking anybody.")
    dns_timeout_s: float = Field(2.5, gt=0, le=30, description="Seconds that one check may spend on DNS in all.")
    dns_max_in_flight: int = Field(2_000, ge=1, description="DNS questions under way at once; others wait their turn.")
    dns_cache_domains: int = Field(250_000, ge=256, description="Domains kept in the cache, about 300 bytes each.")
    dns_new_names_per_s: float = Field(
        200, gt=0, description="Names not yet known that may be asked each second under one registrable domain."
    )
    dns_new_names_burst: int = Field(2_000, ge=1, description="The same at once, after a time of rest.")
    implicit_mx: bool = Field(False, description="Accept a domain with an address but no MX (RFC 5321 5.1).")
    special_use_exceptions: Names = Field(
        (), description="Special-use names that may be looked up all the same, e.g. `test`."
    )

    on_unknown: OnUnknown = Field(OnUnknown.ACCEPT, description="Answer when DNS could not tell: `accept` or `error`.")
    plus: PlusPolicy = Field(PlusPolicy.KEEP, description="`+tag` in a local part: `keep` or `strip_tag`.")
    allow_apostrophe: bool = Field(False, description="Accept `'` in a local part.")
    allow_symbols: bool = Field(False, description="Accept every RFC 5322 symbol in a local part.")
    allow_eai: bool = Field(False, description="Accept non-ASCII local parts (RFC 6531).")
    relays_are_application: bool = Field(
        False, description="Judge privacy relays (Apple, Firefox, DuckDuckGo, …) as `application`."
    )

    @field_validator("dns_servers", "special_use_exceptions", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


def load_settings(file: Path | None = None) -> Settings:
    """Read environment, file and secrets folder; raises `SettingsError` naming each wrong setting, never its value."""
    env_file = file or _path_from_environment("VALIDATOR_SETTINGS_FILE")
    secrets_dir = _path_from_environment("VALIDATOR_SECRETS_DIR")
    if env_file is not None and not env_file.is_file():
        raise SettingsError(f"no settings file at {env_file}")
    try:
        return Settings(_env_file=env_file, _secrets_dir=secrets_dir)
    except ValidationError as error:
        faults = "; ".join(
            f"VALIDATOR_{'.'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        )
        raise SettingsError(faults) from None


def _path_from_environment(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def hide_password(url: str) -> str:
    """A database URL with its password replaced, for people to read."""
    return re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", url)
