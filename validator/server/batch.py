"""`POST /check/batch`: the same check for up to a thousand addresses, in order."""

from __future__ import annotations

import orjson
from aiohttp import web

from validator import metrics
from validator.bulk.answers import Answer as RowAnswer
from validator.bulk.answers import Answers
from validator.bulk.judging import judge
from validator.bulk.rows import RETRY_AFTER_UNKNOWN_S, WINDOW_ROWS, RowFault, RowOptions, Rows, windows_of
from validator.checker import CheckOptions
from validator.checker.document import verdict_document
from validator.errors import Complaint, LimitExceeded
from validator.server.app_keys import LIMITS, RUNTIME
from validator.server.auth import COUNTED_AS
from validator.server.bodies import read_body, refuse_query, validate_json
from validator.server.list_schemas import BatchRequest, BatchResponse
from validator.server.routes import Answer, Route, Scope
from validator.verdict import Status, Verdict

_JUDGED = metrics.LIST_ROWS.labels("judged")
_FAULTY = metrics.LIST_ROWS.labels("error")


async def post_batch(request: web.Request) -> web.StreamResponse:
    """Check up to a thousand addresses in one request."""
    refuse_query(request)
    runtime = request.app[RUNTIME]
    settings = runtime.settings
    body = validate_json(await read_body(request, settings.batch_max_bytes), BatchRequest)
    if len(body.emails) > settings.batch_max_rows:
        detail = f"more than {settings.batch_max_rows} addresses; use /check/stream"
        raise LimitExceeded(detail, [Complaint("/emails", detail)])
    if (key_id := request.get(COUNTED_AS)) is not None:
        await request.app[LIMITS].spend_rows(key_id, len(body.emails))
    options = RowOptions(
        CheckOptions(sanitize=body.sanitize, explain=body.explain, lists=tuple(body.lists)),
        body.on_unknown or settings.on_unknown,
    )
    answers: list[RowAnswer] = []
    for window in windows_of(Rows(body.emails, [0] * len(body.emails)), WINDOW_ROWS):
        judged = await judge(runtime.checker, window, options)
        count_rows(judged)
        answers += judged
    results = [
        verdict_document(answer) if isinstance(answer, Verdict) else {"index": index, "error": answer.document()}
        for index, answer in enumerate(answers)
    ]
    response = web.Response(body=orjson.dumps({"results": results}), content_type="application/json")
    if any(isinstance(answer, RowFault) or answer.status is Status.UNKNOWN for answer in answers):
        response.headers["Retry-After"] = str(RETRY_AFTER_UNKNOWN_S)
    return response


def count_rows(answers: Answers) -> None:
    """Count rows of a list, judged and unreadable ones."""
    faulty = sum(isinstance(answer, RowFault) for answer in answers.others.values())
    _JUDGED.inc(len(answers) - faulty)
    if faulty:
        _FAULTY.inc(faulty)


ROUTES = (
    Route(
        "POST",
        "/check/batch",
        post_batch,
        "Check up to 1,000 addresses",
        "check",
        Scope.CHECK,
        {
            200: Answer(
                "One result for every address, in order; a row that cannot be decided is an error object.",
                BatchResponse,
                {"Retry-After": "Seconds to wait before asking again; only when some row is undecided."},
            )
        },
        body=BatchRequest,
        problems=(404,),
        max_body_bytes=1_048_576,
        examples={"two addresses": {"emails": ["ivan@gmial.com", "x@fb.com"]}},
    ),
)
