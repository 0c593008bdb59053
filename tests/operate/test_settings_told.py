"""What is wrong with the settings is said by name; a misspelt one is not passed over in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench._served import ROOT, service_environment
from bench._served import service as served
from tests.service import DEMO_ZONE
from validator.errors import SettingsError
from validator.settings import load_settings, unknown_variables


@pytest.mark.parametrize("name", ["VALIDATOR_SETTINGS_FILE", "VALIDATOR_SECRETS_DIR"])
def test_a_place_of_settings_that_is_not_there_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=f"^{name}: "):
        load_settings()


def test_settings_that_are_not_utf_8_are_refused_by_the_place_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "validator.env"
    file.write_bytes("# настройки".encode("cp1251"))
    with pytest.raises(SettingsError, match=r"^VALIDATOR_SETTINGS_FILE: not UTF-8$"):
        load_settings(file)
    (tmp_path / "validator_keys").write_bytes(b"\xff")
    monkeypatch.setenv("VALIDATOR_SECRETS_DIR", str(tmp_path))
    with pytest.raises(SettingsError, match=r"^VALIDATOR_SECRETS_DIR: not UTF-8$"):
        load_settings()


def test_an_unknown_name_in_a_file_is_told_as_it_stands_there(tmp_path: Path) -> None:
    file = tmp_path / "validator.env"
    file.write_text("VALIDATOR_DNS_SERVER=127.0.0.1\n", "utf-8")
    with pytest.raises(SettingsError, match=r"^VALIDATOR_DNS_SERVER: "):
        load_settings(file)


@pytest.mark.parametrize("line", ["PORT=9000", "KEYS=crm:aaaaaaaaaaaaaaaaaaaa", "export POSTGRES_PASSWORD=aaaaaa"])
def test_a_name_without_its_prefix_in_a_file_is_refused_and_its_value_not_told(line: str, tmp_path: Path) -> None:
    file = tmp_path / "validator.env"
    file.write_text(f"VALIDATOR_PLUS=keep\nOTHER=\n{line}\n", "utf-8")
    name, _, value = line.removeprefix("export ").partition("=")
    with pytest.raises(SettingsError, match=rf"^VALIDATOR_SETTINGS_FILE: .*VALIDATOR_.* sets nothing: {name}$") as told:
        load_settings(file)
    assert value not in str(told.value)


def test_variables_that_set_nothing_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(unknown_variables())
    for name in ("VALIDATOR_DNS_SERVER", "VALIDATOR_DNS_SERVERS", "VALIDATOR_SERVICE_HOST", "VALIDATOR_PORT_80_TCP"):
        monkeypatch.setenv(name, "127.0.0.1")
    assert set(unknown_variables()) - before == {"VALIDATOR_DNS_SERVER"}


def test_a_store_that_is_to_be_made_apart_and_was_not_says_how(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"ended with 3: validator: VALIDATOR_DATABASE_URL: .*`validator db upgrade`"),
        served(tmp_path, migrate="false", dns_zone_file=str(DEMO_ZONE)),
    ):
        pass


def test_a_key_cannot_expire_after_the_end_of_time(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "validator", "keys", "create", "crm", "--expires-days", "99999999999"]
    done = subprocess.run(
        command, cwd=ROOT, env=service_environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_misspelt_variable_is_warned_of_once(tmp_path: Path, workers: int) -> None:
    with served(tmp_path, workers=workers, dns_zone_file=str(DEMO_ZONE), dns_server="secret") as server:
        assert server.stop() == 0
        log = server.log.read_text("utf-8")
    assert log.count('"names":["VALIDATOR_DNS_SERVER"]') == 1
    assert "secret" not in log
