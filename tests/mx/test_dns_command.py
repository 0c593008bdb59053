"""`validator dns`: the evidence for people, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.dns_servers import free_port
from tests.nameserver import ZONE_FILE
from validator.cli.main import build
from validator.mx.present import _HOSTS, _REASONS, _VERDICTS, describe_route
from validator.mx.route import HostOutcome, MailHost, MailRoute, RouteFinding, RouteOutcome


def run(*words: str, code: int) -> str:
    environment = {"VALIDATOR_SPECIAL_USE_EXCEPTIONS": "test"}
    result = CliRunner().invoke(build(), ["dns", *words], env=environment)
    assert result.exit_code == code, result.output
    return result.output


def test_a_good_domain_is_shown_with_its_hosts_and_addresses() -> None:
    lines = run("ok2.mc.test", "--zone", str(ZONE_FILE), code=0).splitlines()
    assert lines[0] == "ok2.mc.test: takes mail: a mail host with a public address"
    assert lines[1].split() == ["MX", "10", "mx1.ok2.mc.test", "1.2.3.4"]
    assert lines[2].split() == ["MX", "20", "mx2.ok2.mc.test", "1.2.3.5"]
    assert lines[-1].startswith("asked: zone file")


def test_endings_for_tests_are_looked_up_in_a_zone_file_as_check_does() -> None:
    result = CliRunner().invoke(build(), ["dns", "ok2.mc.test", "--zone", str(ZONE_FILE)])
    assert result.exit_code == 0, result.output


def test_an_address_is_looked_up_by_its_domain() -> None:
    assert run("someone@null.mc.test", "--zone", str(ZONE_FILE), code=1).startswith("null.mc.test: takes no mail")


def test_an_unusable_host_says_why() -> None:
    output = run("mxhalf.mc.test", "mxpriv.mc.test", "--zone", str(ZONE_FILE), code=1)
    assert "gone.mxhalf.mc.test  does not exist" in output
    assert "(not public)" in output


def test_trouble_is_told_from_a_verdict_by_the_exit_code(tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text(";! SERVFAIL broken.example.org\n")
    output = run("broken.example.org", "--zone", str(zone), code=3)
    assert "cannot tell" in output
    assert "worth asking again in 1 s" in output


def test_json_is_what_explain_shows(tmp_path: Path) -> None:
    snapshot = tmp_path / "answers.jsonl"
    first = run("ok1.mc.test", "--json", "--zone", str(ZONE_FILE), "--record", str(snapshot), code=0)
    again = run("ok1.mc.test", "--json", "--replay", str(snapshot), code=0)
    assert json.loads(first)["hosts"] == json.loads(again)["hosts"]
    assert json.loads(first)["finding"] == "mail_host"


def test_what_is_no_domain_is_a_usage_error_that_names_it_and_no_address() -> None:
    assert "'not a domain'" in run("ok1.mc.test", "not a domain", code=2)
    assert "anna" not in run("anna@1.2.3.4", code=2)


def test_a_domain_may_be_written_with_its_final_dot_and_in_its_own_script() -> None:
    assert run("OK1.mc.test.", "--zone", str(ZONE_FILE), code=0).startswith("ok1.mc.test: takes mail")
    assert run("bücher.mc.test", "--zone", str(ZONE_FILE), code=0).startswith(
        "xn--bcher-kva.mc.test (bücher.mc.test): takes mail"
    )


def test_nobody_is_said_to_be_asked_about_a_name_that_is_never_asked() -> None:
    assert "asked" not in run("host.local", "--zone", str(ZONE_FILE), code=1)


def test_a_resolver_that_is_down_is_warned_of_beside_the_answers() -> None:
    environment = {"VALIDATOR_DNS_SERVERS": f"127.0.0.1:{free_port()}", "VALIDATOR_DNS_TIMEOUT_S": "1.5"}
    result = CliRunner().invoke(build(), ["dns", "--json", "a.example.org", "b.example.org"], env=environment)
    assert [json.loads(line)["outcome"] for line in result.stdout.splitlines()] == ["unknown", "unknown"]
    assert "resolver changed" in result.stderr


@pytest.mark.parametrize(
    ("addresses", "remark"),
    [
        (("10.0.0.1",), "10.0.0.1  (not public, and the rest could not be looked up)"),
        (("1.2.3.99",), "1.2.3.99  (not believed: the resolver invents addresses)"),
        ((), "mx.a.org  could not be looked up"),
    ],
)
def test_addresses_that_prove_nothing_say_why(addresses: tuple[str, ...], remark: str) -> None:
    hosts = (MailHost("mx.a.org", 10, addresses, HostOutcome.FAILED),)
    route = MailRoute("a.org", RouteOutcome.UNKNOWN, RouteFinding.HOST_FAILED, hosts, False, False, 1.0, 0.0)
    assert remark in describe_route(route, 0.0)


def test_many_addresses_of_one_host_are_cut() -> None:
    addresses = tuple(f"10.0.0.{number}" for number in range(30))
    hosts = (MailHost("mx.a.org", 10, addresses, HostOutcome.NOT_PUBLIC),)
    route = MailRoute("a.org", RouteOutcome.NO_MAIL, RouteFinding.HOST_NOT_PUBLIC, hosts, False, False, 1.0, 0.0)
    assert "10.0.0.7 … and 22 more  (not public)" in describe_route(route, 0.0)


def test_every_word_of_the_verdicts_has_a_sentence() -> None:
    assert set(_VERDICTS) == set(RouteOutcome)
    assert set(_REASONS) == set(RouteFinding)
    assert set(_HOSTS) == set(HostOutcome)


@pytest.mark.parametrize("stale", [False, True])
def test_a_long_list_is_cut_and_a_stale_answer_marked(stale: bool) -> None:
    hosts = tuple(MailHost(f"mx{number}.org", number, (), HostOutcome.NOT_ASKED) for number in range(50))
    route = MailRoute("a.org", RouteOutcome.DELIVERABLE, RouteFinding.MAIL_HOST, hosts, False, stale, 10.0, 0.0)
    text = describe_route(route, 5.0)
    assert "30 more mail hosts" in text
    assert ("stale" in text) is stale
