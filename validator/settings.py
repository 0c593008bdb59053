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
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSource

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


_FILES = {"VALIDATOR_SETTINGS_FILE", "VALIDATOR_SECRETS_DIR"}
_SERVICE_LINK = re.compile(r"VALIDATOR_(SERVICE_|PORT_)")
Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The whole configuration, immutable once read."""

    model_config = SettingsConfigDict(env_prefix="VALIDATOR_", frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on; other than loopback needs keys.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 lets the system choose.")
    database_url: SecretStr = Field(
        SecretStr("sqlite:///validator.db"), description="`sqlite:///FILE` or `postgresql://…` (extra `postgres`)."
    )
    store_timeout_s: float = Field(5.0, gt=0, le=120, description="Seconds to wait for a connection, lock or answer.")
    migrate: bool = Field(True, description="Bring the tables up to date at start; else use `validator db upgrade`.")
    import_max_bytes: int = Field(512 * 1024 * 1024, gt=0, description="Largest body of a blacklist import.")
    widest_v4: int = Field(20, ge=0, le=32, description="Shortest IPv4 prefix of a blacklist rule without `force`.")
    widest_v6: int = Field(48, ge=0, le=128, description="Shortest IPv6 prefix of a blacklist rule without `force`.")
    erase_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the hashes that erased addresses leave; empty: one is kept in the store.",
    )
    data_dir: Path | None = Field(None, description="Folder of reference tables; empty: the ones that came with it.")
    log_level: LogLevel = Field(LogLevel.INFO, description="Least severe event that is logged.")
    shutdown_delay_s: float = Field(
        0.0, ge=0, le=60, description="Seconds between turning not ready and closing the socket, on SIGTERM."
    )

    dns_servers: Names = Field((), description="Resolvers to ask, comma-separated `ip[:port]`; empty: the system's.")
    dns_zone_file: Path | None = Field(None, description="Answer from this zone file instead of asking anybody.")
    dns_off: bool = Field(False, description="Ask nobody: what depends on DNS stays `unknown`.")
    dns_replay_file: Path | None = Field(None, description="Answer from this recorded snapshot; nobody is asked.")
    dns_record_file: Path | None = Field(None, description="Write every DNS answer to this snapshot when stopping.")
    dns_timeout_s: float = Field(2.5, gt=0, le=30, description="Seconds that one check may spend on DNS in all.")
    dns_max_in_flight: int = Field(2_000, ge=1, description="DNS questions under way at once; others wait their turn.")
    dns_cache_domains: int = Field(250_000, ge=256, description="Domains kept in the cache, about 300 bytes each.")
    dns_new_names_per_s: float = Field(
        500, gt=0, description="Names not yet known that may be asked each second under one registrable domain."
    )
    dns_new_names_burst: int = Field(5_000, ge=1, description="The same at once, after a time of rest.")
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
    disposable_file: Path | None = Field(
        None, description="File of domains, one a line, that `explain` flags as `disposable` with all below them."
    )

    keys: SecretStr = Field(
        SecretStr(""), description="Keys besides those of the store: `NAME:SECRET:SCOPE+SCOPE`, separated by spaces."
    )
    allow_public_without_keys: bool = Field(
        False, description="Serve everybody who can connect, without any key, on an address other than loopback."
    )
    rate_limit_per_key: str = Field(
        "1000/second", description="Requests of one key, `N/second|minute|hour|day`; `none`: no limit."
    )
    rate_limit_rows_per_key: str = Field(
        "", description="Addresses in batches and lists of one key, written the same way; empty: no limit of their own."
    )
    rate_limit_per_address: str = Field(
        "200/second",
        description="Requests without a key from one client address that is not loopback; `none`: no limit.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis or Valkey that counts rate limits for all replicas (extra `redis`)."
    )
    trusted_proxies: Names = Field(
        (), description="Networks whose `X-Forwarded-For` is believed, comma-separated, e.g. `10.0.0.0/8`."
    )

    workers: int = Field(1, ge=1, le=64, description="Processes that serve; each takes one core.")
    max_in_flight: int = Field(1024, ge=1, description="Requests that one worker answers at once; more get a 503.")
    max_connections: int = Field(2048, ge=1, description="Connections that one worker holds; idle ones make room.")
    max_headers: int = Field(64, ge=8, le=1024, description="Header lines of a request; more get a 400.")
    max_header_line_bytes: int = Field(
        8190, ge=512, le=65536, description="Length of the request line and of one header line; longer gets a 400."
    )
    receive_timeout_s: float = Field(
        5.0, ge=1, le=60, description="Seconds for a whole header, for a whole body, and for a pause within a stream."
    )
    send_timeout_s: float = Field(
        8.0, ge=1, le=60, description="Seconds that a client may take nothing of an answer that is waiting for it."
    )
    handler_timeout_s: float = Field(
        15.0, ge=1, le=600, description="Seconds to answer a request that is not a stream; then it gets a 503."
    )
    keepalive_timeout_s: float = Field(
        75.0, ge=1, le=3600, description="Seconds that an idle connection is kept for the next request."
    )
    drain_timeout_s: float = Field(
        8.0, ge=0, le=300, description="Seconds that requests under way may take to finish once a stop was asked for."
    )
    access_log_pct: float = Field(
        0.0, ge=0, le=100, description="Per cent of requests that leave a line in the log; server errors always do."
    )
    otel: bool = Field(
        False, description="Send traces; where to is told by the OTEL_* variables of OpenTelemetry (extra `otel`)."
    )

    batch_max_rows: int = Field(1_000, ge=1, le=100_000, description="Most addresses in one `POST /check/batch`.")
    batch_max_bytes: int = Field(1_048_576, ge=1_024, description="Largest body of `POST /check/batch`, in bytes.")
    stream_max_line_bytes: int = Field(
        65_536, ge=1_024, description="Longest line or table record of a list, in bytes."
    )
    stream_max_bytes: int = Field(
        4_294_967_296, ge=1_024, description="Most bytes in one `POST /check/stream`, counted after decompression."
    )
    stream_idle_timeout_s: float = Field(
        8.0, gt=0, le=3_600, description="Seconds that a stream may wait for a whole line, or for answers to be read."
    )

    event_retention_days: int = Field(
        730, ge=1, le=36_500, description="Days that events are kept as evidence; entries stay without them."
    )
    webhook_tolerance_s: int = Field(
        300, ge=0, le=86_400, description="Seconds that the time of a signed webhook may differ from ours; 0: any."
    )
    webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="Secrets of webhooks that are not signed: `postmark=SECRET`, `sparkpost=SECRET`, comma-separated; "
        "sent as HTTP Basic password, bearer token or `X-Webhook-Secret`.",
    )
    ses_topics: Names = Field((), description="SNS topics (ARN) whose messages are believed; empty: none is verified.")
    ses_certificates: Path | None = Field(
        None, description="SNS signing certificate (PEM), or a folder of them under the names of their URLs."
    )
    ses_fetch_certificates: bool = Field(
        False, description="Fetch an SNS certificate that is not in the folder, from Amazon's own hosts only."
    )
    ses_tolerance_s: int = Field(3_600, ge=0, le=2_592_000, description="The same for SNS, which repeats for an hour.")
    sendgrid_public_key: str = Field("", description="Public key of SendGrid's signed event webhook.")
    sendgrid_tolerance_s: int = Field(
        0, ge=0, le=2_592_000, description="The same for SendGrid; events are stored once whenever they come."
    )
    mailgun_signing_key: SecretStr = Field(SecretStr(""), description="Mailgun's HTTP webhook signing key.")
    mailersend_signing_secret: SecretStr = Field(SecretStr(""), description="MailerSend's signing secret.")
    mailtrap_signing_secret: SecretStr = Field(SecretStr(""), description="Mailtrap's signature key.")
    mandrill_webhook_key: SecretStr = Field(SecretStr(""), description="Mandrill's webhook key.")
    mandrill_webhook_url: str = Field("", description="URL of the webhook as Mandrill was given it, which it signs.")
    standard_webhook_secrets: SecretStr = Field(
        SecretStr(""), description="Secrets (`whsec_…`) of Standard Webhooks senders such as Resend, comma-separated."
    )
    notice_url: str = Field("", description="Where notices about the blacklist are posted; empty: none are.")
    notice_secret: SecretStr = Field(SecretStr(""), description="Secret (`whsec_…`) that notices are signed with.")
    notice_private_networks: bool = Field(
        False, description="Allow a notice URL in private, loopback and other special networks, and plain HTTP to it."
    )

    @field_validator("dns_servers", "special_use_exceptions", "trusted_proxies", "ses_topics", mode="before")
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
        raise SettingsError(f"VALIDATOR_SETTINGS_FILE: no settings file at {env_file}")
    if secrets_dir is not None and not secrets_dir.is_dir():
        raise SettingsError(f"VALIDATOR_SECRETS_DIR: no folder at {secrets_dir}")
    for secret in () if secrets_dir is None else (secrets_dir / f"validator_{name}" for name in Settings.model_fields):
        if secret.is_dir():  # what a container makes of a secret that is not there
            raise SettingsError(f"VALIDATOR_SECRETS_DIR: {secret} is a folder, not a file")
    try:
        strangers = () if env_file is None else _without_prefix(env_file)
        if strangers:  # some of them would be passed over in silence, `KEYS` and `PORT` among them
            names = ", ".join(strangers)
            raise SettingsError(f"VALIDATOR_SETTINGS_FILE: names begin with VALIDATOR_, so this sets nothing: {names}")
        return Settings(_env_file=env_file, _secrets_dir=secrets_dir)
    except (OSError, UnicodeDecodeError, UnreadableSource) as error:  # a source, before any value is looked at
        why = "not UTF-8" if isinstance(error.__cause__ or error, UnicodeDecodeError) else "cannot be read"
        name = "VALIDATOR_SECRETS_DIR" if isinstance(error, UnreadableSource) else "VALIDATOR_SETTINGS_FILE"
        raise SettingsError(f"{name}: {why}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"VALIDATOR_{_name_of(fault['loc'])}: "
            + ("there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"])
            for fault in error.errors(include_input=False)
        )
        raise SettingsError(faults) from None


def _without_prefix(file: Path) -> tuple[str, ...]:
    """Names in a settings file that have a value but not our prefix; raises `OSError` and `UnicodeDecodeError`."""
    values = DotEnvSettingsSource(Settings, env_file=file, case_sensitive=True).env_vars
    return tuple(name for name, value in values.items() if value and not name.upper().startswith("VALIDATOR_"))


def _name_of(place: tuple[int | str, ...]) -> str:
    """A setting as people write it; one that is not known comes as it stands in the file, prefix included."""
    return ".".join(str(part) for part in place).upper().removeprefix("VALIDATOR_")


def unknown_variables() -> list[str]:
    """Names of `VALIDATOR_*` variables that set nothing, most likely misspelt; not those that Kubernetes makes."""
    known = {f"VALIDATOR_{name.upper()}" for name in Settings.model_fields} | _FILES
    return sorted(
        name
        for name in os.environ
        if name.upper().startswith("VALIDATOR_") and name.upper() not in known and not _SERVICE_LINK.match(name)
    )


def _path_from_environment(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def hide_password(url: str) -> str:
    """A database URL with its password replaced, for people to read."""
    return re.sub(r"(://[^:/@]*:)[^@]*@", r"\1***@", url)
