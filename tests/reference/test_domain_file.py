"""A file of domains that the operator keeps, and the flag that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service import service
from validator.errors import SettingsError
from validator.reference.domain_file import load_domains

NAME = "VALIDATOR_DISPOSABLE_FILE"


@pytest.mark.parametrize(
    ("content", "inside", "outside"),
    [
        ("acme.test\n", ["acme.test", "a.b.acme.test"], ["test", "xacme.test", "acme.test.example", ""]),
        ("\ufeff# ours\r\nACME.test # since May\r\n\r\n", ["acme.test"], ["acme"]),
        ("почта.рф\n", ["xn--80a1acny.xn--p1ai"], ["почта.рф"]),
    ],
    ids=["below", "comments", "idn"],
)
def test_a_domain_stands_for_itself_and_all_below(
    content: str, inside: list[str], outside: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "domains.txt"
    file.write_text(content, "utf-8")
    found = load_domains(file, setting=NAME)
    assert (len(found), len([*found])) == (1, 1)
    assert [domain in found for domain in (*inside, *outside)] == [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no domain in it"),
        (b"# nothing\n", "no domain in it"),
        (b"acme.test\nanna@acme.test\n", "line 2: not a domain"),
        (b"com\n", "line 1: not a domain"),
        (b"\xff\n", "not UTF-8"),
    ],
)
def test_a_file_that_means_nothing_is_refused_without_quoting_it(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "domains.txt"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"^{NAME}: domains.txt[:,] {why}$"):
        load_domains(file, setting=NAME)
    with pytest.raises(SettingsError, match=f"^{NAME}: "):
        load_domains(tmp_path / "nowhere", setting=NAME)


async def test_a_configured_domain_is_flagged_and_decides_nothing(tmp_path: Path) -> None:
    file = tmp_path / "domains.txt"
    file.write_text("acme.test\n", "utf-8")
    async with service(tmp_path, disposable_file=file) as running:
        verdict = await running.check("anna@acme.test", explain=True)
        assert (verdict["valid"], verdict["explain"]["flags"]) == (True, ["disposable"])
        verdict = await running.check("anna@gmail.com", explain=True)
        assert verdict["explain"]["flags"] == []
