"""JSON log lines on standard error, one event each; never an address, a key or a header value.

An exception is told as its type and where it was raised, never by its words or its variables: both can hold what was
sent. Words of foreign loggers have everything around an `@` hidden.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO, cast

import orjson
import structlog
from structlog.types import EventDict, WrappedLogger

from validator import metrics
from validator.settings import LogLevel

FRAMES_KEPT: Final = 12
FOREIGN_CHARS_KEPT: Final = 300
_ADDRESS = re.compile(r"[^\s'\"<>]*@[^\s'\"<>]*")


class LogStream:
    """Standard error that cannot fail: on a full disk, or with its reader gone, lines are lost and answers are not."""

    def write(self, text: str) -> int:
        """Write, or count the loss."""
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError):
            metrics.LOG_LOST.inc()
            return len(text)

    def flush(self) -> None:
        """The same."""
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            metrics.LOG_LOST.inc()


def configure_logging(level: LogLevel) -> None:
    """Set up structlog and the standard library's loggers once, at the start of the process."""
    stream = LogStream()
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exception_without_words,
    ]
    render = structlog.processors.JSONRenderer(serializer=_serialise)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, hide_addresses, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def exception_without_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """`exc_info` as a list of types with the frames of the last one: file, line, function."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()[1]
    elif isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["exception"] = _types(raised)
        event["frames"] = _frames(raised.__traceback__)
    event.pop("exception_only", None)
    return event


def hide_addresses(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A foreign event as one short line without anything that looks like an address."""
    words = str(event.get("event", ""))[:FOREIGN_CHARS_KEPT]
    event["event"] = _ADDRESS.sub("(hidden)", words)
    return event


def _types(raised: BaseException) -> list[str]:
    found: list[str] = []
    error: BaseException | None = raised
    while error is not None and len(found) < 5:
        found.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    return found


def _frames(last: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(last)[-FRAMES_KEPT:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _serialise(value: object, **_: object) -> str:
    return orjson.dumps(value, default=str).decode()
