"""Windows judged side by side: in order, never far ahead, nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from validator.bulk.judging import judge_windows
from validator.bulk.rows import RowFault, RowOptions, Rows
from validator.bulk.summary import DOMAINS_COUNTED, Summary
from validator.bulk.texts import rows_of_texts
from validator.checker import CheckOptions
from validator.errors import StorageUnavailable
from validator.settings import OnUnknown
from validator.verdict import Reason, Status, Verdict

OPTIONS = RowOptions(CheckOptions(), OnUnknown.ACCEPT)


def verdict(text: str) -> Verdict:
    return Verdict(text, True, text, None, Status.VALID, None, domain="b.c")


class Slow:
    """Answers windows in the order that the test says."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []

    async def check_many(self, texts: Sequence[str], options: CheckOptions = OPTIONS.check) -> list[Verdict]:
        self.begun.append(texts[0])
        gate = self.gates.get(texts[0])
        if gate is not None:
            await gate.wait()
        if texts[0] == "broken":
            raise StorageUnavailable("gone")
        return [verdict(text) for text in texts]


async def windows(*firsts: str) -> AsyncIterator[Rows]:
    for number, first in enumerate(firsts, 1):
        yield Rows([first, "x"], [2 * number - 1, 2 * number])


async def test_order_is_kept_when_the_first_window_is_slow() -> None:
    checker = Slow()
    checker.gates["a"] = asyncio.Event()
    judged = judge_windows(checker, windows("a", "b", "c"), OPTIONS)
    first = asyncio.ensure_future(anext(judged))
    for _ in range(100):
        await asyncio.sleep(0)
    assert checker.begun == ["a", "b", "c"]
    checker.gates["a"].set()
    rows, _ = await first
    assert [rows.texts[0], *[rows.texts[0] async for rows, _ in judged]] == ["a", "b", "c"]


async def test_no_more_windows_are_read_than_may_be_under_way() -> None:
    checker = Slow()
    checker.gates["0"] = asyncio.Event()
    read = 0

    async def endless() -> AsyncIterator[Rows]:
        nonlocal read
        while True:
            yield Rows([str(read)], [read + 1])
            read += 1

    judged = judge_windows(checker, endless(), OPTIONS, ahead=3)
    first = asyncio.ensure_future(anext(judged))
    for _ in range(100):
        await asyncio.sleep(0)
    assert read <= 3
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_an_error_comes_after_the_answers_before_it() -> None:
    judged = judge_windows(Slow(), windows("a", "broken", "c"), OPTIONS)
    assert (await anext(judged))[0].texts[0] == "a"
    with pytest.raises(StorageUnavailable):
        await anext(judged)


async def test_closing_cancels_what_is_under_way() -> None:
    checker = Slow()
    checker.gates["b"] = asyncio.Event()
    judged = judge_windows(checker, windows("a", "b"), OPTIONS)
    await anext(judged)
    await judged.aclose()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_faults_and_options_of_rows_are_kept_apart() -> None:
    class Unknown(Slow):
        async def check_many(self, texts: Sequence[str], options: CheckOptions = OPTIONS.check) -> list[Verdict]:
            return [Verdict(text, True, text, None, Status.UNKNOWN, None) for text in texts]

    async def one() -> AsyncIterator[Rows]:
        rows = Rows(["a", "", "c"], [1, 2, 3], faults={1: RowFault(400, "bad")})
        rows.options[2] = RowOptions(CheckOptions(), OnUnknown.ERROR)
        yield rows

    [(_, answers)] = [item async for item in judge_windows(Unknown(), one(), OPTIONS)]
    assert isinstance(answers[0], Verdict)
    assert [answer.status for answer in answers[1:] if isinstance(answer, RowFault)] == [400, 503]


async def test_a_slow_source_of_texts_is_not_waited_for() -> None:
    more = asyncio.Event()

    async def source() -> AsyncIterator[str]:
        yield "a"
        await more.wait()
        for number in range(2_500):
            yield str(number)

    blocks = rows_of_texts(source())
    assert (await anext(blocks)).texts == ["a"]
    more.set()
    rest = [rows async for rows in blocks]
    assert [text for rows in rest for text in rows.texts] == [str(number) for number in range(2_500)]
    assert max(len(rows) for rows in rest) <= 1_000
    assert [line for rows in rest for line in rows.lines] == list(range(2, 2_502))


async def test_an_error_of_the_source_is_raised() -> None:
    async def source() -> AsyncIterator[str]:
        yield "a"
        raise ValueError("source")

    with pytest.raises(ValueError, match="source"):
        _ = [rows async for rows in rows_of_texts(source())]


def test_counts_of_parts_are_the_counts_of_the_whole() -> None:
    answers = [
        verdict("a@b.c"),
        Verdict("X@Y.z", False, "X@y.z", Reason.MX_RECORD, Status.INVALID, "x@y.za", domain="y.z"),
        RowFault(400, "bad"),
        Verdict("u@v.w", True, "u@v.w", None, Status.UNKNOWN, None, domain="v.w"),
    ]
    whole, parts = Summary(), Summary()
    whole.add(answers)
    for answer in answers:
        part = Summary()
        part.add([answer])
        parts.merge(part)
    assert whole == parts == Summary.from_state(whole.state())
    assert whole.document()["reasons"]["mx_record"] == 1
    assert (whole.rows, whole.errors, whole.repaired, whole.suggested) == (4, 1, 1, 1)


def test_counts_of_domains_are_bounded() -> None:
    summary = Summary()
    for number in range(3 * DOMAINS_COUNTED):
        bad = Verdict("a", False, "a", Reason.MX_RECORD, Status.INVALID, None, domain=f"d{number}.test")
        often = Verdict("a", False, "a", Reason.MX_RECORD, Status.INVALID, None, domain="often.test")
        summary.add([bad, often])
    assert len(summary.bad_domains) <= DOMAINS_COUNTED
    assert summary.top_domains()[0] == ("often.test", 3 * DOMAINS_COUNTED)
