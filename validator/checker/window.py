"""A list of texts the way of one check, in windows: distinct domains asked together, one query for all addresses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from validator.address import EmailAddress, SyntaxFault, plain_address
from validator.blacklist.entry import Hit
from validator.checker.facts import DomainFacts
from validator.checker.judge import RouteVerdict
from validator.checker.pipeline import COUNTERS, DEFAULT_OPTIONS, CheckOptions, CheckPipeline, Prepared
from validator.reference.providers import Provider
from validator.sanitize import Sanitized
from validator.verdict import Verdict


class WindowPipeline(CheckPipeline):
    """The stages for one text and for many."""

    async def check_many(self, texts: Sequence[str], options: CheckOptions = DEFAULT_OPTIONS) -> list[Verdict]:
        """Judge a window of texts, same order and length: distinct domains resolved together, one address query.

        Every domain may take the whole DNS budget of a check. Holds *texts* in memory: callers cut long inputs.
        Raises `StorageUnavailable` and `UnknownList`.
        """
        if options.lists:
            await self._blacklist.require_lists(options.lists)
        ready = await self._prepare_many(texts, options)
        parsed = [item if isinstance(item, EmailAddress) else item.parsed for item in ready]
        addresses = [address for address in parsed if isinstance(address, EmailAddress)]
        domains = list({address.domain: None for address in addresses})
        learned = await self._knowledge.learn(domains, self._dns_timeout_s) if domains else []
        facts = dict(zip(domains, learned, strict=True))
        matched = iter(await self._blacklist.match_addresses(addresses, options.lists) if addresses else ())
        list_hits: dict[str, tuple[Hit, ...]] = {}
        if options.lists and learned:
            list_hits = dict(zip(domains, await self._list_hits(learned, options.lists), strict=True))
        verdicts = []
        alone: dict[RouteVerdict, int] = {}
        for item, address in zip(ready, parsed, strict=True):
            if isinstance(address, SyntaxFault):
                assert isinstance(item, Prepared)
                verdicts.append(self._reject(item, address, options))
                continue
            known = facts[address.domain]
            hits = next(matched) + list_hits.get(address.domain, ())
            route = known.alone
            if item is address and route is not None and not hits and not options.explain and self._is_person(address):
                alone[route] = alone.get(route, 0) + 1
                verdicts.append(_verdict_alone(address, route, known.provider))
                continue
            if known.hits:
                hits += await self._blacklist.overridden(address, known.hits)
            prepared = Prepared(address.text, address.text, address) if isinstance(item, EmailAddress) else item
            verdict = self._judge(prepared, address, known, hits, options)
            if verdict.explain is not None:
                verdict = await self._with_evidence(verdict, verdict.explain)
            verdicts.append(verdict)
        for route, count in alone.items():
            COUNTERS[route.status, route.reason].count += count
        return verdicts

    async def _prepare_many(self, texts: Sequence[str], options: CheckOptions) -> list[EmailAddress | Prepared]:
        """Each text ready to be judged; a text that is its own address, known to need no repair, as that alone."""
        prepared: list[EmailAddress | Prepared | None] = []
        doubtful: dict[int, Sanitized] = {}
        fresh: dict[str, DomainFacts | None] = {}
        for index, text in enumerate(texts):
            plain = plain_address(text)
            if plain is not None:
                domain = plain.domain
                facts = fresh[domain] if domain in fresh else fresh.setdefault(domain, self._knowledge.fresh(domain))
                if facts is not None and self._needs_no_repair(plain, facts, options):
                    prepared.append(plain)
                    continue
            sanitized = self._sanitize(text)
            if sanitized.doubt is None:
                prepared.append(self._parse(text, sanitized, options))
            else:
                prepared.append(None)
                doubtful[index] = sanitized
        deadline = time.monotonic() + self._dns_timeout_s
        async with asyncio.TaskGroup() as group:
            tasks = {index: group.create_task(self._settle(found, deadline)) for index, found in doubtful.items()}
        return [
            item if item is not None else self._parse(texts[index], tasks[index].result(), options)
            for index, item in enumerate(prepared)
        ]


def _verdict_alone(address: EmailAddress, route: RouteVerdict, provider: Provider | None) -> Verdict:
    """The verdict on an address that came as it should be and about which only the route of its domain speaks."""
    text, reason = address.text, route.reason
    vendor, trusted = (None, False) if provider is None else (provider.vendor, provider.trusted)
    return Verdict(text, reason is None, text, reason, route.status, None, None, address.domain, vendor, trusted)
