"""The same words everywhere: code, OpenAPI, README, settings page, manifest."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from validator.bulk.findings import MEANINGS as SENTENCES
from validator.cli.settings import settings_markdown
from validator.server.app import routes
from validator.server.openapi import openapi_document, openapi_yaml
from validator.server.probes import MEANINGS
from validator.settings import Settings
from validator.verdict import Reason, Status

ROUTES = routes()

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "validator").rglob("*.py"))


def test_the_reasons_are_the_same_in_code_openapi_and_readme() -> None:
    reasons = [reason.value for reason in Reason]
    schemas = openapi_document(ROUTES)["components"]["schemas"]
    assert schemas["Reason"]["enum"] == reasons
    assert schemas["Status"]["enum"] == [status.value for status in Status]
    readme = (ROOT / "README.md").read_text("utf-8")
    table = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| `[^|]+` \|$", readme, re.MULTILINE)
    assert table == reasons
    assert list(MEANINGS) == list(Reason), "a sentence for GET /reasons"
    assert list(SENTENCES)[: len(reasons)] == reasons, "a sentence for findings of CI"


def test_the_committed_openapi_is_the_generated_one() -> None:
    assert (ROOT / "openapi.yaml").read_text("utf-8") == openapi_yaml()


def test_the_openapi_document_is_valid() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_setting_is_on_the_settings_page() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == settings_markdown()


def test_every_setting_has_a_sentence_and_a_unit() -> None:
    units = ("_s", "_bytes", "_days", "_ms", "_rows", "_chars", "_pct")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        if field.annotation is float:
            assert name.endswith(units), f"{name} is a number without a unit"


def test_the_settings_that_the_readme_shows_have_the_defaults_it_says() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `VALIDATOR_([A-Z_]+)` \| `([^`]*)` \|", readme, re.MULTILINE)
    assert len(rows) >= 5
    page = settings_markdown()
    for name, default in rows:
        assert f"| `VALIDATOR_{name}` | `{default}` |" in page


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_begins_with_a_sentence_and_stays_one_subject(path: Path) -> None:
    text = path.read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, "no module docstring"
    assert docstring.splitlines()[0].rstrip().endswith((".", ":", "?", "`")), docstring.splitlines()[0]
    assert text.count("\n") <= 400, "more than 400 lines: two subjects in one room?"


def test_no_committed_file_names_a_package_index_or_a_path_of_a_machine() -> None:
    words = (
        "pypi" + ".org",
        "files.python" + "hosted",
        "registry.npm" + "js",
        "/ro" + "ot/",
        "/wo" + "rk/",
        "--index" + "-url",
    )
    suffixes = {".py", ".md", ".toml", ".txt", ".in", ".yaml", ".yml", ".json", ".tsv", ".sh", ".cfg", ".ini", ""}
    skipped = {
        ".git",
        ".venv",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        ".pytest_cache",
        "assets",
        "node_modules",
        "dist",
    }
    found = []
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix in suffixes and not skipped & set(path.relative_to(ROOT).parts):
            text = path.read_text("utf-8", errors="ignore")
            found += [f"{path.relative_to(ROOT)}: {word}" for word in words if word in text]
    assert found == []
