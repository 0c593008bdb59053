"""Files that a command writes: none that it reads, and never half of one under its own name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from validator.bulk.files import STDIN
from validator.errors import RequestRefused

BESIDE = (".partial", ".resume", ".resume.new")
"""Endings of what stands beside a file while it is being written."""


def refuse_unwritable(written: Mapping[str, Path | None], read: Iterable[Path]) -> None:
    """Raise `RequestRefused` when an option names a file that cannot be written or that is read as well.

    *written*: option -> file; None and `-` (standard output) are passed over. Asked before any work is done.
    """
    sources = [path for path in read if path != STDIN and path.exists()]
    seen: dict[Path, str] = {}
    for option, path in written.items():
        if path is None or path == STDIN:
            continue
        if path.is_dir():
            raise RequestRefused(f"{option}: {path} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise RequestRefused(f"{option}: {path}: no such folder")
        for target in (path, *(path.with_name(path.name + ending) for ending in BESIDE)):
            if target.exists() and any(target.samefile(source) for source in sources):
                raise RequestRefused(f"{option}: {target} is read by this command; name another file")
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise RequestRefused(f"{other} and {option}: name two files, not one")


def shown_name(path: Path) -> str:
    """The name of a file as text that every form can hold; `<stdin>` for standard input."""
    if path == STDIN:
        return "<stdin>"
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file at *path*, or leave it as it was; a device or pipe is written to. Raises `RequestRefused`."""
    target = path.resolve()
    partial = target.with_name(f"{target.name}.partial")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        try:
            partial.write_bytes(content)
            if target.exists():
                os.chmod(partial, target.stat().st_mode & 0o7777)
            partial.replace(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror}") from error
