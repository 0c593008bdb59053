"""Types of columns that both databases hold alike."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import BigInteger, Dialect, SmallInteger
from sqlalchemy.types import TypeDecorator

from validator.database.moments import microseconds, moment


class Instant(TypeDecorator[datetime]):
    """A moment as whole microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Aware moment to number."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Number to aware moment."""
        return None if value is None else moment(value)


class Coded(TypeDecorator[Any]):
    """A member of an enum, stored as the small number that *codes* gives it; numbers are never reused."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, codes: type[IntEnum], values: type[StrEnum]) -> None:
        """*codes* and *values* have the same member names."""
        super().__init__()
        self.codes = codes
        self.values = values

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Member to number."""
        return None if value is None else int(self.codes[value.name])

    def process_result_value(self, value: int | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        """Number to member."""
        return None if value is None else self.values[self.codes(value).name]
