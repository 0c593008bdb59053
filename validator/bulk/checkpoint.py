"""Where a run stands, so that one that was cut off continues exactly: rows done, bytes written, counts so far.

The answers go to `OUT.partial`, which becomes `OUT` at the end; `OUT.resume` says how much of it is whole. It is
replaced as a whole, and only after the answers it speaks of are on the disk.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import orjson

from validator.bulk.files import ListFile
from validator.bulk.output import OutputShape
from validator.bulk.partial import as_before, open_alone, partial_of
from validator.bulk.summary import Summary
from validator.errors import RequestRefused

_HEAD_BYTES = 65_536


def fingerprint(source: ListFile, shape: OutputShape, options: dict[str, Any]) -> dict[str, Any]:
    """What must be the same for a run to be continued: the file, and everything that the output depends on."""
    status = source.path.stat()
    with source.path.open("rb") as file:
        head = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
    return {
        "input": {"bytes": status.st_size, "head": head},
        "read": {"format": source.shape.format.value, "column": source.shape.column},
        "write": {"format": shape.format.value, "raw": shape.raw, "gzip": shape.gzip},
        "options": options,
    }


@dataclass(slots=True)
class Checkpoint:
    """How far a run has come."""

    fingerprint: dict[str, Any]
    """Of the run."""
    rows: int
    """Rows whose answers are written."""
    written_bytes: int
    """Length of the output up to there."""
    seconds: float
    """Time that the run has taken so far."""
    summary: Summary
    """Counts so far."""

    def save(self, path: Path) -> None:
        """Replace the file at *path*."""
        document = {
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "written_bytes": self.written_bytes,
            "seconds": self.seconds,
            "summary": self.summary.state(),
        }
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_bytes(orjson.dumps(document))
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it back; raises `RequestRefused` when it is none."""
        try:
            document = orjson.loads(path.read_bytes())
            return cls(
                document["fingerprint"],
                document["rows"],
                document["written_bytes"],
                document["seconds"],
                Summary.from_state(document["summary"]),
            )
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise RequestRefused(f"{path}: not a state to resume from") from error


class ListOutput:
    """The output file of one run."""

    SAVE_EVERY_S = 1.0
    """Least time between two checkpoints."""

    def __init__(self, path: Path) -> None:
        """A link stays one: what it leads to is written."""
        self._path = path.resolve() if path.is_symlink() else path
        self._partial = partial_of(self._path)
        self._state = self._path.with_name(f"{self._path.name}.resume")
        self._file: IO[bytes] | None = None
        self.written_bytes = 0

    def is_cut_off(self) -> bool:
        """A run to this output was cut off and can be resumed."""
        return self._partial.exists() and self._state.exists()

    @property
    def has_begun(self) -> bool:
        """This process writes to it, or did."""
        return self._file is not None

    def is_complete(self) -> bool:
        """The output is there and no run to it has begun since."""
        return self._path.exists() and not self._partial.exists()

    def begin(self) -> None:
        """Start afresh; raises `RequestRefused` while another run writes to it."""
        self._file = open_alone(self._partial)
        self._state.unlink(missing_ok=True)
        self._file.truncate()
        as_before(self._file, self._path)

    def resume(self, expected: dict[str, Any]) -> Checkpoint:
        """Continue after the last checkpoint; raises `RequestRefused` when input or options have changed."""
        file = open_alone(self._partial)
        try:
            checkpoint = Checkpoint.load(self._state)
            if checkpoint.fingerprint != expected:
                raise RequestRefused("--resume: the list or the options are not those of the run that was cut off")
            if os.fstat(file.fileno()).st_size < checkpoint.written_bytes:
                raise RequestRefused(f"{self._partial}: shorter than it was")
        except RequestRefused:
            file.close()
            raise
        file.truncate(checkpoint.written_bytes)
        file.seek(checkpoint.written_bytes)
        self._file, self.written_bytes = file, checkpoint.written_bytes
        return checkpoint

    def write(self, piece: bytes) -> None:
        """Append."""
        assert self._file is not None
        self._file.write(piece)
        self.written_bytes += len(piece)

    def save(self, checkpoint: Checkpoint) -> None:
        """Make what was written durable, then say so."""
        assert self._file is not None
        self._file.flush()
        os.fdatasync(self._file.fileno())
        checkpoint.save(self._state)

    def finish(self) -> None:
        """Everything is written: give the output its name."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.replace(self._path)
        self._state.unlink(missing_ok=True)
        self._file.close()

    def close(self) -> None:
        """Leave the rest for `--resume`."""
        if self._file is not None:
            self._file.close()
