"""A scripted name server on loopback, UDP and TCP: the zone `mc.test`, and misbehaviour for every name of `bad.test`.

It plays the resolver that the service asks, and counts what it is asked. In a test:

    async with NameServer() as server:
        client = DnsClient([server.address])

As a program, for black-box runs: `python -m tests.nameserver --port 5300 [--zone FILE]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from validator.mx.zonefile import ZoneData

ZONE_FILE = Path(__file__).parent / "mx" / "mc.test.zone"
SOA = "ns.bad.test. hostmaster.bad.test. 1 3600 600 86400 60"
GOOD = "mx.good.bad.test."
Send = Callable[[bytes], None]


class NameServer:
    """One server on `address`; switches make the whole of it misbehave."""

    def __init__(self, zone: str | None = None, *, port: int = 0) -> None:
        self.zone = ZoneData(ZONE_FILE.read_text() if zone is None else zone)
        self.asked: Counter[tuple[str, str]] = Counter()
        """Questions by lower-case name and type, UDP and TCP together."""
        self.tcp_asked: Counter[tuple[str, str]] = Counter()
        self.address = ("127.0.0.1", port)
        self.silent = False
        """Read and never answer."""
        self.rewriting: str | None = None
        """Address to invent for names that do not exist."""
        self.rcode: dns.rcode.Rcode | None = None
        """Answer everything with this code."""
        self.truncate = False
        """Set TC on every UDP answer and close every TCP connection."""
        self.keeps_case = True
        """Give questions back in the letter case they came in."""
        self.delay_s = 0.0
        """Wait before every answer."""
        self.forge = 0
        """Send this many datagrams with wrong ids before every answer."""
        self._transport: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> NameServer:
        loop = asyncio.get_running_loop()
        for _ in range(20):  # the same port must be free for UDP and TCP
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            udp.bind(self.address)
            try:
                self._tcp = await asyncio.start_server(self._on_connection, *udp.getsockname()[:2])
            except OSError:
                udp.close()
                continue
            self._transport, _ = await loop.create_datagram_endpoint(lambda: _Protocol(self), sock=udp)
            self.address = udp.getsockname()[:2]
            return self
        raise OSError("no port is free for both UDP and TCP")

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close both ports."""
        if self._transport is not None:
            self._transport.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def count(self, name: str, rdtype: str = "MX") -> int:
        """How often *name* was asked for."""
        return self.asked[name, rdtype]

    # --- transport ----------------------------------------------------------------------------------------------------

    def on_datagram(self, data: bytes, send: Send) -> None:
        """One question over UDP."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        key = (name, dns.rdatatype.to_text(question.rdtype))
        self.asked[key] += 1
        if self.silent:
            return
        if self.forge:
            self._send_forged(query, send)
        if self.truncate:
            self._later(send, _reply(query, flags=dns.flags.TC).to_wire(), 0)
            return
        for delay_s, answer in self._answers(query, name, self.asked[key], udp=True):
            if not self.keeps_case:
                end = 12 + len(question.name.to_wire() or b"")
                answer = answer[:12] + answer[12:end].lower() + answer[end:]
            self._later(send, answer, delay_s + self.delay_s)

    def _later(self, send: Send, data: bytes, delay_s: float) -> None:
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, send, data)
        else:
            send(data)

    def _send_forged(self, query: dns.message.Message, send: Send) -> None:
        forged = _reply(query)
        forged.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "MX", "0 ."))
        wire = bytearray(forged.to_wire())
        for step in range(1, self.forge + 1):
            wire[:2] = ((query.id + step) % 65_536).to_bytes(2, "big")
            send(bytes(wire))

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    query = dns.message.from_wire(await reader.readexactly(size))
                    name = query.question[0].name.to_text(omit_final_dot=True).lower()
                    key = (name, dns.rdatatype.to_text(query.question[0].rdtype))
                    self.asked[key] += 1
                    self.tcp_asked[key] += 1
                    label = name.partition(".")[0]
                    if self.silent or label == "tc-hang":
                        await asyncio.sleep(60)
                    if self.truncate or label == "tc-closed":
                        return
                    for _, answer in self._answers(query, name, 1, udp=False):
                        length = len(answer) + (100 if label == "tc-short" else 0)
                        writer.write(length.to_bytes(2, "big") + answer)
                    await writer.drain()
                    if label == "tc-short":
                        return
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    # --- answers ------------------------------------------------------------------------------------------------------

    def _answers(self, query: dns.message.Message, name: str, times: int, *, udp: bool) -> list[tuple[float, bytes]]:
        """What to send: delay in seconds and datagram."""
        if self.rcode is not None:
            return [(0, _reply(query, rcode=self.rcode).to_wire())]
        if name.endswith(".bad.test"):
            return misbehave(query, name.removesuffix(".bad.test"), times, udp=udp)
        reply = zone_reply(self.zone, query)
        if self.rewriting is not None and reply.rcode() == dns.rcode.NXDOMAIN:
            reply = _reply(query)
            kind = "AAAA" if ":" in self.rewriting else "A"
            if query.question[0].rdtype == dns.rdatatype.from_text(kind):
                reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", kind, self.rewriting))
            else:
                reply.authority.append(dns.rrset.from_text("test.", 60, "IN", "SOA", SOA))
        return [(0, _fit(reply, query, udp=udp))]


def zone_reply(zone: ZoneData, query: dns.message.Message) -> dns.message.Message:
    """The answer of a resolver whose authority is *zone*."""
    question = query.question[0]
    reply = _reply(query)
    found = zone.find(question.name, question.rdtype)
    faults = [zone.fault(name) for name in (question.name, *(rrset.name for rrset in found.chain))]
    if any(faults) or len(found.chain) > 12:
        reply.set_rcode(dns.rcode.SERVFAIL)
        return reply
    reply.answer.extend(found.chain)
    if not found.found:
        if not found.exists:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        if found.soa is not None:
            reply.authority.append(found.soa)
    return reply


def _reply(query: dns.message.Message, *, rcode: int = 0, flags: int = 0) -> dns.message.Message:
    reply = dns.message.make_response(query, recursion_available=True, our_payload=1232)
    reply.flags |= flags
    reply.set_rcode(dns.rcode.Rcode(rcode))
    return reply


def _fit(reply: dns.message.Message, query: dns.message.Message, *, udp: bool) -> bytes:
    wire = reply.to_wire(max_size=65_535)
    if udp and len(wire) > (query.payload if query.edns >= 0 else 512):
        return _reply(query, flags=dns.flags.TC).to_wire()
    return wire


def misbehave(query: dns.message.Message, label: str, times: int, *, udp: bool) -> list[tuple[float, bytes]]:
    """What a bad resolver sends for *label*.bad.test, asked for the *times*-th time."""
    owner = query.question[0].name
    rdtype = query.question[0].rdtype
    is_mx = rdtype == dns.rdatatype.MX
    edns = query.edns >= 0

    def rr(name: str | dns.name.Name, kind: str, *values: str, ttl: int = 300) -> dns.rrset.RRset:
        text = name if isinstance(name, dns.name.Name) or name.endswith(".") else f"{name}.bad.test."
        return dns.rrset.from_text(text, ttl, "IN", kind, *values)

    def say(*answer: dns.rrset.RRset, rcode: int = 0, flags: int = 0, authority: str = "") -> dns.message.Message:
        reply = _reply(query, rcode=rcode, flags=flags)
        reply.answer.extend(answer)
        if authority == "SOA":
            reply.authority.append(dns.rrset.from_text("bad.test.", 300, "IN", "SOA", SOA))
        elif authority:
            reply.authority.append(dns.rrset.from_text(authority, 300, "IN", "NS", "a.root.test."))
        return reply

    def now(reply: dns.message.Message) -> list[tuple[float, bytes]]:
        return [(0, _fit(reply, query, udp=udp))]

    def hosts() -> list[tuple[float, bytes]]:
        return now(say(authority="SOA") if rdtype != dns.rdatatype.A else say(rr(owner, "A", "1.2.3.4")))

    def good(*targets: str) -> dns.message.Message:
        if not is_mx:
            return say(authority="SOA")
        return say(rr(owner, "MX", *(targets or (f"10 {GOOD}",))))

    def ede(rcode: int, code: int) -> dns.message.Message:
        reply = say(rcode=rcode)
        if edns:
            reply.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(code, "scripted")])
        return reply

    def forged(*, wrong_id: bool = False, wrong_question: bool = False) -> bytes:
        other = dns.message.make_query("other.bad.test." if wrong_question else owner, rdtype, id=query.id)
        reply = dns.message.make_response(other)
        reply.answer.append(rr(other.question[0].name, "MX", "0 ."))
        wire = bytearray(reply.to_wire())
        if wrong_id:
            wire[0] ^= 0x55
        return bytes(wire)

    head, _, rest = label.rpartition(".")
    if rest in ("good", "host") or label == "good":
        return now(good()) if is_mx else hosts()
    if head and rest == "sf":
        return now(say(rcode=2))
    if head and rest == "silent":
        return []
    if head and rest == "gone":
        return now(say(rcode=3, authority="SOA"))
    if head and rest == "halfsf":  # no A, and AAAA cannot be found out
        return now(say(rcode=2) if rdtype == dns.rdatatype.AAAA else say(authority="SOA"))
    if head and rest == "a-only":  # an A, and AAAA cannot be found out
        return now(say(rcode=2)) if rdtype == dns.rdatatype.AAAA else hosts()
    kind, _, number = label.partition("-")
    truth = good().to_wire()
    junk = [bytes((query.id >> 8, query.id & 255)) + b"\x80\0\0\1junk", b"\xff" * 40, b"\0\1\2\3\4\5"]
    match label:
        case "servfail":
            return now(say(rcode=2))
        case "servfail-ede6" | "servfail-ede22" | "servfail-ede23":
            return now(ede(2, int(label.rpartition("ede")[2])))
        case "refused":
            return now(say(rcode=5))
        case "refused-ede15" | "refused-ede18":
            return now(ede(5, int(label.rpartition("ede")[2])))
        case "formerr":
            return now(say(rcode=1))
        case "formerr-bare":
            return [(0, query.id.to_bytes(2, "big") + b"\x80\x01" + bytes(8))]
        case "notimp":
            return now(say(rcode=4))
        case "notauth":
            return now(say(rcode=9))
        case "drop":
            return []
        case "once":
            return [] if times == 1 else now(good())
        case "flap":
            return now(say(rcode=2) if times == 1 else good())
        case "tc-ok":
            return now(say(flags=dns.flags.TC) if udp else good())
        case "tc-decoy":
            return now(say(rr(owner, "MX", "0 ."), flags=dns.flags.TC) if udp else good())
        case "tc-tc" | "tc-hang" | "tc-closed":
            return now(say(flags=dns.flags.TC))
        case "tc-short":
            return now(say(flags=dns.flags.TC) if udp else good())
        case "wrongid-ok":
            return [(0, forged(wrong_id=True)), (0.05, truth)]
        case "wrongid":
            return [(0, forged(wrong_id=True))]
        case "wrongq-ok":
            return [(0, forged(wrong_question=True)), (0.05, truth)]
        case "wrongq":
            return [(0, forged(wrong_question=True))]
        case "garbage-ok":
            return [*((0, piece) for piece in junk), (0.05, truth)]
        case "garbage":
            return [(0, piece) for piece in junk]
        case "sixbytes":
            return [(0, truth[:6])]
        case "noqd":
            reply = good()
            reply.question = []
            return [(0, reply.to_wire())]
        case "qr0":
            return [(0, query.to_wire())]
        case "ptrloop":
            wire = bytearray(_reply(query).to_wire())
            wire[6:8] = b"\0\1"
            wire[10:12] = b"\0\0"
            end = 12 + len(owner.to_wire() or b"") + 4
            return [(0, bytes(wire[:end]) + b"\xc0" + bytes((end,)) + b"\0\x0f\0\1\0\0\1\x2c\0\4\0\x0a\xc0\x0c")]
        case "mxshort":
            wire = bytearray(_reply(query).to_wire())
            wire[6:8] = b"\0\1"
            wire[10:12] = b"\0\0"
            end = 12 + len(owner.to_wire() or b"") + 4
            return [(0, bytes(wire[:end]) + b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\1\0")]
        case "cnameloop":
            return now(say(rr(owner, "CNAME", "b.bad.test."), rr("b", "CNAME", owner.to_text())))
        case "dname":
            target = "x.dnametarget.bad.test."
            chain = (rr(owner, "CNAME", target), rr(target, "MX", f"10 {GOOD}"))
            return now(say(dns.rrset.from_text("bad.test.", 300, "IN", "DNAME", "dnametarget.bad.test."), *chain))
        case "yxdomain":
            return now(say(rcode=6))
        case "nodata":
            return now(say(authority="SOA"))
        case "nodata-nosoa":
            return now(say())
        case "nxdomain-nosoa":
            return now(say(rcode=3))
        case "nxcname":
            return now(say(rr(owner, "CNAME", "gone.bad.test."), rcode=3, authority="SOA"))
        case "nx-bogus":
            return now(say(rr(owner, "MX", f"10 {GOOD}"), rcode=3))
        case "upward":
            return now(say(authority="."))
        case "lame":
            return now(say(authority="bad.test."))
        case "cnameonly":
            return now(say(rr(owner, "CNAME", "elsewhere.bad.test.")))
        case "unrelated":
            return now(say(rr("elsewhere", "MX", f"10 {GOOD}")))
        case "case":
            return now(good() if not is_mx else say(rr(_swapped(owner), "MX", f"10 {GOOD}")))
        case "additional":
            reply = good()
            reply.additional.append(dns.rrset.from_text(GOOD, 300, "IN", "A", "10.0.0.1"))
            reply.additional.append(dns.rrset.from_text("other.bad.test.", 300, "IN", "MX", "0 ."))
            return now(reply)
        case "noedns-formerr":
            return now(say(rcode=1) if edns else good())
        case "noedns-notimp":
            return now(say(rcode=4) if edns else good())
        case "noedns-drop":
            return [] if edns else now(good())
        case "badvers":
            if not edns:
                return now(good())
            reply = _reply(query)
            reply.use_edns(0, 0, 1232)
            reply.set_rcode(dns.rcode.BADVERS)
            return now(reply)
        case "tgtservfail":
            return now(good("10 mx.sf.bad.test."))
        case "tgttimeout":
            return now(good("10 mx.silent.bad.test."))
        case "tgtmixdead":
            return now(good("10 mx.gone.bad.test.", "20 mx.sf.bad.test."))
        case "tgtmixok":
            return now(good("10 mx.sf.bad.test.", f"20 {GOOD}"))
        case "tgthalf":
            return now(good("10 mx.halfsf.bad.test."))
        case "tgtaok":
            return now(good("10 mx.a-only.bad.test."))
        case "ttlhuge":
            return now(say(rr(owner, "MX", f"10 {GOOD}", ttl=2**32 - 1)) if is_mx else say(authority="SOA"))
        case "ttlzero":
            return now(say(rr(owner, "MX", f"10 {GOOD}", ttl=0)) if is_mx else say(authority="SOA"))
    if kind == "slow":
        return [(int(number) / 1000, truth)]
    if kind == "chain" and is_mx:
        names = [owner.to_text(), *(f"c{step}.bad.test." for step in range(1, int(number) + 1))]
        links = [rr(one, "CNAME", after) for one, after in itertools.pairwise(names)]
        return now(say(*links, rr(names[-1], "MX", f"10 {GOOD}")))
    if label.startswith("mx") and label[2:].isdigit() and is_mx:
        return now(say(_many_mx(owner, int(label[2:]) // 2)))
    return now(say(rcode=3, authority="SOA"))


@functools.cache
def _many_mx(owner: dns.name.Name, count: int) -> dns.rrset.RRset:
    targets = [f"{step} mail-host-{step:04}.host.bad.test." for step in range(1, count)]
    return dns.rrset.from_text(owner, 300, "IN", "MX", *targets)


def _swapped(name: dns.name.Name) -> dns.name.Name:
    return dns.name.Name([label.swapcase() for label in name.labels])


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server
        self.stray: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        def send(answer: bytes) -> None:
            if not self.transport.is_closing():
                self.transport.sendto(answer, addr)  # type: ignore[attr-defined]

        if b"\x09wrongport" in data.lower():
            self._answer_from_elsewhere(data, addr)
            return
        self.server.on_datagram(data, send)

    def _answer_from_elsewhere(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        self.server.asked[query.question[0].name.to_text(omit_final_dot=True).lower(), "MX"] += 1
        reply = _reply(query)
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "MX", "0 ."))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
            stray.bind(("127.0.0.1", 0))
            stray.sendto(reply.to_wire(), addr)


async def _serve(port: int, zone: str | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with NameServer(zone, port=port) as server:
        print(f"listening on {server.address[0]}:{server.address[1]}", flush=True)
        await stop.wait()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--port", type=int, required=True, help="UDP and TCP port on 127.0.0.1; 0 lets the system choose"
    )
    parser.add_argument("--zone", type=Path, help="master file to serve instead of mc.test")
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.zone.read_text() if given.zone else None))


if __name__ == "__main__":
    main()
