"""A name server on loopback that acts what a table tells it to, byte by byte where need be; UDP and TCP.

The records of a table row are written `[owner] TYPE[/ttl] data; ...`. Owners and targets without a final dot stand
below the domain of the row, `@` is the domain itself. In place of data, `!act` is what every question for that owner
and type gets, and `~act` is what happens to its true answer. A name that is not in the table does not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections import Counter
from collections.abc import Iterable

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.dns_servers import free_port

ORIGIN = "act.test."
SOA = f"ns.{ORIGIN} hostmaster.{ORIGIN} 1 3600 600 86400 300"
MAX_LINKS = 40
Datagrams = list[tuple[float, bytes]]
"""Seconds to wait and what to send then."""


class Stage:
    """The records and acts of a table."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, list[tuple[int, str]]]] = {}
        self.acts: dict[tuple[str, str], str] = {}

    def add(self, domain: str, records: str) -> None:
        """The records of one row, *domain* with its final dot."""
        for text in filter(None, (part.strip() for part in records.split("; "))):
            words = text.split(" ")
            owner = "@" if words[0].split("/")[0] in _TYPES else words.pop(0)
            kind, _, ttl = words.pop(0).partition("/")
            name = absolute(owner, domain).lower()
            if words[0][0] in "!~":
                self.acts[name, kind] = words[0]
                if words[0][0] == "!":
                    self.records.setdefault(name, {})
                continue
            if kind in ("MX", "CNAME"):
                words[-1] = absolute(words[-1], domain)
            self.records.setdefault(name, {}).setdefault(kind, []).append((int(ttl or 300), " ".join(words)))

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """What a resolver says that has no act to play."""
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        reply = reply_to(query)
        name = question.name.to_text().lower()
        for _ in range(MAX_LINKS):
            if self.acts.get((name, kind)) == "!servfail":
                reply.set_rcode(dns.rcode.SERVFAIL)
                return reply
            held = self.records.get(name)
            if held is None:
                break
            if kind in held or "CNAME" not in held:
                break
            reply.answer.append(_rrset(name, "CNAME", held["CNAME"]))
            name = held["CNAME"][0][1].lower()
        found = self.records.get(name, {}).get(kind)
        if found:
            reply.answer.append(_rrset(question.name.to_text() if not reply.answer else name, kind, found))
            return reply
        if not any(known == name or known.endswith(f".{name}") for known in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        reply.authority.append(dns.rrset.from_text(ORIGIN, 300, "IN", "SOA", SOA))
        return reply


_TYPES = ("MX", "A", "AAAA", "CNAME", "TXT")


def absolute(name: str, domain: str) -> str:
    """A name of a row with its final dot."""
    if name == "@":
        return domain
    return name if name.endswith(".") and not name.endswith("\\.") else f"{name}.{domain}"


def _rrset(name: str, kind: str, values: Iterable[tuple[int, str]]) -> dns.rrset.RRset:
    values = list(values)
    rrset = dns.rrset.from_text(name, 300, "IN", kind, *(text for _, text in values))
    rrset.ttl = values[0][0]
    return rrset


def reply_to(query: dns.message.Message, *, rcode: int = 0, flags: int = 0) -> dns.message.Message:
    """An answer with nothing in it."""
    reply = dns.message.make_response(query, recursion_available=True, our_payload=1232)
    reply.flags |= flags
    reply.set_rcode(dns.rcode.Rcode(rcode))
    return reply


_RCODES = {"formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6, "notauth": 9}


def act_out(act: str, query: dns.message.Message, truth: dns.message.Message, times: int, *, udp: bool) -> Datagrams:
    """What is sent for *act*, when the true answer is *truth* and the question comes for the *times*-th time."""
    name, _, argument = act.partition("=")
    if name in _RCODES:
        return at_once(reply_to(query, rcode=_RCODES[name]))
    if name.startswith("tc"):
        return _truncated(name, query, truth, udp=udp)
    if name.startswith("edns"):
        return at_once(truth) if query.edns < 0 else _against_edns(name, query)
    if name.startswith("forged"):
        return _forged(name, query, truth)
    edited = _edited(name, argument, query, truth)
    if edited is not None:
        return at_once(edited)
    wire = truth.to_wire(max_size=65_535)
    number = int(argument) if argument.isdigit() else 1
    match name:
        case "silent":
            return []
        case "whole":  # however long
            return [(0, wire)]
        case "delay":
            return [(number / 1000, wire)]
        case "lost":
            return [] if times <= number else [(0, wire)]
        case "failing":
            return at_once(truth if times > number else reply_to(query, rcode=2))
        case "twice":
            return [(0, wire), (0, wire)]
        case "then-nxdomain":
            return [(0, wire), *at_once(reply_to(query, rcode=3))]
    return [(0, _garbled(name, argument, wire, query))]


def at_once(reply: dns.message.Message) -> Datagrams:
    """The whole of *reply*, without delay."""
    return [(0, reply.to_wire(max_size=65_535))]


def _truncated(name: str, query: dns.message.Message, truth: dns.message.Message, *, udp: bool) -> Datagrams:
    """A truncated answer over UDP, and what there is over TCP."""
    cut = reply_to(query, flags=dns.flags.TC)
    wire = truth.to_wire(max_size=65_535)
    if udp:
        if name == "tc-filled":  # the whole answer, called a part of it
            truth.flags |= dns.flags.TC
            return at_once(truth)
        return at_once(cut)
    return {
        "tc": [(0.0, wire)],
        "tc-filled": [],
        "tc-dead": [],
        "tc-nothing": [(0.0, b"")],
        "tc-servfail": at_once(reply_to(query, rcode=2)),
        "tc-wrong-id": [(0.0, bytes((wire[0] ^ 0x55,)) + wire[1:])],
        "tc-tc": at_once(cut),
    }[name]


def _against_edns(name: str, query: dns.message.Message) -> Datagrams:
    """What a server that knows no EDNS says to it."""
    bare = query.id.to_bytes(2, "big") + b"\x80\x01" + bytes(8)
    return {"edns-formerr": at_once(reply_to(query, rcode=1)), "edns-bare": [(0.0, bare)], "edns-silent": []}[name]


def _forged(name: str, query: dns.message.Message, truth: dns.message.Message) -> Datagrams:
    """An answer of somebody who had to guess; the true one comes after it, except for `-only`."""
    asked = query.question[0]
    owner = dns.name.from_text(f"other.{ORIGIN}") if "name" in name else asked.name
    rdtype = dns.rdatatype.NS if "type" in name else asked.rdtype
    forged = reply_to(dns.message.make_query(owner, rdtype, id=query.id), rcode=3).to_wire()
    if "id" in name:
        forged = bytes((forged[0] ^ 0x55,)) + forged[1:]
    return [(0, forged)] if name.endswith("-only") else [(0, forged), (0.02, truth.to_wire())]


def _edited(
    name: str, argument: str, query: dns.message.Message, truth: dns.message.Message
) -> dns.message.Message | None:
    """The answer as a message, changed; None when *name* is no such change."""
    owner = query.question[0].name
    empty = reply_to(query)
    servers = dns.rrset.from_text(argument or ORIGIN, 300, "IN", "NS", f"a.{ORIGIN}")
    stranger = dns.rrset.from_text(f"other.{ORIGIN}", 300, "IN", "MX", "0 .")
    match name:
        case "rcode":
            return reply_to(query, rcode=int(argument))
        case "empty":
            return empty
        case "referral":
            empty.authority.append(servers)
            return empty
        case "no-chase":  # only the first alias, nothing of what it leads to
            empty.answer.extend(truth.answer[:1])
            return empty
        case "two-aliases":
            empty.answer.extend(dns.rrset.from_text(owner, 300, "IN", "CNAME", f"{one}.{ORIGIN}") for one in "bc")
            return empty
        case "stranger-only":
            empty.answer.append(stranger)
            return empty
        case "stranger":
            truth.answer.insert(0, stranger)
        case "alias-too":
            truth.answer.insert(0, dns.rrset.from_text(owner, 300, "IN", "CNAME", f"other.{ORIGIN}"))
        case "no-soa":
            truth.authority.clear()
        case "with-ns":
            truth.authority.append(servers)
        case "glue":
            host, _, address = argument.partition(",")
            truth.additional.append(dns.rrset.from_text(host, 300, "IN", "A", address))
        case "signed":
            signature = "MX 8 3 300 20300101000000 20200101000000 1 test. AAAA"
            truth.answer.append(dns.rrset.from_text(owner, 300, "IN", "RRSIG", signature))
        case "ede":
            truth.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(int(argument), "acted")])
        case "no-opt":
            truth.use_edns(False)
        case _:
            return None
    return truth


