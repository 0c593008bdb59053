"""A list of texts the way of one check, in windows: distinct domains asked together, one query for all addresses.

Most rows of a list are plain addresses of a person, at a domain that needs no repair, on no list: about those only the
route of the domain speaks. They are told from the rest a window at a time; every other row goes the way of a check.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from validator.address import EmailAddress, SyntaxFault, plain_parts
from validator.blacklist.entry import Hit
from validator.blacklist.keys import address_key
from validator.checker.facts import DomainFacts
from validator.checker.pipeline import COUNTERS, DEFAULT_OPTIONS, CheckOptions, CheckPipeline, Prepared
from validator.checker.verdicts import Verdicts
from validator.sanitize import Sanitized
from validator.verdict import Verdict


class WindowPipeline(CheckPipeline):
    """The stages for one text and for many."""

    async def check_many(self, texts: Sequence[str], options: CheckOptions = DEFAULT_OPTIONS) -> Verdicts[Verdict]:
        """Judge a window of texts, same order and length: distinct domains resolved together, one address query.

        Every domain may take the whole DNS budget of a check. Holds *texts* in memory: callers cut long inputs.
        Raises `StorageUnavailable` and `UnknownList`.
        """
        if options.lists:
            await self._blacklist.require_lists(options.lists)
        parts = plain_parts(texts)
        if self._strip_tags:
            parts = [part if "+" not in part[0] else ("", "") for part in parts]
        domains = [domain for _, domain in parts]
        facts = self._knowledge.fresh_among(set(domains))
        kept = {domain for domain in set(domains) if domain and self._knowledge.is_kept(domain)}
        strange = [index for index, domain in enumerate(domains) if domain not in kept]
        prepared = await self._prepare_many(texts, strange, options)
        addresses = {at: item.parsed for at, item in prepared.items() if isinstance(item.parsed, EmailAddress)}
        needed = dict.fromkeys([*kept, *(address.domain for address in addresses.values())])
        missing = [domain for domain in needed if domain not in facts]
        if missing:
            learned = await self._knowledge.learn(missing, self._dns_timeout_s)
            facts.update(zip(missing, learned, strict=True))
        hits = await self._hits_of_rows(texts, prepared, options)
        if options.lists and needed:
            facts_asked = [facts[domain] for domain in needed]
            of_domain = dict(zip(needed, await self._list_hits(facts_asked, options.lists), strict=True))
            for index, domain in enumerate(domains):
                found = of_domain.get(addresses[index].domain if index in addresses else domain)
                if found:
                    hits[index] = hits.get(index, ()) + found

        speaking = {domain: facts[domain] for domain in kept if facts[domain].alone is not None}
        rows = [*map(speaking.get, domains)] if not options.explain else [None] * len(texts)
        for index in (*self._recipients.system_among([local for local, _ in parts]), *hits):
            rows[index] = None
        others: dict[int, Verdict] = {}
        for index, row in enumerate(rows) if None in rows else ():
            if row is None:
                item = prepared.get(index) or Prepared(
                    texts[index], texts[index], EmailAddress(*parts[index], texts[index])
                )
                others[index] = await self._judge_row(item, facts, hits.get(index, ()), options)
        verdicts: Verdicts[Verdict] = Verdicts(texts, rows, others)
        for route, count in Counter(verdicts.alone).items():
            if route is not None:
                COUNTERS[route.status, route.reason].count += count
        return verdicts

    async def _prepare_many(
        self, texts: Sequence[str], indices: Sequence[int], options: CheckOptions
    ) -> dict[int, Prepared]:
        """The texts at *indices*, sanitized and parsed; DNS settles their doubts side by side."""
        deadline = time.monotonic() + self._dns_timeout_s
        sanitized = {index: self._sanitize(texts[index]) for index in indices}
        async with asyncio.TaskGroup() as group:
            settling: dict[int, asyncio.Task[Sanitized]] = {
                index: group.create_task(self._settle(found, deadline))
                for index, found in sanitized.items()
                if found.doubt is not None
            }
        sanitized.update((index, task.result()) for index, task in settling.items())
        return {index: self._parse(texts[index], found, options) for index, found in sanitized.items()}

    async def _hits_of_rows(
        self, texts: Sequence[str], prepared: Mapping[int, Prepared], options: CheckOptions
    ) -> dict[int, tuple[Hit, ...]]:
        """Entries for the address of each row, where there are any: one query for all."""
        keys = [text.lower() for text in texts]  # what `address_key` makes of a plain address
        for index, item in prepared.items():
            keys[index] = address_key(item.parsed) if isinstance(item.parsed, EmailAddress) else ""
        asked = [key for key in keys if key] if "" in keys else keys
        hits = await self._blacklist.match_keys(asked, options.lists, details=options.explain) if asked else {}
        return {index: hits[key] for index, key in enumerate(keys) if key in hits} if hits else {}

    async def _judge_row(
        self, item: Prepared, facts: Mapping[str, DomainFacts], hits: tuple[Hit, ...], options: CheckOptions
    ) -> Verdict:
        address = item.parsed
        if isinstance(address, SyntaxFault):
            return self._reject(item, address, options)
        known = facts[address.domain]
        if known.hits:
            hits += await self._blacklist.overridden(address, known.hits)
        verdict = self._judge(item, address, known, hits, options)
        return verdict if verdict.explain is None else await self._with_evidence(verdict, verdict.explain)
