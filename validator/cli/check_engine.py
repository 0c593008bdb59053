"""Who judges: the stages in this process, in several, or a running service; and who answers for DNS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from validator.bulk.judging import ManyChecker
from validator.bulk.processes import OpenChecker
from validator.bulk.rows import RowOptions
from validator.checker import CheckOptions
from validator.cli.logs import log_to_stderr
from validator.client import AddressError, AsyncClient, CheckAnswer, ClientError, ServiceProblem
from validator.errors import NotAuthorised, RequestRefused
from validator.settings import OnUnknown, Settings, load_settings
from validator.verdict import Change, Explanation, Finding, Outcome, Reason, Status, Verdict

DEFAULT_OPTIONS = CheckOptions()
_TOO_MANY = 429
ENDINGS_FOR_TESTS = ("test", "example")
"""Special-use endings (RFC 6761, 2606) that a zone file or a recording may answer for all the same."""


@dataclass(frozen=True, slots=True)
class Engine:
    """How addresses are judged in this run; picklable."""

    settings: Settings
    """What is configured, with the choices of the command line."""
    options: CheckOptions
    """What every check is asked."""
    url: str | None
    """The service that is asked instead."""
    key: str | None
    """Its key."""
    no_dns: bool
    """Nobody is asked for DNS, so `unknown` is no fault."""

    @classmethod
    def choose(
        cls,
        *,
        settings_file: Path | None,
        zone: Path | None,
        replay: Path | None,
        record: Path | None,
        no_dns: bool,
        url: str | None,
        key: str | None,
        sanitize: bool,
        explain: bool,
        lists: tuple[str, ...],
    ) -> Engine:
        """From the options of the command; raises `RequestRefused` where they contradict each other."""
        chosen = [name for name, value in (("--zone", zone), ("--replay", replay), ("--no-dns", no_dns)) if value]
        if len(chosen) > 1:
            raise RequestRefused(f"{' and '.join(chosen)}: choose one")
        if url is not None and not url.startswith(("http://", "https://")):
            raise RequestRefused("--url: a URL such as http://127.0.0.1:8080 is needed")
        if url is not None and (chosen or record):
            raise RequestRefused("--url: the service asks DNS, so --zone, --replay, --record and --no-dns do not fit")
        if record is not None and chosen:
            raise RequestRefused(f"--record: there is nothing to record with {chosen[0]}")
        for path in (zone, replay):
            if path is not None and not path.is_file():
                raise RequestRefused(f"{path}: no such file")
        settings = load_settings(settings_file)
        changes: dict[str, object] = {}
        if chosen:
            changes = {"dns_zone_file": zone, "dns_replay_file": replay, "dns_off": no_dns}
            changes["special_use_exceptions"] = tuple({*settings.special_use_exceptions, *ENDINGS_FOR_TESTS})
        if record is not None:
            changes["dns_record_file"] = record
        options = CheckOptions(sanitize=sanitize, explain=explain, lists=lists)
        return cls(settings.model_copy(update=changes), options, url, key, no_dns)

    @property
    def answered_by(self) -> str:
        """Who answers for DNS, in a word or two: a run is continued by the same."""
        if self.url is not None:
            return "service"
        if self.no_dns:
            return "nobody"
        source = self.settings.dns_zone_file or self.settings.dns_replay_file
        return "resolver" if source is None else str(Path(source).resolve())

    @property
    def row_options(self) -> RowOptions:
        """The same for rows: an undecided row is a verdict of its own."""
        return RowOptions(self.options, OnUnknown.ACCEPT)

    def open_checker(self) -> AbstractAsyncContextManager[ManyChecker]:
        """An open checker as an asynchronous context manager."""
        return self.opener()()

    def opener(self) -> OpenChecker:
        """The same for another process."""
        if self.url is not None:
            return partial(_remote, self.url, self.key)
        return partial(_embedded, self.settings)


Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end on the fastest event loop there is."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(main)
    return uvloop.run(main)


class RemoteChecker:
    """A running service in the place of the stages."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def check_many(self, texts: Sequence[str], options: CheckOptions = DEFAULT_OPTIONS) -> list[Verdict]:
        """Verdicts of one window, same order and length.

        Raises `NotAuthorised` for a key that does not do, `RequestRefused` for what the service refuses, `ClientError`
        when there is no answer.
        """
        try:
            answers = await self._client.check_batch(
                texts, sanitize=options.sanitize, explain=options.explain, on_unknown="accept", lists=options.lists
            )
        except ServiceProblem as problem:
            if problem.status in {401, 403}:
                raise NotAuthorised(f"--url: {problem}; --key or VALIDATOR_KEY names the key") from problem
            if 400 <= problem.status < 500 and problem.status != _TOO_MANY:
                raise RequestRefused(f"--url: {problem}") from problem
            raise
        return [_verdict_of(answer) for answer in answers]


def _verdict_of(answer: CheckAnswer | AddressError) -> Verdict:
    if not isinstance(answer, CheckAnswer):
        raise ClientError(f"the service has no verdict on one of the rows: {answer.detail}")
    is_address = answer.reason is not Reason.INVALID
    domain = answer.email.rpartition("@")[2] if is_address or answer.status is not Status.INVALID else ""
    return Verdict(
        answer.orig, answer.valid, answer.email, answer.reason, answer.status, answer.suggestion, domain=domain,
        explain=None if answer.explain is None else _explanation_of(answer.explain),
    )  # fmt: skip


def _explanation_of(document: Mapping[str, Any]) -> Explanation:
    """The evidence from its wire form (`explain_document`); raises `ClientError` for anything else."""
    try:
        return Explanation(
            tuple(
                Change(change["rule"], change["before"], change["after"], change["confidence"])
                for change in document["changes"]
            ),
            tuple(
                Finding(Reason(finding["reason"]), Outcome(finding["outcome"]), finding["detail"])
                for finding in document["findings"]
            ),
            document["dns"],
            document["provider"],
            tuple(document["flags"]),
            tuple(document["entries"]),
            document["extra"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClientError("the answer is not a verdict of this version") from error


@asynccontextmanager
async def _remote(url: str, key: str | None) -> AsyncIterator[ManyChecker]:
    async with AsyncClient(url, key=key) as client:
        yield RemoteChecker(client)


@asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[ManyChecker]:
    from validator.runtime import open_pipeline, settle_memory

    log_to_stderr()
    async with open_pipeline(settings) as pipeline:
        settle_memory()
        yield pipeline
