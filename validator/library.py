"""The service as a library: what `import validator` offers beyond plain values."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Self

from validator.bulk.judging import judge_windows
from validator.bulk.rows import RowOptions
from validator.bulk.texts import rows_of_texts
from validator.checker import CheckOptions, WindowPipeline
from validator.feedback.classify import Classification, Classifier
from validator.reference import load_reference
from validator.runtime import open_pipeline
from validator.sanitize import Sanitized, Sanitizer
from validator.settings import OnUnknown, Settings
from validator.verdict import Verdict


class Checker:
    """The check as a library: `async with Checker.open() as checker: verdict = await checker.check(text)`.

    Safe for any number of tasks of one event loop.
    """

    def __init__(self, pipeline: WindowPipeline) -> None:
        """Over stages that are open already; `Checker.open` opens them."""
        self._pipeline = pipeline

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings | None = None) -> AsyncIterator[Self]:
        """A checker over its own resolver and the configured blacklist; by default configured from the environment."""
        async with open_pipeline(settings) as pipeline:
            yield cls(pipeline)

    async def check(
        self, text: str, *, sanitize: bool = True, explain: bool = False, lists: Sequence[str] = ()
    ) -> Verdict:
        """The verdict on one address. Never raises for bad input or DNS trouble; raises `StorageUnavailable`.

        Raises `UnknownList` for a name in *lists* that no list has.
        """
        return await self._pipeline.check(text, CheckOptions(sanitize, explain, tuple(lists)))

    async def check_many(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        sanitize: bool = True,
        explain: bool = False,
        lists: Sequence[str] = (),
    ) -> AsyncIterator[Verdict]:
        """Verdicts in order, for any number of texts; a bounded number of windows of 1,000 is held at once."""
        options = RowOptions(CheckOptions(sanitize, explain, tuple(lists)), OnUnknown.ACCEPT)
        judged = judge_windows(self._pipeline, rows_of_texts(texts), options)
        async with aclosing(judged):
            async for _, answers in judged:
                for answer in answers:
                    assert isinstance(answer, Verdict)
                    yield answer


@cache
def _sanitizer() -> Sanitizer:
    return Sanitizer(load_reference(None))


def sanitize_text(text: str) -> Sanitized:
    """Repair *text* by the tables that came with the package, without asking DNS; never raises for any string.

    The first call reads the tables. A middling repair is in `suggestion`; `doubt` names what DNS could settle.
    """
    return _sanitizer().sanitize(text)


@cache
def _classifier() -> Classifier:
    return Classifier(load_reference(None))


def classify_reply(text: str, *, code: int | None = None, enhanced_status: str = "") -> Classification:
    """What the reply of a mail server means: reason, disposition, whose fault; the first call reads the rules."""
    return _classifier().classify_text(text, code=code, enhanced_status=enhanced_status)
