"""What an import is asked to do, and what it says of lines that made no entry. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from validator.blacklist.entry import DEFAULT_LIST, Cause, Kind

if TYPE_CHECKING:
    from validator.blacklist.store.block import Counts


class Encoding(StrEnum):
    """What older programs write. UTF-8 and UTF-16 are told by themselves, and Windows Cyrillic by a header."""

    CP1250 = "cp1250"
    """Windows, Central European."""
    CP1251 = "cp1251"
    """Windows, Cyrillic: what a spreadsheet saves as CSV in Russia."""
    CP1252 = "cp1252"
    """Windows, Western European."""
    CP866 = "cp866"
    """DOS, Cyrillic."""
    KOI8_R = "koi8-r"
    """Unix, Russian."""
    KOI8_U = "koi8-u"
    """Unix, Ukrainian."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is to be entered."""

    list: str = DEFAULT_LIST
    """Named list, for lines that name none."""
    cause: Cause | None = None
    """Overrules whatever the file says, when given."""
    kind: Kind | None = None
    """What values are; None: told apart."""
    expires: datetime | None = None
    """When entries stop blocking, for lines that do not say."""
    note: str = ""
    """For people, for lines that have none."""
    revive: bool = False
    """Entries that were removed block again."""
    replace: bool = False
    """Cause and expiry of the file replace those of entries that are there."""
    force: bool = False
    """Also rules that would hit half the world."""
    judge: bool = True
    """Leave out failures that do not speak against their address, as far as a judge of texts is there."""
    encoding: Encoding | None = None
    """How the file is written; None: told from its beginning."""

    def document(self) -> dict[str, Any]:
        """JSON-ready, as stored with the import."""
        return {
            "list": self.list,
            "cause": self.cause,
            "kind": self.kind,
            "expires": None if self.expires is None else self.expires.isoformat(),
            "note": self.note,
            "revive": self.revive,
            "replace": self.replace,
            "force": self.force,
            "judge": self.judge,
            "encoding": self.encoding,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> ImportOptions:
        """What `document` gave."""
        values = dict(document)
        values["cause"] = values["cause"] and Cause(values["cause"])
        values["kind"] = values["kind"] and Kind(values["kind"])
        values["expires"] = values["expires"] and datetime.fromisoformat(values["expires"])
        values["encoding"] = (name := values.get("encoding")) and Encoding(name)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line of an import that made no entry."""

    line: int
    """From 1."""
    code: str
    """Machine-readable."""
    detail: str
    """A sentence for people."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an import would do."""

    counts: Counts
    """What it would come to."""
    faults: tuple[LineFault, ...]
    """The first lines that would make no entry."""
