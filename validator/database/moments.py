"""A moment as a whole number of microseconds since 1970 UTC: exact, sortable and the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(value: datetime) -> int:
    """Whole microseconds since 1970 UTC of an aware moment."""
    return (value - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The aware moment of a number of microseconds since 1970 UTC."""
    return _EPOCH + timedelta(microseconds=value)
