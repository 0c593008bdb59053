"""The wire contract of the check endpoints as pydantic models: the source of OpenAPI and of every 422."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from validator.blacklist.entry import Cause, Kind
from validator.server.wire_types import Wire
from validator.settings import OnUnknown
from validator.verdict import Outcome, Reason, Status

ListName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class CheckRequest(Wire):
    """One address and how to look at it. Unknown fields are refused: a misspelt option must not rewrite an address."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: str = Field(description="The text that was typed.", examples=["ivan@gmial.com"])
    sanitize: bool = Field(True, description="Repair before judging. With false nothing is changed.")
    explain: bool = Field(False, description="Return the evidence behind the verdict.")
    on_unknown: OnUnknown | None = Field(
        None, description="Answer when DNS could not tell: 200 with `status: unknown`, or a 503. Default: a setting."
    )
    lists: list[ListName] = Field(
        default_factory=list, max_length=16, description="Named exclusion lists that apply besides `default`."
    )


class ChangeModel(Wire):
    """One repair."""

    rule: str = Field(description="Which rule, family first.")
    before: str = Field(description="The part as it stood.")
    after: str = Field(description="The part afterwards.")
    confidence: float = Field(description="0 to 1; applied from 0.9, suggested from 0.6.")
    sentence: str = Field(description="What the rule means, for people.")


class FindingModel(Wire):
    """The answer to one question."""

    reason: Reason = Field(description="Which question.")
    outcome: Outcome = Field(description="passed, failed, unknown or skipped.")
    detail: str = Field(description="In words.")


class ProviderModel(Wire):
    """The mailbox provider."""

    vendor: str = Field(description="Name of the provider.")
    trusted: bool = Field(description="The provider looks after its users' accounts.")


class MatchedEntryModel(Wire):
    """A blacklist entry that speaks about the address, decisive or overridden."""

    id: str = Field(description="Identifier: `GET /blacklist/{id}` tells the whole story.")
    kind: Kind = Field(description="address, domain, mx_host or mx_ip.")
    value: str | None = Field(
        description="Domain, host or network of the entry. Null for an `address` entry, for privacy: it is the address "
        "that was checked, and an answer that is kept or forwarded should not carry it once more."
    )
    cause: Cause = Field(description="Why it is on the list.")
    list: str = Field(description="The named list it is on.")
    source: str = Field(description="Where it came from: api, cli, import:7, feedback:ses, …")
    since: datetime = Field(description="Since when.")
    last_event: datetime | None = Field(description="The last failure or wish behind it.")
    expires: datetime | None = Field(description="When it stops blocking; null for never.")
    overridden: bool = Field(description="The allow-list overrides it: shown, does not decide.")


class ExplainModel(Wire):
    """The evidence behind a verdict."""

    changes: list[ChangeModel] = Field(description="Repairs in order.")
    findings: list[FindingModel] = Field(description="One per reason, in order of precedence.")
    dns: dict[str, Any] | None = Field(description="Outcome, mail hosts, addresses, age; null when nothing was asked.")
    provider: ProviderModel | None = Field(description="Null for a domain in no provider table.")
    flags: list[str] = Field(description="Remarks that do not decide: role, relay, disposable (as configured).")
    entries: list[MatchedEntryModel] = Field(
        description="Blacklist entries that matched; overridden ones are shown and do not decide."
    )
    extra: dict[str, Any] = Field(description="Further evidence, such as soft-bounce counters.")


class CheckResponse(Wire):
    """The verdict."""

    orig: str = Field(description="Exactly what was sent.")
    valid: bool = Field(description="Whether `email` can be stored and used.")
    email: str = Field(description="The corrected address. Never null.")
    reason: Reason | None = Field(description="Why not; null when valid.")
    status: Status = Field(description="valid, invalid, or unknown when DNS could not tell.")
    suggestion: str | None = Field(description="An address that was probably meant; ask before you use it.")
    explain: ExplainModel | None = Field(None, description="Only when asked for.")


def _flag(value: object) -> object:
    """The model service's clients send true, false, 0, 1, also as text."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str):
        return known.get(value, value)
    if type(value) is int and value in (0, 1):
        return bool(value)
    return value


class EnvelopeRequest(Wire):
    """The same question in the form that clients of the model service send; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    email: str = Field(description="The text that was typed.")
    sanitize: Annotated[bool, BeforeValidator(_flag)] = Field(
        True,
        description="true, false, 0 or 1; true when absent.",
        json_schema_extra={
            "type": ["boolean", "integer", "string"],
            "enum": [True, False, 0, 1, "true", "false", "0", "1"],
        },
    )


class EnvelopeMeta(Wire):
    """How it went."""

    model_config = ConfigDict(populate_by_name=True)

    status: Literal["SUCCESS", "ERROR"] = Field(description="SUCCESS when there is a verdict.")
    time: float = Field(description="Seconds taken.")
    count: int = Field(description="Number of verdicts in `data`.")


class EnvelopeData(Wire):
    """The verdict."""

    orig: str = Field(description="Exactly what was sent.")
    valid: bool = Field(description="Whether `email` can be used.")
    email: str = Field(description="The corrected address.")
    reason: Reason | None = Field(None, description="Present only when not valid.")
    vendor: str | None = Field(description="Mailbox provider.")
    domain: str = Field(description="Domain of `email`.")
    trusted: bool = Field(description="The provider looks after its users' accounts.")


class EnvelopeResponse(Wire):
    """The verdict in the envelope of the model service."""

    model_config = ConfigDict(populate_by_name=True)

    meta: EnvelopeMeta = Field(alias="_meta", description="How it went.")
    data: EnvelopeData = Field(description="The verdict.")


class HealthResponse(Wire):
    """Whether the service can work, and what is sick."""

    status: Literal["ok", "draining", "unavailable"] = Field(description="`ok` with 200, anything else with 503.")
    checks: dict[str, dict[str, Any]] = Field(description="Each part with its own state.")


class VersionResponse(Wire):
    """What is running."""

    version: str = Field(description="Version of the program.")
    data_version: str = Field(description="Version of the reference tables.")
    python: str = Field(description="Version of the interpreter.")


class ReasonModel(Wire):
    """One reason."""

    reason: Reason = Field(description="The wire word.")
    precedence: int = Field(description="1 is reported first.")
    meaning: str = Field(description="When it applies.")


class ReasonsResponse(Wire):
    """The seven reasons in order of precedence."""

    reasons: list[ReasonModel] = Field(description="Highest precedence first.")
