"""Lists: rows a second through one HTTP stream, all domains known and all new; first line, memory, the command line.

    python3 dev.py bench bulk [--quick]

NSD on loopback answers for 30,000 domains that are asked again and again (Zipf-like) and for others that are asked
once. The service has one worker. Who else works on the machine costs wall time, so processor time a row is shown too:
`rows per core` is rows by the processor seconds of the service alone.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench._served import Served, free_port, service, service_environment

HOT_DOMAINS = 30_000
CHUNK_BYTES = 256 * 1024


@dataclass(slots=True)
class Measured:
    """One stream."""

    rows: int
    seconds: float
    first_line_ms: float
    cpu_s: float
    memory_mib: float

    @property
    def rate(self) -> float:
        """Rows a second on the clock."""
        return self.rows / self.seconds

    @property
    def rate_per_core(self) -> float:
        """Rows a second of the service's processor time."""
        return self.rows / self.cpu_s


def zone(cold: int) -> str:
    """A root zone: every domain has one mail host out of 5,000, each with an address of both kinds."""
    lines = ["$ORIGIN .", "$TTL 3600", ". SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 300", ". NS ns.invalid."]
    for number in range(5_000):
        lines.append(f"mx{number}.mailhosts.net. A 93.184.{number >> 8}.{number & 255}")
        lines.append(f"mx{number}.mailhosts.net. AAAA 2606:2800:220::{number:x}")
    for number in range(HOT_DOMAINS):
        lines.append(f"{hot_domain(number)}. MX 10 mx{number % 5_000}.mailhosts.net.")
    for number in range(cold):
        lines.append(f"{cold_domain(number)}. MX 10 mx{number % 5_000}.mailhosts.net.")
    return "\n".join(lines) + "\n"


def hot_domain(number: int) -> str:
    """A domain of the Zipf-like list."""
    return f"kunden-{number:05}.com"


def cold_domain(number: int) -> str:
    """A domain that is asked once."""
    return f"einmal-{number:06}.net"


def hot_list(rows: int, seed: int) -> bytes:
    """Addresses whose domains follow a Zipf-like law, as in a customer list."""
    choose = random.Random(seed)
    weights = [1 / (rank + 3) for rank in range(HOT_DOMAINS)]
    domains = choose.choices(range(HOT_DOMAINS), weights, k=rows)
    lines = (b'"first.last%d@%s"\n' % (number, hot_domain(domain).encode()) for number, domain in enumerate(domains))
    return b"".join(lines)


