"""`POST /check/stream`: the same check for a list of any length, in order; answers begin while rows still come in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing

import orjson
from aiohttp import web

from validator import metrics
from validator.bulk.answers import Answers
from validator.bulk.encode import TableEncoder, encode_lines
from validator.bulk.encoding import ToUtf8, with_whole_sign
from validator.bulk.gzipped import Gzip, plain_body
from validator.bulk.judging import judge_windows
from validator.bulk.lines import LineSplitter
from validator.bulk.ndjson import NdjsonDecoder
from validator.bulk.rows import WINDOW_ROWS, RowFault, RowOptions, Rows, windows_of
from validator.bulk.summary import Summary
from validator.bulk.table import TableDecoder, TableShape
from validator.checker import CheckOptions
from validator.errors import LimitExceeded, RequestRefused, StorageUnavailable, ValidatorError
from validator.server.app_keys import LIMITS, RUNTIME
from validator.server.auth import COUNTED_AS
from validator.server.batch import count_rows
from validator.server.bodies import read_query
from validator.server.forms import CSV, NDJSON, accepts_gzip, prefers_csv
from validator.server.list_schemas import StreamLine, StreamQuery
from validator.server.peer import PeerEnd, PeerLost, PeerWatch
from validator.server.problems import ProblemException, from_error
from validator.server.request_id import own_headers
from validator.server.routes import Answer, Media, Route, Scope
from validator.server.schemas import CheckRequest
from validator.settings import Settings

FIRST_WINDOWS = (64, 250)
"""Sizes of the first windows, so that the first answers come soon even when every domain is new."""
HEAD_START_S = 0.05
"""How long the first window has the processor for itself: judging what follows would keep its answers waiting."""
TSV = "text/tab-separated-values"
LAST_WORD_S = 2.0
"""How long the last line of a stream that is given up may take to be sent."""

_ENDS = {end: metrics.LIST_STREAMS_ENDED.labels(end) for end in ("complete", "refused", *PeerEnd)}


async def post_stream(request: web.Request) -> web.StreamResponse:
    """Check a list of any length; answers begin while rows still come in."""
    query = read_query(request, StreamQuery)
    settings = request.app[RUNTIME].settings
    output = query.output or ("csv" if prefers_csv(request.headers.get("Accept", "")) else "ndjson")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise ProblemException(415, "send the body plain or with Content-Encoding: gzip")
    if request.content_length is not None and request.content_length > settings.stream_max_bytes:
        raise LimitExceeded(f"more than {settings.stream_max_bytes} bytes")
    stream = _Stream(request, query, settings, output)
    try:
        async with stream.watch:
            await stream.run()
    except PeerLost as lost:
        _ENDS[lost.end].inc()
        await stream.give_up(lost.end)
    except ConnectionError:
        _ENDS[PeerEnd.GONE].inc()
    return stream.response


class _Stream:
    """One streaming request from its first row to its last answer."""

    def __init__(self, request: web.Request, query: StreamQuery, settings: Settings, output: str) -> None:
        self._request = request
        self._settings = settings
        self._query = query
        self._summary = Summary()
        self._options = RowOptions(
            CheckOptions(sanitize=query.sanitize, explain=query.explain, lists=tuple(query.lists)),
            query.on_unknown or settings.on_unknown,
        )
        kind = query.format or {CSV: "csv", TSV: "tsv"}.get(request.content_type, "ndjson")
        self._table: TableDecoder | None = None
        if kind != "ndjson":
            self._table = TableDecoder(
                TableShape("\t" if kind == "tsv" else None, query.column, query.header),
                max_record_bytes=settings.stream_max_line_bytes,
                keep_records=output == "csv",
            )
        self._encoder = TableEncoder(raw=query.formulas == "raw") if output == "csv" else None
        self._gzip = Gzip() if accepts_gzip(request.headers.get("Accept-Encoding", "")) else None
        self._last_line = 0
        self._begun = asyncio.Event()
        self.watch = PeerWatch(request, settings.stream_idle_timeout_s)
        self.response = web.StreamResponse(headers=own_headers(request))
        self.response.content_type = CSV if output == "csv" else NDJSON
        self.response.charset = "utf-8"
        if self._gzip is not None:
            self.response.headers["Content-Encoding"] = "gzip"
            self.response.headers["Vary"] = "Accept-Encoding"

    async def run(self) -> None:
        """Rows to answers, in order; what is wrong before the first answer is a problem, afterwards a last line."""
        fault: ValidatorError | None = None
        try:
            judged = judge_windows(self._request.app[RUNTIME].checker, self._paced(), self._options)
            async with aclosing(judged):
                async for rows, answers in judged:
                    count_rows(answers)
                    self._summary.add(answers)
                    self._last_line = rows.lines[-1]
                    await self._send(self._encode(rows, answers))
        except (RequestRefused, StorageUnavailable) as error:
            if not self.response.prepared:
                raise
            fault = error
        _ENDS["complete" if fault is None else "refused"].inc()
        await self._end(fault)

    async def give_up(self, end: PeerEnd) -> None:
        """The peer is lost: a last word where somebody may still listen, then close."""
        self.response.force_close()
        transport = self._request.transport
        if end is PeerEnd.SILENT:
            if not self.response.prepared:
                raise ProblemException(400, "the body did not arrive in time", headers={"Connection": "close"})
            try:
                async with asyncio.timeout(LAST_WORD_S):
                    await self._end(RequestRefused("no whole line arrived in time"), status=408)
                    return
            except (TimeoutError, ConnectionError):
                pass
        if transport is not None:
            transport.abort()

    async def _paced(self) -> AsyncIterator[Rows]:
        """Windows no faster than the key's limit of rows lets them through; the client waits, nothing is refused."""
        key_id = self._request.get(COUNTED_AS)
        async for rows in self._windows():
            if key_id is not None:
                await self._request.app[LIMITS].pace_rows(key_id, len(rows))
                self.watch.progress()
            yield rows

    async def _windows(self) -> AsyncIterator[Rows]:
        """Rows as they come in; a window never waits for more than has arrived."""
        decoder = self._table or NdjsonDecoder(self._options)
        splitter = LineSplitter(self._settings.stream_max_line_bytes)
        sizes = iter(FIRST_WINDOWS)
        async for chunk in self._text():
            lines = splitter.feed(chunk)
            if not lines:
                continue
            self.watch.progress()
            rows = decoder.decode(lines)
            while len(rows) > (size := next(sizes, WINDOW_ROWS)):
                yield rows.part(0, size)
                await self._head_start()
                rows = rows.part(size, len(rows))
            if len(rows):
                yield rows
        rows = decoder.decode(splitter.finish())
        rows.extend(decoder.finish())
        for window in windows_of(rows):
            yield window

    async def _head_start(self) -> None:
        """Let the first answers go out before more rows are judged."""
        if not self._begun.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEAD_START_S):
                    await self._begun.wait()
            self._begun.set()

    async def _text(self) -> AsyncIterator[bytes]:
        """The body as UTF-8, counted."""
        total = 0
        to_utf8 = ToUtf8()
        async for piece in with_whole_sign(plain_body(self._body())):
            total += len(piece)
            if total > self._settings.stream_max_bytes:
                raise LimitExceeded(f"more than {self._settings.stream_max_bytes} bytes")
            yield to_utf8.feed(piece)

    async def _body(self) -> AsyncIterator[bytes]:
        content = self._request.content
        while True:
            self.watch.reading = True
            try:
                chunk = await content.readany()
            except web.RequestPayloadError:
                raise RequestRefused("the body is damaged") from None
            finally:
                self.watch.reading = False
            if not chunk:
                return
            yield chunk

    def _encode(self, rows: Rows, answers: Answers) -> bytes:
        if self._encoder is None:
            return encode_lines(answers, rows.lines)
        head = b"" if self.response.prepared else self._encoder.header(self._columns(rows))
        return head + self._encoder.encode(rows, answers)

    def _columns(self, rows: Rows) -> list[str] | None:
        """Names of the input's columns; numbers where it has no header, nothing where it is no table."""
        if self._table is None:
            return None
        if self._table.header is not None:
            return self._table.header
        assert rows.records is not None
        return [f"column_{number}" for number in range(1, len(rows.records[0]) + 1)]

    async def _send(self, piece: bytes) -> None:
        if not self.response.prepared:
            await self.response.prepare(self._request)
        if self._gzip is not None:
            piece = self._gzip.feed(piece)
        self.watch.writing = True
        try:
            await self.response.write(piece)
        finally:
            self.watch.writing = False
        self._begun.set()
        self.watch.progress()

    async def _end(self, fault: ValidatorError | None, status: int | None = None) -> None:
        """The trailer, then the end of the body."""
        lines = []
        if not self.response.prepared and self._encoder is not None:
            columns = self._table.header if self._table is not None else None
            lines.append(self._encoder.header(columns))
        if fault is not None:
            problem = from_error(fault)
            row_fault = RowFault(status or problem.status, problem.detail or str(problem), problem.kind)
            line = self._last_line + 1
            if self._encoder is None:
                document = {"line": line, "error": row_fault.document(), "final": True}
                lines.append(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
            else:
                lines.append(self._encoder.encode(Rows([""], [line], records=[[]]), [row_fault]))
        if self._query.summary and self._encoder is None:
            summary = self._summary.document() | {"complete": fault is None}
            lines.append(orjson.dumps({"summary": summary}, option=orjson.OPT_APPEND_NEWLINE))
        await self._send(b"".join(lines))
        if self._gzip is not None:
            await self.response.write(self._gzip.finish())
        await self.response.write_eof()


_OPTIONS_NOTE = """One row a line, one answer a line, in order.

Rows are judged in windows of up to 1,000 as they arrive.

NDJSON: a JSON string or a check request a line; blank lines are skipped. A table (CSV, TSV): the column of addresses
is found by its header or named with `column`. A row that cannot be read or decided is answered by
`{"line": n, "error": {...}}` in its place and the rest goes on; when the stream itself has to end early, such a line
carries `"final": true`. Bodies may be sent and are answered with `Content-Encoding: gzip`."""

ROUTES = (
    Route(
        "POST",
        "/check/stream",
        post_stream,
        "Check a list of any length",
        "check",
        Scope.CHECK,
        {200: Answer("One answer for every row, in order.", Media((NDJSON, CSV), "Answers.", StreamLine))},
        body=Media((NDJSON, CSV, TSV), "Rows.", CheckRequest, may_be_empty=True),
        query=StreamQuery,
        problems=(404,),
        description=_OPTIONS_NOTE,
    ),
)
