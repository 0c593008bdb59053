"""The hand-written reader against dnspython: where it answers at all, both say the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.ipv6
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validator.mx.answer import Answer, AnswerKind, Fault, RecordType, failed
from validator.mx.parse import read_message
from validator.mx.upstream import Salt
from validator.mx.wire import encode_query, encode_question, read_plain

NAME = "example.org"
LABELS = st.sampled_from(
    ["mx", "MX1", "mail-2", "a_b", "x" * 63, "in-v6", "é".encode().decode("latin-1"), "a.b", "b\\c"]
)
HOSTS = st.lists(LABELS, min_size=1, max_size=5).map(lambda labels: [label.encode("latin-1") for label in labels])
SUFFIX = st.sampled_from([(), (b"example", b"org"), (b"Example", b"ORG"), (b"provider", b"net")])


def host(parts: tuple[list[bytes], tuple[bytes, ...]]) -> dns.name.Name:
    try:
        return dns.name.Name([*parts[0], *parts[1], b""])
    except dns.name.NameTooLong:
        return dns.name.root


NAMES = st.tuples(HOSTS, SUFFIX).map(host) | st.just(dns.name.root)
TTLS = st.sampled_from([0, 1, 300, 86_400, 2**31 - 1, 2**31, 2**32 - 1])


@st.composite
def rdatas(draw: st.DrawFn, rtype: int) -> dns.rdata.Rdata:
    match rtype:
        case RecordType.MX:
            text = f"{draw(st.integers(0, 65_535))} {draw(NAMES).to_text()}"
        case RecordType.A:
            text = ".".join(str(part) for part in draw(st.tuples(*[st.integers(0, 255)] * 4)))
        case RecordType.AAAA:
            packed = draw(
                st.binary(min_size=16, max_size=16) | st.sampled_from(["::", "::ffff:1.2.3.4", "::1:2", "1::"])
            )
            text = packed if isinstance(packed, str) else dns.ipv6.inet_ntoa(packed)
        case _:
            text = f'"{draw(st.sampled_from(["v=spf1 -all", "x"]))}"'
    return dns.rdata.from_text("IN", dns.rdatatype.RdataType(rtype), text)


@dataclass(frozen=True)
class Shape:
    """A reply of any shape that a server could send; built outside the strategy, because dnspython shuffles."""

    rtype: int
    edns: bool
    rcode: dns.rcode.Rcode
    owner: str
    alias: bool
    values: list[dns.rdata.Rdata]
    ttl: int
    soa: tuple[int, int] | None
    servers: bool
    glue: bool

    def wire(self) -> bytes:
        query = dns.message.from_wire(encode_query(b"\0\7", encode_question(NAME, self.rtype), self.edns))
        reply = dns.message.make_response(query, recursion_available=True)
        reply.set_rcode(self.rcode)
        owner = f"{self.owner}."
        if self.alias:
            reply.answer.append(dns.rrset.from_text(owner, 300, "IN", "CNAME", "elsewhere.example.net."))
            owner = "elsewhere.example.net."
        if self.values:
            reply.answer.append(dns.rrset.from_rdata_list(owner, self.ttl, self.values))
        if self.soa is not None:
            soa = f"ns.{NAME}. host\\.master.{NAME}. 1 2 3 4 {self.soa[0]}"
            reply.authority.append(dns.rrset.from_text(f"{NAME}.", self.soa[1], "IN", "SOA", soa))
        if self.servers:
            reply.authority.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "NS", f"ns.{NAME}."))
        if self.glue:
            reply.additional.append(dns.rrset.from_text(f"ns.{NAME}.", 60, "IN", "A", "192.0.2.1"))
        return reply.to_wire(max_size=65_535)


RCODES = st.sampled_from([dns.rcode.NOERROR] * 20 + [dns.rcode.NXDOMAIN] * 10 + list(dns.rcode.Rcode))
RTYPES = st.sampled_from([int(RecordType.MX), int(RecordType.A), int(RecordType.AAAA)])


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    rtype = draw(RTYPES)
    return Shape(
        rtype=rtype,
        edns=draw(st.booleans()),
        rcode=draw(RCODES),
        owner=draw(st.sampled_from([NAME] * 6 + ["EXAMPLE.org", "other.org"])),
        alias=draw(st.sampled_from([False] * 5 + [True])),
        values=draw(st.lists(rdatas(rtype), max_size=4)),
        ttl=draw(TTLS),
        soa=draw(st.none() | st.tuples(TTLS, TTLS)),
        servers=draw(st.sampled_from([False] * 3 + [True])),
        glue=draw(st.booleans()),
    )


def agree(data: bytes, rtype: int) -> Answer | None:
    """What the quick reader says, after checking it against the slow one."""
    plain = read_plain(data, NAME, rtype, len(encode_question(NAME, rtype)))
    if plain is not None:
        assert plain == read_message(data, NAME, rtype)
    return plain


@given(shapes())
def test_both_readers_agree_on_well_formed_replies(shape: Shape) -> None:
    agree(shape.wire(), shape.rtype)


@given(shapes(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_both_readers_agree_on_damaged_replies(shape: Shape, damage: list[tuple[float, int]]) -> None:
    data = bytearray(shape.wire())
    question_end = 12 + len(encode_question(NAME, shape.rtype))
    for place, octet in damage:
        at = int(place * (len(data) - 1))
        if 5 < at < 12 or at >= question_end:  # the client has matched id, QR and question
            data[at] = octet
    agree(bytes(data), shape.rtype)


@given(shapes(), st.floats(0, 1))
def test_both_readers_agree_on_cut_replies(shape: Shape, place: float) -> None:
    data = shape.wire()
    question_end = 12 + len(encode_question(NAME, shape.rtype))
    agree(data[: question_end + int(place * (len(data) - question_end))], shape.rtype)


@pytest.mark.parametrize("texts", [["::ffff:1.2.3.4"], ["::ffff:1.2.3.4", "2a00::1"], ["2a00::1"], ["::1"]])
def test_a_reply_may_be_cut_anywhere_in_an_address(texts: list[str]) -> None:
    values = [dns.rdata.from_text("IN", "AAAA", text) for text in texts]
    for edns in (False, True):
        data = Shape(28, edns, dns.rcode.NOERROR, NAME, False, values, 300, None, False, False).wire()
        for end in range(12 + len(encode_question(NAME, 28)), len(data)):
            assert agree(data[:end], 28) is None


@given(shapes(), st.binary(max_size=40))
def test_reading_never_raises(shape: Shape, tail: bytes) -> None:
    agree(shape.wire() + tail, shape.rtype)
    read_message(tail, NAME, shape.rtype)
    read_plain(tail, NAME, shape.rtype, 17)


PLAIN_SHAPES = {
    "one MX": (["MX 10 mx.example.org."], Answer(AnswerKind.RECORDS, ((10, "mx.example.org"),), 300)),
    "null MX": (["MX 0 ."], Answer(AnswerKind.RECORDS, ((0, ""),), 300)),
    "upper case": (["MX 1 MX.EXAMPLE.NET."], Answer(AnswerKind.RECORDS, ((1, "mx.example.net"),), 300)),
    "underscore": (["MX 1 mail_1.example.org."], Answer(AnswerKind.RECORDS, ((1, "mail_1.example.org"),), 300)),
    "itself": (["MX 1 example.org."], Answer(AnswerKind.RECORDS, ((1, "example.org"),), 300)),
}


@pytest.mark.parametrize("shape", PLAIN_SHAPES)
def test_the_quick_reader_reads_the_ordinary_answer_itself(shape: str) -> None:
    records, expected = PLAIN_SHAPES[shape]
    query = dns.message.from_wire(encode_query(b"\0\7", encode_question(NAME, RecordType.MX), True))
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text(f"{NAME}.", 300, "IN", "MX", *(text[3:] for text in records)))
    assert agree(reply.to_wire(), RecordType.MX) == expected


def test_a_name_that_does_not_exist_is_read_by_hand_with_the_bound_of_its_soa() -> None:
    query = dns.message.from_wire(encode_query(b"\0\7", encode_question(NAME, RecordType.MX), True))
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.NXDOMAIN)
    reply.authority.append(dns.rrset.from_text("org.", 900, "IN", "SOA", "a. b. 1 2 3 4 60"))
    assert agree(reply.to_wire(), RecordType.MX) == Answer(AnswerKind.NO_NAME, (), 60)


@pytest.mark.parametrize(
    "tail",
    [
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\4\0\x0a\xc0\x2b",  # a pointer at itself
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\4\0\x0a\xc0\xff",  # a pointer beyond the end
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\1\0",  # too short for a preference
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\3\0\x0a\0\0",  # something after the end
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\5\0\x0a\1a\xc0",  # a pointer cut in half
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\3\0\xc0\x0c",  # a pointer that begins in the preference
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\5\0\x0a\x80\1\0",  # a label type that does not exist
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\xff\xff\0\x0a\0",  # a length beyond the end
    ],
)
def test_a_reply_that_cannot_be_read_is_malformed_and_never_an_absence(tail: bytes) -> None:
    question = encode_question(NAME, RecordType.MX)
    data = b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + question + tail
    assert read_plain(data, NAME, RecordType.MX, len(question)) is None
    assert read_message(data, NAME, RecordType.MX) == failed(Fault.MALFORMED)


def test_random_octets_are_never_an_answer() -> None:
    dice = random.Random(7)
    question = encode_question(NAME, RecordType.MX)
    for _ in range(2_000):
        data = b"\0\7\x81\x80\0\1" + dice.randbytes(6) + question + dice.randbytes(dice.randrange(80))
        answer = read_message(data, NAME, RecordType.MX)
        assert answer.kind is AnswerKind.FAILED or data[6:12] == bytes(6), data
        agree(data, RecordType.MX)


def test_mixing_case_changes_letters_only_and_differs_from_time_to_time() -> None:
    salt = Salt()
    question = encode_question("customer-42.example.org", RecordType.AAAA)
    mixed = {question.translate(table) for table in salt.tables[:50]}
    assert len(mixed) > 10
    assert {one.lower() for one in mixed} == {question}


@pytest.mark.parametrize("name", ["example.org", "a.b.c.d.e", "x" * 63 + ".org", ""])
def test_a_question_is_the_one_that_dnspython_writes(name: str) -> None:
    query = dns.message.make_query(f"{name}.", "MX", id=9, flags=dns.flags.RD)
    assert encode_query(b"\0\t", encode_question(name, RecordType.MX), False) == query.to_wire()


def corpus() -> list[tuple[str, int, bytes]]:
    """Replies of the scripted server, good and bad: name, type, octets."""
    lines = (Path(__file__).parent / "replies.tsv").read_text("utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return [(name, int(RecordType[rtype]), bytes.fromhex(octets)) for name, rtype, octets in rows]


def test_both_readers_agree_on_every_reply_of_the_corpus_whole_cut_and_damaged() -> None:
    read_by_hand = 0
    dice = random.Random(11)
    for name, rtype, data in corpus():
        end = 12 + len(encode_question(name, rtype))
        damaged = [bytearray(data) for _ in range(8)]
        for copy in damaged:
            if len(copy) > end:
                copy[dice.randrange(end, len(copy))] = dice.randrange(256)
        for octets in (data, *(data[:at] for at in range(end, len(data), 7)), *map(bytes, damaged)):
            plain = read_plain(octets, name, rtype, end - 12)
            if plain is not None:
                read_by_hand += 1
                assert plain == read_message(octets, name, rtype)
    assert read_by_hand > 100
