"""Files that a command writes: none that it reads, and never half of one under its own name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from validator.errors import RequestRefused

STDIN = Path("-")
"""Standard input or output, where a file is named."""

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
        whole = path.resolve()
        if not whole.parent.is_dir():
            raise RequestRefused(f"{option}: {path}: no such folder")
        if not path.exists() and not os.access(whole.parent, os.W_OK | os.X_OK):
            raise RequestRefused(f"{option}: {path}: no file can be written in that folder")
        for target in (path, *(whole.with_name(whole.name + ending) for ending in BESIDE)):
            if target.exists() and any(target.samefile(source) for source in sources):
                raise RequestRefused(f"{option}: {target} is read by this command; name another file")
        other = seen.setdefault(whole, option)
        if other != option:
            raise RequestRefused(f"{other} and {option}: name two files, not one")


def shown_name(path: Path) -> str:
    """The name of a file as text that every form can hold; `<stdin>` for standard input."""
    if path == STDIN:
        return "<stdin>"
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file at *path*, or leave it as it was; a device or pipe is written to. Raises `RequestRefused`."""
    try:
        with written_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise RequestRefused(f"{path}: {error.strerror}") from error


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of *path* at the end, and is gone when the end is not come to.

    Where two commands write to one *path* the second waits for the first, and each writes a whole file.
    """
    from validator.bulk.partial import open_alone, partial_of

    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    partial = partial_of(target)
    with open_alone(partial, wait=True) as file, contextlib.ExitStack() as unfinished:
        unfinished.callback(partial.unlink, missing_ok=True)
        file.truncate()
        yield file
        file.flush()
        if target.exists():
            os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
        partial.replace(target)
        unfinished.pop_all()
