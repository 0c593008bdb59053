"""Settings -> everything opened, as one async context manager; the only place that chooses implementations."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from validator.address import SyntaxRules
from validator.blacklist.entry import Cause
from validator.blacklist.guard import Guard, HostingSuffix
from validator.blacklist.service import Blacklist
from validator.checker import WindowPipeline
from validator.database import Database, locate
from validator.errors import StorageUnavailable
from validator.feedback.gate import WebhookGate
from validator.feedback.reasons import Disposition, FailureReason
from validator.feedback.reply import Stage
from validator.feedback.service import ConfirmDomain, Feedback
from validator.keys.key import parse_static_keys
from validator.keys.ring import KeyRing
from validator.mx.resolver import open_resolver
from validator.mx.route import MailResolver, RouteOutcome
from validator.recipient import Recipients
from validator.reference import Reference, load_reference
from validator.reference.domain_file import load_domains
from validator.reference.providers import load_providers
from validator.sanitize import Sanitizer
from validator.settings import PlusPolicy, Settings, load_settings

if TYPE_CHECKING:
    from validator.blacklist.importing import Classify


SWITCH_S = 0.0005
"""How long an import beside the event loop may keep it waiting at a time; ten times that is Python's own."""


@dataclass(slots=True)
class Runtime:
    """Everything that is open while the service runs."""

    settings: Settings
    """What was configured."""
    reference: Reference
    """Tables in force; replaced as a whole by `reload`."""
    resolver: MailResolver
    """Asks DNS."""
    database: Database
    """The store."""
    blacklist: Blacklist
    """Entries and their history."""
    checker: WindowPipeline
    """The check."""
    keys: KeyRing
    """Who may use the service."""
    feedback: Feedback
    """Events, and what they do to the blacklist."""
    webhooks: WebhookGate
    """Whether a webhook is really its provider's."""
    draining: bool = field(default=False)
    """A stop has been asked for; `/readyz` answers 503 from now on."""
    _store_is_loaded: bool = field(default=False)
    _store_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _import_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def health(self) -> dict[str, object]:
        """Body of `/readyz`: `ok` when store and data are usable and no drain has begun; the resolver is only named."""
        checks: dict[str, dict[str, object]] = {
            "data": {"ok": True, "version": self.reference.version},
            "resolver": dict(self.resolver.health().document()),
        }
        try:
            await self.blacklist.ping()
            checks["store"] = {"ok": True}
        except StorageUnavailable as error:
            checks["store"] = {"ok": False, "why": str(error)}
        status = "ok" if checks["store"]["ok"] else "unavailable"
        return {"status": "draining" if self.draining else status, "checks": checks}

    async def load_store(self) -> None:
        """Import what changes the store, beside the event loop; before the first such request of a process."""
        if self._store_is_loaded:
            return
        async with self._store_lock:  # whoever waited for it finds the modules there
            names = ("validator.blacklist.parts", "validator.feedback.recording", "validator.feedback.message")
            await self.import_beside(names)
            await asyncio.to_thread(getattr, self.feedback, "classifier")  # builds it
            self._store_is_loaded = True

    async def import_beside(self, names: Iterable[str]) -> None:
        """Import modules beside the event loop, which goes on in between."""
        async with self._import_lock:  # one at a time changes and restores the interval
            usual_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
            try:
                for name in names:
                    await asyncio.to_thread(import_module, name)
            finally:
                sys.setswitchinterval(usual_s)

    async def evidence(self, address: str) -> Mapping[str, object]:
        """What `explain` shows of an address beyond the check."""
        await self.load_store()
        return await self.feedback.evidence(address)


def syntax_rules(settings: Settings) -> SyntaxRules:
    """What is accepted in a local part, as configured."""
    return SyntaxRules(apostrophe=settings.allow_apostrophe, symbols=settings.allow_symbols, eai=settings.allow_eai)


def disposable_domains(settings: Settings) -> Collection[str]:
    """The domains of throw-away mailboxes that the operator knows of; none by default. Raises `SettingsError`."""
    if settings.disposable_file is None:
        return frozenset()
    return load_domains(settings.disposable_file, setting="VALIDATOR_DISPOSABLE_FILE")


def guard_of(settings: Settings, reference: Reference) -> Guard:
    """What keeps a rule from hitting half the world: known providers, their networks, the limits as configured."""
    networks = [(row["vendor"], row["network"]) for row in reference.table("provider_networks").records()]
    hosting = [
        HostingSuffix(row["suffix"], row["operator"], row["per_customer"] == "yes")
        for row in reference.table("mail_hosting").records()
    ]
    return Guard(
        load_providers(reference),
        networks=networks,
        hosting=hosting,
        widest_v4=settings.widest_v4,
        widest_v6=settings.widest_v6,
    )


def imported_text_judge(feedback: Feedback) -> Classify:
    """Says what the failure text of an imported line means for its address; None when it does not speak against it."""
    causes = {cause.value: cause for cause in Cause}

    def judge(text: str) -> Cause | None:
        found = feedback.classifier.classify_text(text)
        is_final = found.code is None or found.code >= 500
        if found.reason is FailureReason.RECIPIENT_FILTERED and is_final and not found.enhanced_status:
            # "550 no such user" may be a filter's answer to a message, but not where a provider lists whom it gave up
            found = feedback.classifier.classify_text(text, stage=Stage.RCPT)
        match found.disposition:
            case Disposition.HARD | Disposition.SOFT | Disposition.COMPLAINT:
                return causes.get(found.reason.value, Cause.IMPORT)
            case Disposition.UNKNOWN:
                return Cause.IMPORT
            case Disposition.NONE:
                return Cause.PROVIDER_LIST if found.reason is FailureReason.ALREADY_SUPPRESSED else None
            case Disposition.SENDER | Disposition.TRANSIENT:
                return None

    return judge


