"""The wire contract of lists as pydantic models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, RootModel

from validator.server.schemas import CheckResponse, ListName
from validator.server.wire_types import Wire
from validator.settings import OnUnknown

MAX_LISTS = 16


class BatchRequest(Wire):
    """Up to 1,000 addresses (a setting) and how to look at them; the options of `POST /check`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    emails: list[str] = Field(description="The texts that were typed.", examples=[["ivan@gmial.com", "x@fb.com"]])
    sanitize: bool = Field(True, description="Repair before judging. With false nothing is changed.")
    explain: bool = Field(False, description="Return the evidence behind each verdict.")
    on_unknown: OnUnknown | None = Field(
        None, description="Row that DNS could not decide: `status: unknown`, or an error object. Default: a setting."
    )
    lists: list[ListName] = Field(
        default_factory=list, max_length=MAX_LISTS, description="Named exclusion lists that apply besides `default`."
    )


class RowError(Wire):
    """Why a row has no verdict; the members of a problem document."""

    type: str = Field(description="`about:blank`, or a relative reference that names the kind of problem.")
    status: int = Field(description="The HTTP status that the same fault has in `POST /check`.")
    detail: str = Field(description="In words; never quotes the row.")
    retry_after_s: int | None = Field(None, description="When to ask again, where that helps.")


class BatchRowError(Wire):
    """A row of a batch without a verdict, in its place."""

    index: int = Field(description="0-based place in `emails`.")
    error: RowError = Field(description="Why.")


class BatchResponse(Wire):
    """One result for every address, in order."""

    results: list[CheckResponse | BatchRowError] = Field(description="Same order and length as `emails`.")


class LineError(Wire):
    """A row of a stream without a verdict, in its place."""

    line: int = Field(description="1-based line on which the row began.")
    error: RowError = Field(description="Why.")
    final: bool = Field(False, description="True when the stream had to end here; later rows were not judged.")


class ListSummary(Wire):
    """What a stream came to."""

    rows: int = Field(description="Rows answered, errors included.")
    errors: int = Field(description="Rows without a verdict.")
    repaired: int = Field(description="Rows whose `email` differs from `orig`.")
    suggested: int = Field(description="Rows with a suggestion.")
    statuses: dict[str, int] = Field(description="Rows by status.")
    reasons: dict[str, int] = Field(description="Rows by reason.")
    complete: bool = Field(description="False when the stream had to end early.")


class SummaryLine(Wire):
    """The last line, when `summary=true` asked for it."""

    summary: ListSummary = Field(description="Counts over the whole stream.")


class StreamLine(RootModel[CheckResponse | LineError | SummaryLine]):
    """One line of the answer: a verdict, an error, or the summary at the end."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class StreamQuery(Wire):
    """How a stream is read, judged and written; the options hold for every row that brings none of its own."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["ndjson", "csv", "tsv"] | None = Field(
        None, description="What is sent; default: by Content-Type, NDJSON for any but `text/csv` and TSV."
    )
    output: Literal["ndjson", "csv"] | None = Field(
        None, description="What is answered; default: by Accept, NDJSON unless `text/csv` is asked for."
    )
    column: str | None = Field(
        None, min_length=1, max_length=200, description="Table: name or 1-based number of the column of addresses."
    )
    header: bool | None = Field(None, description="Table: whether the first record names the columns; default: look.")
    sanitize: bool = Field(True, description="Repair before judging.")
    explain: bool = Field(False, description="Return the evidence. A row of CSV has no room for it and goes without.")
    on_unknown: OnUnknown | None = Field(None, description="Row that DNS could not decide: a verdict, or an error.")
    lists: Annotated[list[ListName], BeforeValidator(_as_list)] = Field(
        default_factory=list, max_length=MAX_LISTS, description="Named exclusion lists; may be given several times."
    )
    summary: bool = Field(False, description="End with a line of counts. CSV output has no such line.")
    formulas: Literal["defuse", "raw"] = Field(
        "defuse", description="CSV output: put `'` before a cell that a spreadsheet would run, or leave all as is."
    )
