"""Everything that the README shows is run: each command, with the answer that it prints."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.service import Service

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def examples() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each `<!-- example: NAME -->` block as its commands with the output that follows them."""
    found = []
    for name, block in re.findall(r"<!-- example: ([^>]+) -->\n```console\n(.*?)```", README, re.DOTALL):
        steps: list[tuple[str, str]] = []
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            steps.append((command, output))
        found.append((name, steps))
    return found


@pytest.mark.parametrize(("name", "steps"), examples(), ids=lambda value: value if isinstance(value, str) else "")
async def test_the_readme_shows_what_happens(
    running: Service, tmp_path: Path, name: str, steps: list[tuple[str, str]]
) -> None:
    if shutil.which("curl") is None and any(command.startswith("curl") for command, _ in steps):
        pytest.skip("no curl on this machine")
    here = f"http://127.0.0.1:{running.client.port}"
    for command, wanted in steps:
        line = command.replace("http://127.0.0.1:8080", here)
        line = re.sub(r"^validator ", f"{sys.executable} -m validator ", line)
        process = await asyncio.create_subprocess_shell(
            line,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "VALIDATOR_DATABASE_URL": f"sqlite:///{tmp_path / 'cli.db'}"},
        )
        output, complaints = await process.communicate()
        assert output.decode().strip() == wanted.strip(), f"{name}: {command}\n{complaints.decode()}"


def test_the_readme_has_examples_and_stays_short() -> None:
    assert len(examples()) >= 4
    assert README.count("\n") < 200


def test_every_page_that_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
