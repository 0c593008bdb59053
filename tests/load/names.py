"""A quick name server in a process of its own: below `test` and `github.com` all takes mail, `dead*.test` is not there.

As a program it prints its ports, of which the second never answers, and reads a mode a line: `fine`, `silent`, `lossy`,
`servfail`, `truncated` (and nobody at the TCP port), `slow` (100 ms), `short-lived` (a TTL of a second).
"""

from __future__ import annotations

import contextlib
import heapq
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODES = ("fine", "silent", "lossy", "servfail", "truncated", "slow", "short-lived")
LOST = 0.3
SLOW_S = 0.1
TTL_S = 300
ZONES = (b"\x04test\0", b"\x06github\x03com\0")
HOST = b"\x02mx\x05hosts\x04test\x00"
RECORDS = {
    1: socket.inet_aton("142.250.150.26"),
    28: socket.inet_pton(socket.AF_INET6, "2a00:1450:4010:c1c::1a"),
    15: struct.pack("!H", 10) + HOST,
}
SOA = b"\x02ns\x04test\x00\x04root\x04test\x00" + struct.pack("!5I", 1, 3600, 600, 86400, 60)


def answer(query: bytes, mode: str) -> bytes:
    """The answer to one question."""
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    name = question[:-4].lower()
    kind = int.from_bytes(question[-4:-2], "big")
    if mode == "servfail":
        return _head(query, 0x8182, 0, 0) + question
    if mode == "truncated":
        return _head(query, 0x8380, 0, 0) + question
    record = RECORDS.get(kind)
    if not name.endswith(ZONES) or name[1:5] == b"dead":
        return _head(query, 0x8183, 0, 1) + question + _record(b"\x04test\0", 6, SOA)
    if record is None:
        return _head(query, 0x8180, 0, 1) + question + _record(b"\x04test\0", 6, SOA)
    ttl_s = 1 if mode == "short-lived" else TTL_S
    return _head(query, 0x8180, 1, 0) + question + _record(b"\xc0\x0c", kind, record, ttl_s)


def _head(query: bytes, flags: int, answers: int, authorities: int) -> bytes:
    return query[:2] + struct.pack("!5H", flags, 1, answers, authorities, 0)


def _record(name: bytes, kind: int, data: bytes, ttl_s: int = TTL_S) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, ttl_s, len(data)) + data


class Server:
    """UDP answered in one loop; over TCP nobody can connect."""

    def __init__(self) -> None:
        self.mode = "fine"
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.udp.bind(("127.0.0.1", 0))
        self.port = int(self.udp.getsockname()[1])
        self._silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._silent.bind(("127.0.0.1", 0))
        self.silent_port = int(self._silent.getsockname()[1])
        self._later: list[tuple[float, bytes, tuple[str, int]]] = []
        self._chance = random.Random(8)

    def run(self) -> None:
        """Answer until the process is ended."""
        while True:
            wait_s = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            if select.select([self.udp], [], [], wait_s)[0]:
                self._answer(*self.udp.recvfrom(4096))
            while self._later and self._later[0][0] <= time.monotonic():
                _, late, client = heapq.heappop(self._later)
                self.udp.sendto(late, client)

    def _answer(self, query: bytes, client: tuple[str, int]) -> None:
        mode = self.mode
        if mode == "silent" or (mode == "lossy" and self._chance.random() < LOST):
            return
        reply = answer(query, mode)
        if mode == "slow":
            heapq.heappush(self._later, (time.monotonic() + SLOW_S, reply, client))
        else:
            self.udp.sendto(reply, client)


class Names:
    """The server as a test sees it."""

    def __init__(self, process: subprocess.Popen[str], port: int, silent_port: int) -> None:
        self._process = process
        self.port = port
        self.silent_port = silent_port
        """Where questions are taken and never answered."""

    def become(self, mode: str) -> None:
        """Behave like this from now on."""
        assert mode in MODES
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mode}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == mode


@contextmanager
def name_server() -> Iterator[Names]:
    """A running one."""
    words = [sys.executable, "-m", "tests.load.names"]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Names(process, *map(int, process.stdout.readline().split()))
    finally:
        process.terminate()
        process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.stdout.close()


def main() -> None:
    """Serve; end when standard input does."""
    server = Server()
    threading.Thread(target=server.run, daemon=True).start()
    print(server.port, server.silent_port, flush=True)
    for line in sys.stdin:
        server.mode = line.strip()
        print(server.mode, flush=True)


if __name__ == "__main__":
    main()
