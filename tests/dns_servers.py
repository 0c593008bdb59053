"""Real name servers from Debian's packages on loopback: NSD as authority, Unbound as resolver in front of it."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode

PROGRAMS = ("nsd", "unbound")
START_TIMEOUT_S = 30.0


def program(name: str) -> str | None:
    """Where the program is; daemons live in directories that are not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A port that is free for UDP and TCP, below the range that the system takes for clients."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            ):
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port


@contextmanager
def nsd(folder: Path, zones: Mapping[str, str], *, cpus: str | None = None) -> Iterator[tuple[str, int]]:
    """An NSD that serves *zones* (name to master file); its address."""
    port = free_port()
    config = [
        "server:",
        f"  ip-address: 127.0.0.1@{port}",
        f'  zonesdir: "{folder}"',
        f'  pidfile: "{folder}/nsd.pid"',
        f'  xfrdfile: "{folder}/xfrd.state"',
        f'  zonelistfile: "{folder}/zone.list"',
        f'  logfile: "{folder}/nsd.log"',
        '  username: ""',
        '  database: ""',
        "  server-count: 1",
        "  minimal-responses: yes",
        "  rrl-ratelimit: 0",
        "remote-control:",
        "  control-enable: no",
    ]
    for number, (name, text) in enumerate(zones.items()):
        path = folder / f"zone{number}"
        path.write_text(text)
        config += ["zone:", f'  name: "{name}"', f'  zonefile: "{path}"']
    (folder / "nsd.conf").write_text("\n".join(config) + "\n")
    command = ["nsd", "-d", "-c", str(folder / "nsd.conf")]
    with _running(command, port, folder / "nsd.out", ready=next(iter(zones)), cpus=cpus):
        yield "127.0.0.1", port


@contextmanager
def unbound(folder: Path, stubs: Mapping[str, tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """An Unbound that asks the given address for each zone of *stubs* and knows nothing else; its address."""
    port = free_port()
    config = [
        "server:",
        f"  interface: 127.0.0.1@{port}",
        "  access-control: 127.0.0.0/8 allow",
        "  do-daemonize: no",
        '  username: ""',
        '  chroot: ""',
        f'  directory: "{folder}"',
        f'  pidfile: "{folder}/unbound.pid"',
        "  use-syslog: no",
        f'  logfile: "{folder}/unbound.log"',
        '  module-config: "iterator"',
        "  do-not-query-localhost: no",
        "  num-threads: 1",
        "  qname-minimisation: no",
        "remote-control:",
        "  control-enable: no",
    ]
    for name, (host, stub_port) in stubs.items():
        config.insert(-2, f'  local-zone: "{name.rpartition(".")[2]}" nodefault')  # it denies `test` by itself
        config.insert(-2, f'  domain-insecure: "{name}"')
        config += ["stub-zone:", f'  name: "{name}"', f"  stub-addr: {host}@{stub_port}"]
    (folder / "unbound.conf").write_text("\n".join(config) + "\n")
    command = ["unbound", "-d", "-c", str(folder / "unbound.conf")]
    with _running(command, port, folder / "unbound.out", ready=next(iter(stubs))):
        yield "127.0.0.1", port


@contextmanager
def _running(command: list[str], port: int, output: Path, *, ready: str, cpus: str | None = None) -> Iterator[None]:
    """The program while it runs; entered when it answers for the zone *ready*."""
    path = program(command[0])
    assert path is not None, f"{command[0]} is not installed"
    pinned = ["taskset", "-c", cpus] if cpus is not None and shutil.which("taskset") else []
    with output.open("wb") as log:
        process = subprocess.Popen([*pinned, path, *command[1:]], stdout=log, stderr=log)
        try:
            _wait_for(process, port, output, ready)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, output: Path, ready: str) -> None:
    query = dns.message.make_query(ready, "SOA")
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended: {output.read_text()}")
        try:
            reply = dns.query.udp(query, "127.0.0.1", port=port, timeout=0.3)
        except (dns.exception.DNSException, OSError):
            reply = None
        if reply is not None and reply.rcode() == dns.rcode.NOERROR:
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer: {output.read_text()}")