@asynccontextmanager
async def open_runtime(settings: Settings | None = None) -> AsyncIterator[Runtime]:
    """Open data, store and resolver; close them in reverse order. Raises any `ValidatorError` of theirs."""
    settings = settings or load_settings()
    reference = load_reference(settings.data_dir)
    async with AsyncExitStack() as stack:
        database = await Database.open(
            settings.database_url.get_secret_value(),
            migrate=settings.migrate,
            timeout_s=settings.store_timeout_s,
            erase_key=settings.erase_key.get_secret_value().encode() or None,
        )
        stack.push_async_callback(database.aclose)
        resolver = open_resolver(settings, reference)
        await resolver.start()
        stack.push_async_callback(resolver.aclose)
        feedback = await stack.enter_async_context(
            Feedback.open(database, reference, settings, confirm_domain=_domain_confirmer(resolver, settings))
        )
        blacklist = await stack.enter_async_context(
            Blacklist.open(
                database,
                guard_of(settings, reference),
                classify=imported_text_judge(feedback),
                companion=feedback,
            )
        )
        static = parse_static_keys(settings.keys.get_secret_value(), since=datetime.now(UTC))
        keys = await stack.enter_async_context(KeyRing.open(database, static))
        checker = WindowPipeline(
            sanitizer=Sanitizer(
                reference, rules=syntax_rules(settings), strip_tags=settings.plus is PlusPolicy.STRIP_TAG
            ),
            recipients=Recipients(reference),
            providers=load_providers(reference),
            resolver=resolver,
            blacklist=blacklist,
            rules=syntax_rules(settings),
            strip_tags=settings.plus is PlusPolicy.STRIP_TAG,
            dns_timeout_s=settings.dns_timeout_s,
            relays_are_application=settings.relays_are_application,
            disposable=disposable_domains(settings),
        )
        webhooks = WebhookGate(settings)
        runtime = Runtime(settings, reference, resolver, database, blacklist, checker, keys, feedback, webhooks)
        checker.evidence = runtime.evidence
        yield runtime


@asynccontextmanager
async def open_blacklist(settings: Settings) -> AsyncIterator[Blacklist]:
    """The blacklist alone, for one command: no check, no background work, and patience with whoever is writing."""
    reference = load_reference(settings.data_dir)
    database = await Database.open(
        settings.database_url.get_secret_value(),
        migrate=settings.migrate,
        timeout_s=max(30.0, settings.store_timeout_s),
        erase_key=settings.erase_key.get_secret_value().encode() or None,
    )
    try:
        feedback = Feedback(database, reference, confirm_domain=_cannot_tell)
        judge, guard = imported_text_judge(feedback), guard_of(settings, reference)
        async with Blacklist.open(database, guard, watch=False, classify=judge, companion=feedback) as blacklist:
            yield blacklist
    finally:
        await database.aclose()


async def _cannot_tell(_domain: str) -> None:
    """No resolver was opened."""


def _domain_confirmer(resolver: MailResolver, settings: Settings) -> ConfirmDomain:
    """Our own DNS's word on whether a domain takes no mail; None when it could not tell."""

    async def takes_no_mail(domain: str) -> bool | None:
        route = await resolver.route(domain, timeout_s=settings.dns_timeout_s)
        match route.outcome:
            case RouteOutcome.NO_MAIL:
                return True
            case RouteOutcome.DELIVERABLE:
                return False
            case RouteOutcome.UNKNOWN:
                return None

    return takes_no_mail


def settle_memory() -> None:
    """Once everything is open: leave what lives as long as the process out of garbage collection, and collect rarely.

    Otherwise every few thousand checks the collector walks all tables and caches again, a tenth of the time of a list.
    The young ones are looked at often all the same: a hundred thousand at once are a tenth of a second for everybody.
    """
    gc.freeze()
    gc.set_threshold(25_000, 80, 100)
    gc.enable()


def leaving_no_store(settings: Settings, folder: Path) -> Settings:
    """The same settings, over an empty store in *folder* when the configured SQLite file is not there yet.

    For one-off checks: they read the blacklist where there is one and leave no file behind where there is none.
    Raises `SettingsError` for a URL that names no store.
    """
    path = locate(settings.database_url.get_secret_value()).path
    if path is None or path.exists():
        return settings
    return settings.model_copy(update={"database_url": SecretStr(f"sqlite:///{folder / 'empty.db'}")})


@asynccontextmanager
async def open_pipeline(settings: Settings | None = None) -> AsyncIterator[WindowPipeline]:
    """The check alone, over the configured blacklist if there is one; creates no file."""
    with tempfile.TemporaryDirectory(prefix="validator-") as folder:
        async with open_runtime(leaving_no_store(settings or load_settings(), Path(folder))) as runtime:
            yield runtime.checker
