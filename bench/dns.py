"""DNS: questions a second of our client beside dnspython, aiodns and dnsperf; cold domains; the cache.

    python3 dev.py bench dns [--quick]

One name server on loopback (NSD when installed, else our scripted one) serves 100,000 domains, each with a mail host of
its own. Rounds are interleaved; medians are shown, ratios are medians of the ratios of each round. The server is pinned
to one core and every client to another; processor time is shown too, because the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import aiodns
import dns.asyncresolver
import dns.name
import uvloop

from tests.dns_servers import free_port, nsd, program
from validator.mx.answer import Answer, AnswerKind, RecordType
from validator.mx.cache import ShardedTable
from validator.mx.client import DnsClient
from validator.mx.resolver import MxResolver
from validator.mx.route import HostOutcome, MailHost, MailRoute, RouteFinding, RouteOutcome
from validator.mx.special import SpecialNames

DOMAINS = 100_000
IN_FLIGHT = 100
Address = tuple[str, int]


def zone_text(domains: int) -> str:
    """A root zone with that many mail domains, each with a mail host of its own and both kinds of address."""
    lines = ["$ORIGIN .", "$TTL 3600", ". SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 300", ". NS ns.invalid."]
    for number in range(domains):
        name = domain(number)
        lines += [
            f"{name}. MX 10 mx1.{name}.",
            f"mx1.{name}. A 1.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            f"mx1.{name}. AAAA 2606:2800:220::{number >> 12:x}:{number & 4095:x}",
        ]
    return "\n".join(lines) + "\n"


def domain(number: int) -> str:
    """The name of one domain."""
    return f"customer-{number:06}.com"


@contextmanager
def name_server(folder: Path) -> Iterator[tuple[Address, str]]:
    """The server and what it is."""
    if program("nsd") is not None:
        with nsd(folder, {".": zone_text(DOMAINS)}, cpus=_cpus()[0]) as address:
            yield address, "NSD"
        return
    (folder / "zone").write_text(zone_text(DOMAINS))
    port = free_port()
    command = [sys.executable, "-m", "tests.nameserver", "--port", str(port), "--zone", str(folder / "zone")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield ("127.0.0.1", port), "tests.nameserver"
        finally:
            process.terminate()


def _cpus() -> tuple[str, str]:
    """One core for the server, one for the client."""
    cores = sorted(os.sched_getaffinity(0))
    return str(cores[0]), str(cores[-1])


# --- questions a second -----------------------------------------------------------------------------------------------


async def _drive(names: list[str], one: Callable[[str], Awaitable[object]]) -> float:
    """Seconds for all *names*, `IN_FLIGHT` at a time."""
    pending = iter(names)

    async def worker() -> None:
        for name in pending:
            await one(name)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - started


async def with_dnspython(address: Address, names: list[str]) -> float:
    """Its asynchronous resolver, as shipped, without search list and cache."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [address[0]], address[1]

    async def one(name: str) -> None:
        assert len(await resolver.resolve(dns.name.from_text(name), "MX", search=False)) == 1

    return await _drive(names, one)


async def with_aiodns(address: Address, names: list[str]) -> float:
    """c-ares by aiodns."""
    resolver = aiodns.DNSResolver(nameservers=[f"{address[0]}:{address[1]}"])

    async def one(name: str) -> None:
        assert (await resolver.query_dns(name, "MX")).answer

    took = await _drive(names, one)
    await resolver.close()
    return took


async def with_ours(address: Address, names: list[str]) -> float:
    """`DnsClient`, every check on: random ids, letter case, EDNS, metrics."""
    client = DnsClient([address])
    await client.start()
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    pending = iter(names)
    left = len(names)
    deadline = time.monotonic() + 60

    def on_answer(answer: Answer) -> None:
        nonlocal left
        assert answer.kind is AnswerKind.RECORDS, answer
        left -= 1
        name = next(pending, None)
        if name is not None:
            client.ask(name, RecordType.MX, deadline, on_answer)
        elif not left:
            done.set_result(None)

    started = time.perf_counter()
    for _ in range(IN_FLIGHT):
        client.ask(next(pending), RecordType.MX, deadline, on_answer)
    await done
    took = time.perf_counter() - started
    await client.aclose()
    return took


