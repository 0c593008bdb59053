"""Tables and queries of feedback (SQLAlchemy Core). Every function takes the connection of a transaction.

Each file is imported with its first use, as `store.events`, `store.notices`: a process that records nothing needs none.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validator.feedback.store import erasing, events, notices

__all__ = ["erasing", "events", "notices"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(name)
