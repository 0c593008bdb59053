"""`POST /check/stream` from the outside."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import examples
from tests.service import Service, service
from validator.errors import StorageUnavailable

TEXTS = [
    "anna@acme.test", "Ivan@gmial.com", "x@fb.com", "not an address", "Test@Example.com", "a@broken-dns.test",
    "test@gmail.com", "шмфт@ьфшд.кг", " anna@acme.test ", "sales@no-mail.test", "", "a,b@acme.test", 'q"@acme.test',
]  # fmt: skip


async def stream(running: Service, body: Any, *, query: str = "", **headers: str) -> list[Any]:
    """The lines of the answer, decoded."""
    response = await running.client.post(f"/check/stream{query}", data=body, headers=headers)
    assert response.status == 200, await response.text()
    assert response.content_type == "application/x-ndjson"
    return [json.loads(line) for line in (await response.read()).splitlines()]


def ndjson(values: Sequence[object]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


async def chunked(data: bytes, *cuts: int) -> AsyncIterator[bytes]:
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, stop in itertools.pairwise(borders):
        yield data[start:stop]
        await asyncio.sleep(0)


async def chunked_slowly(data: bytes, *cuts: int) -> AsyncIterator[bytes]:
    """The same with the service having read each piece before the next is sent."""
    async for piece in chunked(data, *cuts):
        yield piece
        await asyncio.sleep(0.02)


async def test_answers_are_those_of_single_checks_in_order(running: Service) -> None:
    assert await stream(running, ndjson(TEXTS)) == [await running.check(text) for text in TEXTS]


async def test_objects_carry_options_of_their_own(running: Service) -> None:
    await running.client.put("/blacklist/lists/newsletter", data=b"{}")
    rows: list[Any] = [
        {"email": "Ivan@gmial.com", "sanitize": False},
        "Ivan@gmial.com",
        {"email": "a@broken-dns.test", "on_unknown": "error"},
        {"email": "a@broken-dns.test", "on_unknown": "accept"},
        {"email": "x@fb.com", "lists": ["newsletter"]},
    ]
    answers = await stream(running, ndjson(rows))
    assert answers[0] == await running.check("Ivan@gmial.com", sanitize=False)
    assert answers[1] == await running.check("Ivan@gmial.com")
    assert answers[2]["line"] == 3
    assert answers[2]["error"]["status"] == 503
    assert answers[3]["status"] == "unknown"
    assert answers[4]["reason"] == "application"


async def test_a_row_that_names_a_list_that_there_is_not_is_an_error_of_its_own(running: Service) -> None:
    answers = await stream(running, ndjson([{"email": "x@fb.com", "lists": ["newsleter"]}, "x@fb.com"]))
    assert (answers[0]["line"], answers[0]["error"]["status"]) == (1, 404)
    assert "newsleter" in answers[0]["error"]["detail"]
    assert answers[1]["reason"] == "application"
    refused = await running.client.post("/check/stream?lists=newsleter", data=ndjson(["x@fb.com"]))
    assert refused.status == 404


async def test_query_options_hold_for_every_row_without_its_own(running: Service) -> None:
    rows: list[Any] = ["Ivan@gmial.com", {"email": "Ivan@gmial.com", "sanitize": True}]
    for name in "ab":
        await running.client.put(f"/blacklist/lists/{name}", data=b"{}")
    query = "?sanitize=false&on_unknown=error&lists=a&lists=b&explain=true"
    untouched, repaired = await stream(running, ndjson(rows), query=query)
    assert (untouched["email"], repaired["email"]) == ("Ivan@gmial.com", "Ivan@gmail.com")
    assert untouched["explain"]["findings"]


BAD_LINES = [
    (b"{", 400), (b"nonsense", 400), (b"5", 422), (b"null", 422), (b'["a@acme.test"]', 422), (b"{}", 422),
    (b'{"email": 5}', 422), (b'{"email": "a@b.c", "sanitise": true}', 422), (b'{"email": "a", "email": "b"}', 422),
    (b'{"email": "a", "sanitize": 1}', 422), (b'{"email": "a", "lists": ["A B"]}', 422), (b'"\xff"', 400),
    (b'"a" "b"', 400), (b'"a", "b"', 400), (b'"\\ud800"', 400), (b'{"email": "a", "on_unknown": "perhaps"}', 422),
    (b"[" * 2_000, 400),
]  # fmt: skip


async def test_a_bad_line_is_an_error_on_its_own_line_and_the_rest_goes_on(running: Service) -> None:
    body = b""
    for line, _ in BAD_LINES:
        body += line + b'\n"anna@acme.test"\n'
    answers = await stream(running, body)
    good = await running.check("anna@acme.test")
    assert answers[1::2] == [good] * len(BAD_LINES)
    found = [(answer["line"], answer["error"]["status"]) for answer in answers[::2]]
    assert found == [(1 + 2 * index, status) for index, (_, status) in enumerate(BAD_LINES)]


async def test_lines_that_only_together_are_json_are_bad_lines_each(running: Service) -> None:
    body = b'"a","b"\n{"email":"c"\n"sanitize":true}\n{"x":[{}\n{}]}\n"anna@acme.test"\n'
    answers = await stream(running, body)
    assert [answer.get("line") for answer in answers] == [1, 2, 3, 4, 5, None]


async def test_blank_lines_count_but_have_no_answer(running: Service) -> None:
    answers = await stream(running, b'\n"anna@acme.test"\r\n  \n\r\nbad\n\n"x@fb.com"')
    assert [answer.get("line") for answer in answers] == [None, 5, None]
    assert len(answers) == 3


async def test_a_byte_order_mark_is_no_part_of_the_first_line(running: Service) -> None:
    assert (await stream(running, b'\xef\xbb\xbf"anna@acme.test"'))[0]["valid"] is True


async def test_an_empty_body_has_no_answers(running: Service) -> None:
    assert await stream(running, b"") == []


async def test_a_long_line_is_an_error_and_dropped_as_it_comes(tmp_path: Path) -> None:
    async with service(tmp_path, stream_max_line_bytes=1_024) as running:
        body = b'"anna@acme.test"\n"' + b"x" * 500_000 + b'"\n"x@fb.com"\n' + b"y" * 2_000
        answers = await stream(running, chunked(body, 100, 40_000, 300_000))
    assert [answer.get("line") for answer in answers] == [None, 2, None, 4]
    assert answers[1]["error"]["status"] == 413


async def test_the_summary_is_the_last_line_when_asked_for(running: Service) -> None:
    *answers, last = await stream(running, ndjson(TEXTS) + b"bad\n", query="?summary=true")
    summary = last["summary"]
    assert summary["rows"] == len(answers) == len(TEXTS) + 1
    assert summary["errors"] == 1
    assert summary["complete"] is True
    for status, count in summary["statuses"].items():
        assert count == sum(answer.get("status") == status for answer in answers)
    for reason, count in summary["reasons"].items():
        assert count == sum(answer.get("reason") == reason for answer in answers)


# --- tables ---------------------------------------------------------------------------------------------------------


def as_csv(rows: Sequence[Sequence[str]], delimiter: str = ",") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    return buffer.getvalue().encode()


@pytest.mark.parametrize(
    ("header", "query"),
    [
        (["id", "Email", "name"], ""),
        (["id", "contact", "name"], "?column=contact"),
        (["id", "contact", "name"], "?column=2"),
        (["id", "contact", "name"], "?column=con*"),
        (None, "?column=2"),
        (None, "?column=2&header=false"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_the_column_is_found_by_name_number_or_header(
    running: Service, header: list[str] | None, query: str, delimiter: str
) -> None:
    rows = [[str(number), text, "a, b; c"] for number, text in enumerate(TEXTS)]
    if header is None:
        rows = [row for row in rows if "@" in row[1]]
    body = as_csv([header, *rows] if header else rows, delimiter)
    answers = await stream(running, body, query=query, **{"Content-Type": "text/csv"})
    assert answers == [await running.check(row[1]) for row in rows]


async def test_a_table_without_a_known_column_is_refused(running: Service) -> None:
    for body, query in ((b"id,name\n1,2\n", ""), (b"id,name\n1,2\n", "?column=mail"), (b"a\nb\n", "?column=7")):
        response = await running.client.post(f"/check/stream{query}", data=body, headers={"Content-Type": "text/csv"})
        assert response.status == 422
        assert response.content_type == "application/problem+json"


async def test_csv_comes_back_with_its_own_cells_and_ours(running: Service) -> None:
    body = as_csv([["id", "email", "note"], ["1", "Ivan@gmial.com", "a\nb"], ["2"], ["3", "x@fb.com", "=1+1", "more"]])
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    response = await running.client.post("/check/stream", data=body, headers=headers)
    assert response.content_type == "text/csv"
    rows = list(csv.reader(io.StringIO(await response.text())))
    assert rows[0] == ["id", "orig_email", "note", "valid", "email", "reason", "status", "suggestion", "error"]
    assert rows[1] == ["1", "Ivan@gmial.com", "a\nb", "true", "Ivan@gmail.com", "", "valid", "", ""]
    assert rows[2][:2] == ["2", ""]
    assert rows[2][-1]
    assert rows[3] == ["3", "x@fb.com", "'=1+1", "false", "x@fb.com", "application", "invalid", "", ""]
    raw = await running.client.post("/check/stream?output=csv&formulas=raw", data=body, headers=headers)
    assert "=1+1" in [row[2] for row in csv.reader(io.StringIO(await raw.text()))]


async def test_ndjson_in_and_csv_out(running: Service) -> None:
    response = await running.client.post("/check/stream?output=csv", data=ndjson(["+a@acme.test", "=cmd()"]))
    rows = list(csv.reader(io.StringIO(await response.text())))
    assert rows[0][0] == "orig"
    assert [row[0] for row in rows[1:]] == ["+a@acme.test", "'=cmd()"]


async def test_an_open_quote_spoils_one_line(running: Service) -> None:
    body = b'email,n\n"anna@acme.test,1\nx@fb.com,2\ntest@gmail.com,3\n'
    answers = await stream(running, body, **{"Content-Type": "text/csv"})
    assert [answer.get("line", answer.get("orig")) for answer in answers] == [2, "x@fb.com", "test@gmail.com"]


async def test_csv_goes_without_what_it_has_no_room_for(running: Service) -> None:
    response = await running.client.post("/check/stream?output=csv&explain=true&summary=true", data=b'"a@acme.test"')
    assert response.status == 200
    assert len((await response.text()).splitlines()) == 2


async def test_a_query_that_means_nothing_is_refused(running: Service) -> None:
    for query in ("?output=xml", "?colunm=1", "?lists=A%20B"):
        response = await running.client.post(f"/check/stream{query}", data=b'"a@acme.test"')
        assert response.status == 422
        assert (await response.json())["errors"][0]["pointer"].startswith("/query/")


# --- gzip -----------------------------------------------------------------------------------------------------------


async def test_gzip_both_ways(running: Service) -> None:
    body = gzip.compress(ndjson(TEXTS[:6])) + gzip.compress(ndjson(TEXTS[6:]))
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    response = await running.client.post("/check/stream", data=chunked(body, 3, 50, 51), headers=headers)
    assert response.headers["Content-Encoding"] == "gzip"
    answers = [json.loads(line) for line in (await response.read()).splitlines()]
    assert answers == [await running.check(text) for text in TEXTS]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_a_sender_may_part_the_bytes_that_tell_what_the_body_is(
    pack: Callable[[bytes], bytes], encoding: str, running: Service
) -> None:
    body = pack(ndjson(TEXTS[:2]).decode().encode(encoding))
    response = await running.client.post("/check/stream", data=chunked_slowly(body, 1, 2, 3))
    answers = [json.loads(line) for line in (await response.read()).splitlines()]
    assert answers == [await running.check(text) for text in TEXTS[:2]]


async def test_plain_answers_for_clients_without_gzip(running: Service) -> None:
    for accepted in ("identity", "gzip;q=0", ""):
        headers = {"Accept-Encoding": accepted}
        response = await running.client.post("/check/stream", data=ndjson(TEXTS), headers=headers)
        assert "Content-Encoding" not in response.headers


async def test_a_cut_off_or_damaged_gzip_body_ends_with_a_final_error(running: Service) -> None:
    whole = gzip.compress(ndjson([f"user{number}@acme.test" for number in range(5_000)]))
    for body in (whole[:-12], whole[:-400] + b"\0" * 400):
        *answers, last = await stream(running, body, query="?summary=true", **{"Content-Encoding": "gzip"})
        assert last["summary"]["complete"] is False
        assert answers[-1]["final"] is True
        assert answers[-1]["error"]["status"] == 422
    # without the damage in the middle, everything that was whole is judged
    assert len(await stream(running, whole[:-12], **{"Content-Encoding": "gzip"})) > 4_000


async def test_other_encodings_are_refused(running: Service) -> None:
    response = await running.client.post("/check/stream", data=b"x", headers={"Content-Encoding": "compress"})
    assert response.status == 415


async def test_a_decompression_bomb_is_cut_off_at_the_limit_on_total_bytes(tmp_path: Path) -> None:
    async with service(tmp_path, stream_max_bytes=1_000_000) as running:
        body = gzip.compress(b'"anna@acme.test"\n' * 400_000)
        *answers, last = await stream(running, body, **{"Content-Encoding": "gzip"})
        assert last["final"] is True
        assert last["error"]["status"] == 413
        assert len(answers) <= 1_000_000 / 17
        plain = await running.client.post("/check/stream", data=io.BytesIO(b'"anna@acme.test"\n' * 100_000))
        assert plain.status == 413


# --- equality with single checks ------------------------------------------------------------------------------------


@settings(max_examples=examples(40))
@given(data=st.data())
def test_any_chunking_and_format_gives_the_answers_of_single_checks(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = data.draw(st.lists(st.sampled_from(TEXTS), max_size=30), "texts")
    kind = data.draw(st.sampled_from(["strings", "objects", "mixed", "csv", "tsv"]), "kind")
    cuts = data.draw(st.lists(st.integers(0, 5_000), max_size=8), "cuts")
    zipped = data.draw(st.booleans(), "gzip")
    headers: dict[str, str] = {}
    if kind in {"csv", "tsv"}:
        headers["Content-Type"] = "text/csv" if kind == "csv" else "text/tab-separated-values"
        body = as_csv([["n", "email"], *(["1", text] for text in texts)], "," if kind == "csv" else "\t")
    else:
        body = ndjson(
            [
                {"email": text} if kind == "objects" or (kind == "mixed" and index % 3) else text
                for index, text in enumerate(texts)
            ]
        )
    if zipped:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"

    async def compare() -> None:
        async with service(tmp_path_factory.mktemp("stream")) as running:
            expected = [await running.check(text) for text in texts]
            assert await stream(running, chunked(body, *cuts), **headers) == expected

    asyncio.run(compare())


# --- peers that stop taking part ------------------------------------------------------------------------------------


async def test_the_first_answers_come_while_rows_are_still_sent(running: Service) -> None:
    sent_all = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield b'"anna@acme.test"\n'
        await sent_all.wait()
        yield b'"x@fb.com"\n'

    response = await running.client.post("/check/stream", data=rows())
    async with asyncio.timeout(5):
        first = await response.content.readline()
        assert json.loads(first)["orig"] == "anna@acme.test"
        sent_all.set()
        assert json.loads(await response.content.readline())["orig"] == "x@fb.com"


async def test_a_silent_sender_gets_what_was_judged_and_a_final_error(tmp_path: Path) -> None:
    async with service(tmp_path, stream_idle_timeout_s=0.3) as running:

        async def rows() -> AsyncIterator[bytes]:
            yield b'"anna@acme.test"\n"half'
            await asyncio.sleep(30)

        response = await running.client.post("/check/stream", data=rows())
        async with asyncio.timeout(5):
            lines = (await response.read()).splitlines()
    assert json.loads(lines[0])["valid"] is True
    assert json.loads(lines[-1])["final"] is True
    assert json.loads(lines[-1])["error"]["status"] == 408


async def test_a_sender_that_never_begins_is_told_so(tmp_path: Path) -> None:
    async with service(tmp_path, stream_idle_timeout_s=0.3) as running:

        async def rows() -> AsyncIterator[bytes]:
            yield b'"half a li'
            await asyncio.sleep(30)

        async with asyncio.timeout(5):
            response = await running.client.post("/check/stream", data=rows())
            assert response.status == 400


async def test_the_work_stops_when_the_client_goes(running: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def endless(texts: Sequence[str], options: object = None) -> list[Any]:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return []

    monkeypatch.setattr(running.runtime.checker, "check_many", endless)
    request = asyncio.ensure_future(running.client.post("/check/stream", data=ndjson(TEXTS)))
    async with asyncio.timeout(5):
        await begun.wait()
        request.cancel()
        await ended.wait()


async def test_a_store_that_fails_before_the_first_answer_is_a_503(
    running: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(texts: Sequence[str], options: object = None) -> list[Any]:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(running.runtime.checker, "check_many", broken)
    response = await running.client.post("/check/stream", data=ndjson(TEXTS))
    assert response.status == 503
    assert response.headers["Retry-After"]


async def test_a_reader_that_does_not_read_stops_the_reading_of_rows(tmp_path: Path) -> None:
    taken = 0

    async def rows() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(3_000):
            yield b'"anna@acme.test"\n' * 500
            taken += 500

    async with service(tmp_path) as running:
        response = await running.client.post("/check/stream", data=rows(), headers={"Accept-Encoding": "identity"})
        before = -1
        while taken != before:
            before = taken
            await asyncio.sleep(0.3)
        assert taken < 500_000
        response.close()


async def test_a_compressed_list_that_expands_without_measure_is_refused(running: Service) -> None:
    bomb = gzip.compress(b"\n" * 40_000_000)
    response = await running.client.post("/check/stream", data=io.BytesIO(bomb), headers={"Content-Encoding": "gzip"})
    assert response.status in {200, 422}
    assert "expands more than" in await response.text()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
async def test_a_table_in_utf_16_is_read_as_such(running: Service, encoding: str) -> None:
    text = "email\nAnna@acme.test\nx@fb.com\n"
    data = text.encode(encoding) if encoding == "utf-16" else b"\xfe\xff" + text.encode(encoding)
    response = await running.client.post("/check/stream", data=data, headers={"Content-Type": "text/csv"})
    lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert [(line["orig"], line["reason"]) for line in lines] == [("Anna@acme.test", None), ("x@fb.com", "application")]
