"""`Client` and `AsyncClient`: the same questions, blocking and awaited."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self

from validator.client.answers import AddressError, CheckAnswer, ClientError, read_answer
from validator.client.connection import Connection

BATCH_ROWS = 1_000
"""Addresses of a list that are sent together; the service's default limit."""
OnUnknown = Literal["accept", "error"]


def _options(sanitize: bool, explain: bool, on_unknown: OnUnknown | None, lists: Sequence[str]) -> dict[str, Any]:
    """The options of a check as they go over the wire; defaults are left out."""
    found: dict[str, Any] = {}
    if not sanitize:
        found["sanitize"] = False
    if explain:
        found["explain"] = True
    if on_unknown is not None:
        found["on_unknown"] = on_unknown
    if lists:
        found["lists"] = list(lists)
    return found


def _read_batch(emails: Sequence[str], answer: Any) -> list[CheckAnswer | AddressError]:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != len(emails):
        raise ClientError("the answer does not fit the question")
    return [
        AddressError(email, result["error"]["status"], result["error"]["detail"])
        if "error" in result
        else read_answer(result)
        for email, result in zip(emails, results, strict=True)
    ]


class Client:
    """Asks one service over one connection; not for several threads at once. A context manager."""

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = 30.0, retries: int = 4) -> None:
        """*url* such as `http://127.0.0.1:8080`; *key* as made by `validator keys create`."""
        self._connection = Connection(url, key=key, timeout_s=timeout_s, retries=retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def check(
        self,
        email: str,
        *,
        sanitize: bool = True,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
        lists: Sequence[str] = (),
    ) -> CheckAnswer:
        """The verdict on one address; raises `ClientError`."""
        body = {"email": email, **_options(sanitize, explain, on_unknown, lists)}
        return read_answer(self._connection.ask("/check", body))

    def check_batch(
        self,
        emails: Sequence[str],
        *,
        sanitize: bool = True,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
        lists: Sequence[str] = (),
    ) -> list[CheckAnswer | AddressError]:
        """Answers to up to `BATCH_ROWS` addresses, same order and length; raises `ClientError`."""
        body = {"emails": list(emails), **_options(sanitize, explain, on_unknown, lists)}
        return _read_batch(emails, self._connection.ask("/check/batch", body))

    def check_many(
        self,
        emails: Iterable[str],
        *,
        sanitize: bool = True,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
        lists: Sequence[str] = (),
    ) -> Iterator[CheckAnswer | AddressError]:
        """Answers to any number of addresses, in order, never more than a batch in memory."""
        rest = iter(emails)
        while batch := list(islice(rest, BATCH_ROWS)):
            yield from self.check_batch(batch, sanitize=sanitize, explain=explain, on_unknown=on_unknown, lists=lists)


class AsyncClient:
    """The same, awaited: up to *connections* requests at once, each in a thread of its own. Safe for many tasks."""

    def __init__(
        self, url: str, *, key: str | None = None, timeout_s: float = 30.0, retries: int = 4, connections: int = 8
    ) -> None:
        """*url* and *key* as for `Client`."""
        self._idle: queue.LifoQueue[Client] = queue.LifoQueue()
        for _ in range(connections):
            self._idle.put(Client(url, key=key, timeout_s=timeout_s, retries=retries))
        self._places = asyncio.Semaphore(connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    async def check(
        self,
        email: str,
        *,
        sanitize: bool = True,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
        lists: Sequence[str] = (),
    ) -> CheckAnswer:
        """The verdict on one address; raises `ClientError`."""
        async with self._places:
            return await asyncio.to_thread(
                self._check, email, sanitize=sanitize, explain=explain, on_unknown=on_unknown, lists=lists
            )

    async def check_batch(
        self,
        emails: Sequence[str],
        *,
        sanitize: bool = True,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
        lists: Sequence[str] = (),
    ) -> list[CheckAnswer | AddressError]:
        """Answers to up to `BATCH_ROWS` addresses, same order and length; raises `ClientError`."""
        async with self._places:
            return await asyncio.to_thread(
                self._check_batch, emails, sanitize=sanitize, explain=explain, on_unknown=on_unknown, lists=lists
            )

    async def check_many(
        self,
        emails: Iterable[str] | AsyncIterable[str],
        *,
        sanitize: bool = True,
        explain: bool = False,
        on_unknown: OnUnknown | None = None,
        lists: Sequence[str] = (),
    ) -> AsyncIterator[CheckAnswer | AddressError]:
        """Answers to any number of addresses, in order, never more than a batch in memory."""
        async for batch in _batches(emails):
            answers = await self.check_batch(
                batch, sanitize=sanitize, explain=explain, on_unknown=on_unknown, lists=lists
            )
            for answer in answers:
                yield answer

    def _check(self, email: str, **options: Any) -> CheckAnswer:
        client = self._idle.get()  # who was cancelled gave its place up, but its thread still has the client
        try:
            return client.check(email, **options)
        finally:
            self._idle.put(client)

    def _check_batch(self, emails: Sequence[str], **options: Any) -> list[CheckAnswer | AddressError]:
        client = self._idle.get()
        try:
            return client.check_batch(emails, **options)
        finally:
            self._idle.put(client)


async def _batches(emails: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[list[str]]:
    """The addresses in lists of `BATCH_ROWS`; a slow source is not waited for with a full list alone."""
    if isinstance(emails, Iterable):
        rest = iter(emails)
        while batch := list(islice(rest, BATCH_ROWS)):
            yield batch
        return
    gathered: list[str] = []
    async for email in emails:
        gathered.append(email)
        if len(gathered) == BATCH_ROWS:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