@contextmanager
def name_server(folder: Path, text: str) -> Iterator[int]:
    """NSD with one zone; its port."""
    port = free_port()
    (folder / "root.zone").write_text(text)
    (folder / "nsd.conf").write_text(
        f'server:\n  ip-address: 127.0.0.1@{port}\n  username: ""\n  zonesdir: "{folder}"\n  database: ""\n'
        f'  pidfile: "{folder}/nsd.pid"\n  xfrdfile: "{folder}/xfrd"\n  zonelistfile: "{folder}/zones"\n'
        f'  logfile: "{folder}/nsd.log"\n  server-count: 1\n  rrl-ratelimit: 0\n  minimal-responses: yes\n'
        f'remote-control:\n  control-enable: no\nzone:\n  name: "."\n  zonefile: "{folder}/root.zone"\n'
    )
    process = subprocess.Popen([shutil.which("nsd") or "/usr/sbin/nsd", "-d", "-c", str(folder / "nsd.conf")])
    try:
        time.sleep(3)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def stream(served: Served, body: bytes, rows: int) -> Measured:
    """Send and read at once over one connection; every line of the answer is counted."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)
    before = served.cpu_s()
    connection.putrequest("POST", "/check/stream", skip_accept_encoding=True)
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader("Content-Length", str(len(body)))
    begun = time.perf_counter()
    connection.endheaders()

    def send() -> None:
        for start in range(0, len(body), CHUNK_BYTES):
            connection.send(body[start : start + CHUNK_BYTES])

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    response = connection.getresponse()
    assert response.status == 200, response.read()
    head = response.readline()
    first_line = time.perf_counter() - begun
    assert json.loads(head)["status"] == "valid", head
    lines, memory, tick = 1, 0.0, 0
    while piece := response.read1(1 << 20):
        lines += piece.count(b"\n")
        tick += 1
        if tick % 64 == 0:
            memory = max(memory, sum(served.memory_mib()))
    seconds = time.perf_counter() - begun
    sender.join()
    connection.close()
    assert lines == rows, f"{lines} answers for {rows} rows"
    cpu_s = max(0.01, served.cpu_s() - before)
    return Measured(rows, seconds, 1_000 * first_line, cpu_s, max(memory, sum(served.memory_mib())))


def command_line(folder: Path, body: bytes, port: int) -> tuple[float, float]:
    """`validator check LIST --out FILE`: seconds by its own clock, and seconds of processor time from its start."""
    path = folder / "list.txt"
    path.write_bytes(b"".join(orjson.loads(line).encode() + b"\n" for line in body.splitlines()))
    command = [sys.executable, "-m", "validator", "check", str(path), "--out", str(folder / "out.ndjson")]
    environment = service_environment(folder, dns_servers=f"127.0.0.1:{port}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in {0, 3}, done.stderr
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(done.stdout.split(" in ")[1].split(" s")[0]), cpu_s


def main() -> None:
    """Print one Markdown table."""
    quick = "--quick" in sys.argv
    rows = 200_000 if quick else 1_000_000
    cold = 40_000 if quick else 120_000
    rounds = 2 if quick else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with name_server(folder, zone(cold * rounds)) as port:
            with service(folder, dns_servers=f"127.0.0.1:{port}") as served:
                warm = b"".join(b'"a@%s"\n' % hot_domain(number).encode() for number in range(HOT_DOMAINS))
                stream(served, warm, HOT_DOMAINS)
                small = stream(served, hot_list(10_000, 1), 10_000)
                body = hot_list(rows, 2)
                hot = [stream(served, body, rows) for _ in range(rounds)]
                new = []
                for number in range(rounds):
                    domains = range(number * cold, (number + 1) * cold)
                    lines = b"".join(b'"first.last@%s"\n' % cold_domain(domain).encode() for domain in domains)
                    new.append(stream(served, lines, cold))
            with service(folder, dns_servers=f"127.0.0.1:{port}") as served:
                begun = stream(served, body, rows)
            cli_s, cli_cpu_s = command_line(folder, body, port)
            start_cpu_s = command_line(folder, hot_list(1, 3), port)[1]
    grown = max(item.memory_mib for item in hot) - small.memory_mib
    print("| what | rows/s | rows/s per core | first line ms |\n| --- | --- | --- | --- |")
    for title, found in (("domains known", hot), ("every domain new", new)):
        print(
            f"| stream, {title} | {statistics.median(item.rate for item in found):,.0f}"
            f" | {statistics.median(item.rate_per_core for item in found):,.0f}"
            f" | {statistics.median(item.first_line_ms for item in found):.0f} |"
        )
    title = f"{rows:,} rows of 30,000 domains, none known at first"
    print(f"| stream, {title} | {begun.rate:,.0f} | {begun.rate_per_core:,.0f} | {begun.first_line_ms:.0f} |")
    print(f"| command line, {title} | {rows / cli_s:,.0f} | {rows / max(0.01, cli_cpu_s - start_cpu_s):,.0f} | – |")
    print(f"| the same, its start ({start_cpu_s:.1f} s) included | | {rows / cli_cpu_s:,.0f} | – |")
    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores, median of {rounds} rounds.")
    print(f"Memory of the service: {small.memory_mib:.0f} MiB at 10,000 rows, {grown:+.0f} MiB at {rows:,}.")


if __name__ == "__main__":
    main()
