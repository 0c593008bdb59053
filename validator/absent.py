"""Imports a package without what it would take along if that is installed. Standard library only: needed first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Within this block an import of *name* fails as if it were not installed; what was imported before stays as it is.

    For a process that has one thread so far.
    """
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    if name in modules:
        yield
        return
    modules[name] = None  # the import system takes that for an `ImportError`
    try:
        yield
    finally:
        del modules[name]