def _garbled(name: str, argument: str, wire: bytes, query: dns.message.Message) -> bytes:
    """The answer as octets, changed."""
    end = 12 + len(query.question[0].name.to_wire() or b"") + 4
    number = int(argument) if argument.isdigit() else 0

    def record(
        rdata: bytes, *, rtype: int = query.question[0].rdtype, rclass: int = 1, owner: bytes = b"\xc0\x0c"
    ) -> bytes:
        head = wire[:2] + b"\x81\x80" + b"\0\1\0\1\0\0\0\0" + wire[12:end] + owner
        return head + struct.pack("!HHIH", rtype, rclass, 300, len(rdata)) + rdata

    match name:
        case "octets":
            return wire[:number]
        case "cut":
            return wire[:-number]
        case "trailing":
            return wire + bytes(number)
        case "bare-header":
            return wire[:2] + b"\x81\x80" + bytes(8)
        case "opcode":
            return wire[:2] + bytes((wire[2] | 0x28,)) + wire[3:]
        case "count":
            return wire[:6] + number.to_bytes(2, "big") + wire[8:]
        case "flags":
            return wire[:2] + (int.from_bytes(wire[2:4], "big") | int(argument, 16)).to_bytes(2, "big") + wire[4:]
        case "lower":
            return wire[:12] + wire[12:end].lower() + wire[end:]
        case "upper":
            return wire[:12] + wire[12:end].upper() + wire[end:]
        case "chaos":
            return record(b"\0\x0a\xc0\x0c", rclass=3)
        case "other-type":
            return record(b"\1\2\3\4", rtype=dns.rdatatype.A)
        case "rdata":
            return record(bytes.fromhex(argument))
        case "owner-loop":
            return record(b"\0\x0a\xc0\x0c", owner=b"\xc0" + bytes((end,)))
        case "forward-pointer":
            return record(b"\0\x0a\xc0\xff")
    raise ValueError(name)


