"""Bulk load on PostgreSQL: COPY into a temporary table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import psycopg

from validator.blacklist.store.block import STAGE_COLUMNS, Part, Staged, StagedRun
from validator.errors import StorageUnavailable

_COPY = f"COPY stage ({', '.join(STAGE_COLUMNS)}) FROM STDIN"
_STAGE = """CREATE TEMP TABLE stage (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind smallint, key text COLLATE "C", list_id smallint, value text, below boolean, cause smallint, state smallint,
    source text, note text, created bigint, last_event bigint, expires bigint, erased_key text)"""
_SET_UP = (
    _STAGE,
    "CREATE TEMP TABLE plan (stage_id integer PRIMARY KEY, entry_id bigint, action smallint, heavier smallint)",
    'CREATE TEMP TABLE seen (kind smallint, key text COLLATE "C", list_id smallint, PRIMARY KEY (kind, key, list_id))',
    # a block is small beside the table: its rows are looked up by the index, the table is never read as a whole
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET work_mem = '64MB'",
)
_NAME = re.compile(r":([a-z_]+)")
_PLAIN = re.compile(r"[\\\t\n\r\x00]")


@lru_cache(maxsize=128)
def _translated_names(statement: str) -> str:
    return _NAME.sub(r"%(\1)s", statement)


class PostgresLink:
    """`Link` on a PostgreSQL server."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Connect; raises `StorageUnavailable`."""
        with translated(), ExitStack() as unready:
            self._connection = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=max(2, int(timeout_s)),
                application_name="validator-import",
            )
            unready.callback(self._connection.close)
            for statement in _SET_UP:
                self._connection.execute(statement)
            unready.pop_all()

    def run(self, statement: str, values: Mapping[str, object] | None = None) -> int:
        """See `Link.run`."""
        return self._execute(statement, values).rowcount

    def run_many(self, statement: str, values: Sequence[Mapping[str, object]]) -> None:
        """See `Link.run_many`."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated_names(statement), values)

    def rows(self, statement: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """See `Link.rows`."""
        with translated():
            return self._execute(statement, values).fetchall()

    def _execute(self, statement: str, values: Mapping[str, object] | None) -> psycopg.Cursor[Any]:
        return self._connection.execute(_translated_names(statement), dict(values or {}))

    def stage(self, parts: Sequence[Part]) -> None:
        """See `Link.stage`."""
        with translated():
            self._connection.execute("TRUNCATE stage, plan RESTART IDENTITY")
            with self._connection.cursor() as cursor, cursor.copy(_COPY) as copy:
                for part in parts:
                    if isinstance(part, StagedRun):
                        before, after = _around(part.row)
                        for text in part.text:
                            copy.write(before + text[:-1].replace("\n", f"{after}\n{before}") + f"{after}\n")
                    else:
                        for start in range(0, len(part), 5_000):
                            copy.write("".join(map(_copied, part[start : start + 5_000])))
            self._connection.execute("ANALYZE stage")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Link.transaction`."""
        with translated(), self._connection.transaction():
            yield

    def locking(self, alias: str) -> str:
        """See `Link.locking`."""
        return f" FOR UPDATE OF {alias}"

    def close(self) -> None:
        """See `Link.close`."""
        self._connection.close()


def _copied(row: Staged) -> str:
    """One line of COPY's text format."""
    return "\t".join(map(_cell, row)) + "\n"


def _around(row: Staged) -> tuple[str, str]:
    """What stands before and after the key in a line of COPY's text format."""
    place = STAGE_COLUMNS.index("key")
    before, after = "\t".join(map(_cell, row[:place])), "\t".join(map(_cell, row[place + 1 :]))
    return f"{before}\t", f"\t{after}"


def _cell(value: object) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return _PLAIN.sub(_escaped, value) if _PLAIN.search(value) else value
    return "t" if value is True else "f" if value is False else str(value)


def _escaped(match: re.Match[str]) -> str:
    return {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\x00": ""}[match.group()]


@contextmanager
def translated() -> Iterator[None]:
    """Foreign errors as ours; a wrong statement stays what it is."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError) as error:
        raise StorageUnavailable(f"the store cannot be used now ({type(error).__name__})") from error
