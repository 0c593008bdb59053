"""Which file may touch which library, and what no file may do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "validator").rglob("*.py"))
ALLOWED = {
    "aiohttp": r"server/.*",
    "dns": r"mx/.*",
    "sqlalchemy": r"database/.*|migrations/.*|(blacklist|feedback)/store/.*|keys/store\.py",
    "alembic": r"migrations/.*",
    "prometheus_client": r"metrics\.py|server/.*",
    "typer": r"cli/.*",
    "pyarrow": r"bulk/parquet\.py|bulk/spark\.py",
}
PURE = (
    r"errors\.py|verdict\.py|address\.py|recipient\.py|sanitize/.*|checker/(judge|document)\.py|mx/route\.py|"
    r"blacklist/(entry|guard)\.py|blacklist/importing/.*|feedback/(event|reply|classify|policy|message|reasons|rules)\.py"
)
IMPURE = {"asyncio", "socket", "logging", "structlog", "subprocess", "random", "time", "os"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "validator").as_posix()


MAY_CATCH_ALL = r"server/mounted\.py|cli/"


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Catches everything."""
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_library_is_imported_only_where_it_belongs(path: Path) -> None:
    for library in set(imported(ast.parse(path.read_text("utf-8")))) & set(ALLOWED):
        assert re.fullmatch(ALLOWED[library], name_of(path)), f"{library} in {name_of(path)}"


@pytest.mark.parametrize("path", [path for path in SOURCES if re.fullmatch(PURE, name_of(path))], ids=name_of)
def test_a_pure_file_does_no_io_and_reads_no_clock(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not set(imported(tree)) & IMPURE
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Await)]
    text = path.read_text("utf-8")
    assert "datetime.now" not in text
    assert "open(" not in re.sub(r"\w\.?open\(", "", text)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_caught_wholesale_and_nothing_is_left_unfinished(path: Path) -> None:
    text = path.read_text("utf-8")
    if not re.match(MAY_CATCH_ALL, name_of(path)):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler) and is_broad(node):
                raise AssertionError(f"line {node.lineno}: clean up with `finally` or an exit stack")
    assert not re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b", text)
