"""Zone files and snapshots: the same answers without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mx.tables import SPECIAL
from tests.nameserver import ZONE_FILE, NameServer
from validator.errors import SettingsError
from validator.mx.answer import AnswerKind, RecordType
from validator.mx.client import DnsClient
from validator.mx.resolver import MxResolver, open_resolver
from validator.mx.route import MailRoute, RouteFinding, RouteOutcome
from validator.mx.servers import parse_servers, system_servers
from validator.mx.snapshot import RecordingSource, ReplaySource, read_snapshot, write_snapshot
from validator.mx.source import AnswerSource
from validator.mx.special import SpecialNames
from validator.mx.zonefile import ZoneData, ZoneFileSource, zone_answer
from validator.reference import load_reference
from validator.settings import Settings

MANY_DOMAINS = """
$TTL 60
example.com.        MX 0 .
good.example.org.   MX 10 mx.provider.net.
mx.provider.net.    A 1.2.3.4
provider.net.       SOA ns.provider.net. hostmaster.provider.net. 1 3600 600 86400 30
other.net.          SOA ns.other.net. hostmaster.other.net. 1 3600 600 86400 90
;! SERVFAIL broken.example.org
;! TIMEOUT  silent.example.org
"""


async def routes(source: AnswerSource, *domains: str) -> list[MailRoute]:
    resolver = MxResolver(source, SpecialNames([]))
    await resolver.start()
    try:
        return [await resolver.route(domain, timeout_s=5) for domain in domains]
    finally:
        await resolver.aclose()


async def test_one_file_holds_many_domains_and_says_which_of_them_fail(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(MANY_DOMAINS)
    names = ("example.com", "good.example.org", "gone.example.org", "broken.example.org", "a.silent.example.org")
    found = await routes(ZoneFileSource(path), *names)
    assert [route.finding for route in found] == [
        RouteFinding.NULL_MX,
        RouteFinding.MAIL_HOST,
        RouteFinding.NO_SUCH_DOMAIN,
        RouteFinding.SERVFAIL,
        RouteFinding.TIMEOUT,
    ]


def test_an_alias_that_makes_the_name_too_long_leads_nowhere() -> None:
    data = ZoneData(f"d.test. DNAME {'.'.join(['t' * 63] * 3)}.\n")
    answer = zone_answer(data, f"{'a' * 63}.d.test", RecordType.MX)
    assert answer.kind is AnswerKind.NO_NAME


def test_absence_is_bounded_by_the_soa_above_the_name() -> None:
    data = ZoneData(MANY_DOMAINS)
    assert zone_answer(data, "x.provider.net", RecordType.MX).ttl_s == 30
    assert zone_answer(data, "x.other.net", RecordType.MX).ttl_s == 60  # the SOA's own TTL is less
    assert zone_answer(data, "provider.net", RecordType.MX).kind is AnswerKind.NO_DATA
    assert zone_answer(data, "mx.provider.net", RecordType.MX).kind is AnswerKind.NO_DATA
    assert zone_answer(data, "net", RecordType.MX).kind is AnswerKind.NO_DATA  # an empty non-terminal


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("example.org. MX ten mx.example.org.", "zone file"),
        ("пример.рф. MX 10 mx.example.org.", "line 1"),
        ("\n;! EXPLODE example.org", "line 2"),
        (";! SERVFAIL", "line 1"),
        ("\n;! TIMEOUT a..example.org", "zone file, line 2: "),
        ("$INCLUDE /etc/passwd", "zone file"),
        ("a.org. MX ten\n", "zone file, line 1: expecting"),
        ("a.org. A 1.2.3.4\n\nb.org. A x\nc.org. A 1.1.1.1\n", "zone file, line 3: "),
        ("a.org. A 1.2.3.4\nb.org. MX (\n 10\n)\n", "zone file, line 2: "),
    ],
)
def test_a_zone_file_that_cannot_be_used_says_where(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        ZoneData(text)


def test_a_zone_file_that_is_not_there_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        ZoneFileSource(tmp_path / "nowhere")


async def test_a_recording_replays_to_the_same_verdicts_outages_included(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    names = [f"{name}.mc.test" for name in ("ok1", "mxhalf", "null", "nothere", "owncname", "many20", "mxdoc")]
    names += ["servfail.bad.test", "tgtmixdead.bad.test"]
    async with NameServer() as server:
        recorded = await routes(RecordingSource(DnsClient([server.address]), path), *names)
    replayed = await routes(ReplaySource(path), *names)
    assert [(one.finding, one.hosts) for one in replayed] == [(one.finding, one.hosts) for one in recorded]
    assert path.read_text() == "".join(sorted(path.read_text().splitlines(keepends=True), key=_place))


def _place(line: str) -> tuple[str, int]:
    (key,) = read_snapshot([line])
    return key


async def test_what_was_not_recorded_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("")
    (route,) = await routes(ReplaySource(path), "example.org")
    assert (route.outcome, route.finding) == (RouteOutcome.UNKNOWN, RouteFinding.NOT_RECORDED)


@pytest.mark.parametrize("line", ["{", "[]", '{"name": "a"}', '{"name":"a","type":"PTR"}'])
def test_a_damaged_snapshot_names_the_line(line: str) -> None:
    with pytest.raises(SettingsError, match="line 2: not a recorded answer"):
        read_snapshot(["", line])


@pytest.mark.parametrize(
    ("rtype", "records", "ttl_s"),
    [
        ("MX", "[1]", "60"),
        ("MX", '[[1, "a.org", 2]]', "60"),
        ("MX", '[["low", "a.org"]]', "60"),
        ("MX", '[[10, "a.org"]]', '"long"'),
        ("MX", "[]", "60"),
        ("A", '["a.org"]', "60"),
        ("AAAA", "[1]", "60"),
        ("TXT", "[[1]]", "60"),
    ],
)
def test_a_recorded_answer_that_no_server_gives_is_damaged_too(rtype: str, records: str, ttl_s: str) -> None:
    line = f'{{"name":"a.org","type":"{rtype}","answer":"records","records":{records},"ttl_s":{ttl_s},"aliases":0}}'
    with pytest.raises(SettingsError, match="line 1: not a recorded answer"):
        read_snapshot([line])


def test_a_snapshot_is_read_as_it_was_written() -> None:
    data = ZoneData(ZONE_FILE.read_text())
    names = ("ok1.mc.test", "null.mc.test", "nothere.mc.test", "owncname.mc.test", "loop.mc.test")
    answers = {(name, 15): zone_answer(data, name, 15) for name in names}
    assert read_snapshot(write_snapshot(answers).splitlines()) == answers


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ("[2001:DB8::1]", ("2001:db8::1", 53)),
    ],
)
def test_a_server_is_an_address_with_or_without_port(text: str, server: tuple[str, int]) -> None:
    assert parse_servers([text]) == [server]


@pytest.mark.parametrize(
    "text", ["dns.example.org", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:99999", "[::1", "[::1]53", ""]
)
def test_what_is_no_server_is_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError, match="VALIDATOR_DNS_SERVERS"):
        parse_servers([text])


def test_the_servers_of_the_system_are_read_without_its_search_list(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "search corp.example\nnameserver 192.0.2.1\n# nameserver 192.0.2.9\nnameserver fe80::1%eth0\nnameserver ::1\n"
    )
    assert system_servers(path) == [("192.0.2.1", 53), ("::1", 53)]
    assert system_servers(tmp_path / "absent") == [("127.0.0.1", 53)]


async def test_the_settings_choose_what_answers(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(MANY_DOMAINS)
    resolver = open_resolver(Settings(dns_zone_file=path), load_reference())
    await resolver.start()
    assert (await resolver.route("good.example.org", timeout_s=1)).outcome is RouteOutcome.DELIVERABLE
    assert (await resolver.route("x.test", timeout_s=1)).finding is RouteFinding.SPECIAL_USE
    document = resolver.health().document()
    await resolver.aclose()
    assert document["state"] == "ok"
    network = open_resolver(Settings(dns_servers=("127.0.0.1:5353", "[::1]:5353")), load_reference())
    assert [server.address for server in network.health().servers] == ["127.0.0.1:5353", "[::1]:5353"]
    assert not SPECIAL.is_special("example.org")
