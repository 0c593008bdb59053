"""`validator explain`: the story of one address."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import DEMO_ZONE, Service

ROOT = Path(__file__).resolve().parents[2]


def explain(folder: Path, address: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "validator", "explain", "--zone", str(DEMO_ZONE), address],
        cwd=ROOT,
        env={**os.environ, "VALIDATOR_DATABASE_URL": f"sqlite:///{folder / 'cli.db'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("шмфт@ьфшд.кг", 0, ["ьфшд.кг -> mail.ru", "шмфт -> ivan", "judged as ivan@mail.ru", "ivan@mail.ru: valid"]),
        ("x@fb.com", 1, ["nothing to repair", "Facebook", "x@fb.com: application"]),
        ("o'brien@example.org", 1, ["not an address", "probably meant: obrien@example.org"]),
    ],
)
def test_the_story_names_every_step(tmp_path: Path, address: str, code: int, told: list[str]) -> None:
    exit_code, output = explain(tmp_path, address)
    assert exit_code == code
    assert not list(tmp_path.iterdir()), "who only asks needs no store"
    for sentence in told:
        assert sentence in output


async def test_explain_in_the_api_carries_the_same_sentences(running: Service) -> None:
    verdict = await running.check("шмфт@ьфшд.кг", explain=True)
    assert {change["sentence"] for change in verdict["explain"]["changes"]} == {
        "the keys were struck on a Cyrillic layout"
    }
