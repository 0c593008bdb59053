"""Answers recorded in a file and played back: the same verdicts without a network, for CI and for a bug report.

One JSON object a line, sorted by name and type, failures included, so that a recorded outage replays as an outage.
What the file does not hold is the fault NOT_RECORDED, never "no such name".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from validator.errors import SettingsError
from validator.mx.answer import Answer, AnswerKind, Fault, RecordType, failed
from validator.mx.health import ServerHealth, ServerState
from validator.mx.source import AnswerSource, OnAnswer
from validator.mx.special import canonical_address

Key = tuple[str, int]


def read_snapshot(lines: Iterable[str]) -> dict[Key, Answer]:
    """The answers of a snapshot; raises `SettingsError` naming the line."""
    answers = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields: dict[str, Any] = json.loads(line)
            rtype = RecordType[fields["type"]]
            kind = AnswerKind(fields["answer"])
            records = tuple(_record(rtype, raw) for raw in fields["records"])
            if bool(records) is not (kind is AnswerKind.RECORDS):
                raise ValueError("records and the sort of answer disagree")
            ttl_s = None if fields["ttl_s"] is None else int(fields["ttl_s"])
            fault = Fault(fields["fault"]) if kind is AnswerKind.FAILED else None
            answers[str(fields["name"]), int(rtype)] = Answer(kind, records, ttl_s, fault, int(fields["aliases"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"snapshot, line {number}: not a recorded answer") from error
    return answers


def _record(rtype: RecordType, raw: Any) -> Any:
    """One record as `Answer.records` holds it; ValueError or TypeError when *raw* is none of that type."""
    if rtype is RecordType.MX:
        preference, host = raw
        return int(preference), _text(host)
    if rtype in (RecordType.A, RecordType.AAAA):
        return canonical_address(ip_address(_text(raw)).packed)
    return _text(raw)


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError("not a text")
    return raw


def write_snapshot(answers: dict[Key, Answer]) -> str:
    """The text of a snapshot."""
    lines = []
    for (name, rtype), answer in sorted(answers.items()):
        fields = {
            "name": name,
            "type": RecordType(rtype).name,
            "answer": answer.kind.value,
            "records": answer.records,
            "ttl_s": answer.ttl_s,
            "aliases": answer.aliases,
            "fault": answer.fault.value if answer.fault is not None else None,
        }
        lines.append(json.dumps(fields) + "\n")
    return "".join(lines)


class RecordingSource:
    """Passes questions on and writes every answer to a file when closed; an `AnswerSource`."""

    def __init__(self, source: AnswerSource, path: Path) -> None:
        """*source* answers; *path* is replaced on closing."""
        self._source = source
        self._path = path
        self._answers: dict[Key, Answer] = {}

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Pass the question on and remember the answer."""

        def remember(answer: Answer) -> None:
            self._answers[name, int(rtype)] = answer
            on_answer(answer)

        self._source.ask(name, rtype, deadline, remember)

    def is_down(self) -> bool:
        """As the source is."""
        return self._source.is_down()

    async def invented_addresses(self) -> frozenset[str]:
        """As the source finds; not recorded."""
        return await self._source.invented_addresses()

    def health(self) -> tuple[ServerHealth, ...]:
        """As the source is."""
        return self._source.health()

    def on_recovery(self, callback: Callable[[], None]) -> None:
        """Passed on."""
        self._source.on_recovery(callback)

    async def start(self) -> None:
        """Start the source; raises `SettingsError` when the file cannot be written, before anything is asked."""
        self._write()
        await self._source.start()

    async def aclose(self) -> None:
        """Write the file and close the source. What was interrupted by closing is not recorded."""
        answers, self._answers = self._answers, {}
        await self._source.aclose()
        self._answers = answers
        self._write()

    def _write(self) -> None:
        try:
            self._path.write_text(write_snapshot(self._answers), encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"snapshot {self._path.name}: {error.strerror}") from error


class ReplaySource:
    """Answers from a snapshot, at once; an `AnswerSource`."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises `SettingsError` when it cannot be read or parsed."""
        try:
            self._answers = read_snapshot(path.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"snapshot {path.name}: {error}") from error
        self._name = f"snapshot {path.name}"

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Answer from the snapshot; never waits, so *deadline* has no effect."""
        del deadline
        on_answer(self._answers.get((name, int(rtype))) or failed(Fault.NOT_RECORDED))

    def is_down(self) -> bool:
        """A file is always there."""
        return False

    async def invented_addresses(self) -> frozenset[str]:
        """Not recorded."""
        return frozenset()

    def health(self) -> tuple[ServerHealth, ...]:
        """One well server that is the file."""
        return (ServerHealth(self._name, ServerState.UP, 0, None, rewriting=False),)

    def on_recovery(self, callback: Callable[[], None]) -> None:
        """It is never down, so it never comes back."""

    async def start(self) -> None:
        """Nothing to open: the file was read."""

    async def aclose(self) -> None:
        """Nothing to close."""