class ActingServer:
    """The stage on 127.0.0.1, in a thread with its own event loop."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.asked: Counter[tuple[str, str]] = Counter()
        """Questions by lower-case name and type."""
        self.port = free_port()
        self.mode = ""
        """An act for every question, or empty."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> ActingServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Datagrams(self), ("127.0.0.1", self.port))
        self.port = transport.get_extra_info("sockname")[1]
        tcp = await asyncio.start_server(self._on_connection, "127.0.0.1", self.port)
        self._ready.set()
        await self._stop.wait()
        transport.close()
        tcp.close()

    def answers(self, data: bytes, *, udp: bool) -> Datagrams:
        """What to send for one question."""
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text().lower()
        key = (name, dns.rdatatype.to_text(query.question[0].rdtype))
        self.asked[key] += 1
        truth = self.stage.answer(query)
        act = self.mode or self.stage.acts.get(key, "")
        if act:
            return act_out(act[1:], query, truth, self.asked[key], udp=udp)
        wire = truth.to_wire(max_size=65_535)
        if udp and len(wire) > (query.payload if query.edns >= 0 else 512):
            wire = reply_to(query, flags=dns.flags.TC).to_wire()
        return [(0, wire)]

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            size = int.from_bytes(await reader.readexactly(2), "big")
            for delay_s, answer in self.answers(await reader.readexactly(size), udp=False):
                await asyncio.sleep(delay_s)
                framed = len(answer).to_bytes(2, "big") + answer
                writer.write(framed[:1])  # in two pieces, as it may come
                await writer.drain()
                writer.write(framed[1:])
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: ActingServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for delay_s, answer in self._server.answers(data, udp=True):
            asyncio.get_running_loop().call_later(delay_s, self._send, answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(answer, addr)  # type: ignore[attr-defined]