def with_dnsperf(address: Address, names: list[str], folder: Path) -> float:
    """dnsperf with the same questions: the ceiling of server and machine."""
    data = folder / "questions"
    data.write_text("".join(f"{name} MX\n" for name in names))
    command = ["taskset", "-c", _cpus()[1], "dnsperf", "-s", address[0], "-p", str(address[1]), "-d", str(data)]
    command += ["-q", str(IN_FLIGHT), "-c", "4", "-T", "1", "-n", "1", "-e"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Run time \(s\):\s+([0-9.]+)", output)
    assert found is not None, output
    return float(found[1])


async def cold_domains(address: Address, names: list[str]) -> float:
    """MX, A and AAAA through the resolver, verdict and cache written."""
    resolver = MxResolver(DnsClient([address]), SpecialNames([]))
    await resolver.start()

    async def one(name: str) -> None:
        route = await resolver.route(name, timeout_s=5)
        assert route.outcome is RouteOutcome.DELIVERABLE, route

    took = await _drive(names, one)
    await resolver.aclose()
    return took


# --- the cache --------------------------------------------------------------------------------------------------------


def route_of(number: int, hosts: tuple[MailHost, ...]) -> MailRoute:
    """A route as the resolver stores it."""
    now = time.monotonic()
    return MailRoute(
        domain(number), RouteOutcome.DELIVERABLE, RouteFinding.MAIL_HOST, hosts, False, False, now + 3600, now
    )


def cache_figures(count: int) -> dict[str, str]:
    """Memory, longest pause while evicting, and the price of a hit, at *count* domains over 20,000 host sets."""
    before = _resident_bytes()
    routes: ShardedTable[MailRoute] = ShardedTable(count)
    sets = [
        (MailHost(f"mx.provider-{number}.net", 10, (f"5.{number >> 8}.{number & 255}.1",), HostOutcome.USABLE),)
        for number in range(20_000)
    ]
    for number in range(count):
        route = route_of(number, sets[number % len(sets)])
        routes.put(route.domain, route)
    used = _resident_bytes() - before
    gc.collect()
    gc.freeze()
    pauses = []
    for number in range(count, count + count // 5):
        route = route_of(number, sets[number % len(sets)])
        started = time.thread_time()
        routes.put(route.domain, route)
        pauses.append(time.thread_time() - started)
    pauses.sort()
    resolver = MxResolver(_NoSource(), SpecialNames([]))  # type: ignore[arg-type]
    known = [domain(number) for number in range(100_000)]
    for number, name in enumerate(known):
        resolver.remember(name, route_of(number, sets[number % len(sets)]))
    random.Random(1).shuffle(known)
    started = time.thread_time()
    for name in known:
        resolver.cached(name)
    cool = (time.thread_time() - started) / len(known)
    started = time.thread_time()
    for name in known[:1_000] * 100:
        resolver.cached(name)
    hot = (time.thread_time() - started) / 100_000
    return {
        "domains in the cache": f"{len(routes):,}",
        "memory": f"{used / 1e6:.0f} MB ({used / count:.0f} bytes each)",
        "eviction, 99.99th percentile": f"{pauses[-len(pauses) // 10_000] * 1e6:.0f} µs",
        "eviction, longest": f"{pauses[-1] * 1e3:.2f} ms",
        "a hit, each of 100,000 once in random order": f"{cool * 1e6:.2f} µs",
        "a hit, 1,000 of them again and again": f"{hot * 1e6:.2f} µs",
    }


class _NoSource:
    def is_down(self) -> bool:
        return False


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


# --- report -----------------------------------------------------------------------------------------------------------


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and a tenth of the cache")
    quick = parser.parse_args().quick
    uvloop.install()
    figures: dict[str, list[Figure]] = {}
    with tempfile.TemporaryDirectory() as name, name_server(Path(name)) as (address, server):
        os.sched_setaffinity(0, {int(_cpus()[1])})
        plan: list[tuple[str, int, Callable[[list[str]], float]]] = [
            ("dnspython asyncresolver", 2_000, lambda names: asyncio.run(with_dnspython(address, names))),
            ("aiodns", 10_000, lambda names: asyncio.run(with_aiodns(address, names))),
            ("ours", 40_000, lambda names: asyncio.run(with_ours(address, names))),
            ("ours, cold domains", 15_000, lambda names: asyncio.run(cold_domains(address, names))),
        ]
        if shutil.which("dnsperf"):
            plan.append(("dnsperf", 100_000, lambda names: with_dnsperf(address, names, Path(name))))
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 10, 100)  # as the service does
        for _ in range(3 if quick else 9):
            for label, count, run in plan:
                first = random.randrange(DOMAINS - count + 1)
                names = [domain(number) for number in range(first, first + count)]
                random.shuffle(names)
                spent = _cpu_s()
                wall_s = run(names)
                figures.setdefault(label, []).append(Figure(count / wall_s, (_cpu_s() - spent) / count))
    print_figures(figures, server)
    for label, figure in cache_figures(100_000 if quick else 1_000_000).items():
        print(f"| {label} | {figure} |")


@dataclass(frozen=True)
class Figure:
    """One round of one client."""

    per_s: float
    """Questions (or domains) a second by the clock on the wall."""
    cpu_s: float
    """Processor seconds that the client spent on each, kernel included."""


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def print_figures(figures: dict[str, list[Figure]], server: str) -> None:
    """The table, with the ratios that the goals speak of."""
    print(f"Python {platform.python_version()}, uvloop {version('uvloop')}, dnspython {version('dnspython')},", end=" ")
    print(f"aiodns {version('aiodns')}, pycares {version('pycares')}, server {server}, {os.cpu_count()} cores\n")
    print("| what | a second | best round | CPU µs each | a second of CPU | ours: by the clock | ours: by CPU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    ours = figures["ours"]
    for label, rounds in figures.items():
        rate = statistics.median(one.per_s for one in rounds)
        cpu_us = statistics.median(one.cpu_s for one in rounds) * 1e6
        ratios = "| | |"
        if not label.startswith("ours"):
            by_clock = statistics.median(mine.per_s / its.per_s for mine, its in zip(ours, rounds, strict=True))
            by_cpu = statistics.median(its.cpu_s / mine.cpu_s for mine, its in zip(ours, rounds, strict=True))
            ratios = f"| {by_clock:.2f} x | {by_cpu:.2f} x |"
        best = max(one.per_s for one in rounds)
        print(f"| {label} | {rate:,.0f} | {best:,.0f} | {cpu_us:.1f} | {1e6 / cpu_us:,.0f} {ratios}")
    print()


if __name__ == "__main__":
    main()
