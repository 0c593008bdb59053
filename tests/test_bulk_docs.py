"""What the pages about lists, CI and Python show is what happens."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from tests.service import DEMO_ZONE
from validator.cli.main import build

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "README.md").read_text("utf-8")
CI = (ROOT / "docs" / "ci.md").read_text("utf-8")


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_python_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALIDATOR_DNS_ZONE_FILE", str(DEMO_ZONE))
    monkeypatch.setenv("VALIDATOR_SPECIAL_USE_EXCEPTIONS", "test")
    space: dict[str, object] = {}
    exec(example("python"), space)
    asyncio.run(space["main"]())  # type: ignore[operator]
    assert capsys.readouterr().out.splitlines() == [
        "Ivan@gmail.com", "Ivan@gmail.com valid", "x@fb.com application", "anna@acme.test None",
    ]  # fmt: skip


def options_of_check() -> set[str]:
    command = typer.main.get_command(build()).commands["check"]  # type: ignore[attr-defined]
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("path", ["docs/ci.md", "action.yml", ".pre-commit-hooks.yaml"])
def test_every_option_that_a_page_names_is_there(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    text = re.sub(r"(pip\"? install|curl|--format \w+ --out)[^\n]*", "", text)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--data-binary"}
    assert named <= options_of_check() | {"--quiet"}


def test_the_hook_and_the_action_are_what_their_readers_expect() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {"id", "name", "entry", "language", "types_or"} <= set(hook)
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    assert action["runs"]["using"] == "composite"
    for name in action["inputs"]:
        assert f"inputs.{name} }}}}" in (ROOT / "action.yml").read_text("utf-8")


def test_the_blocks_of_the_ci_page_parse() -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", CI, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["yaml", "yaml", "yaml", "python", "python", "console"]
    for kind, text in blocks:
        if kind == "yaml":
            assert yaml.safe_load(text)


def test_the_pytest_example_of_the_ci_page_passes(tmp_path: Path) -> None:
    for text in re.findall(r"```python\n(.*?)```", CI, re.DOTALL):
        (tmp_path / text.partition("\n")[0].removeprefix("# ")).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
