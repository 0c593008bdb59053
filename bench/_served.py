"""Server processes for benchmarks and load tests: started, waited for, measured, stopped."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import dns_servers

free_port = dns_servers.free_port
ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
BODY = b'{"email": "ivan.petrov@gmail.com"}'


@dataclass(slots=True)
class Served:
    """A running server."""

    process: subprocess.Popen[bytes]
    """The process that was started; its children belong to it."""
    port: int
    """Where it listens."""
    log: Path
    """Its standard error."""
    start_s: float = 0.0
    """From the start of the process to its first answer."""

    def pids(self) -> list[int]:
        """The process and its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = children.read_text().split() if children.exists() else []
        return [self.process.pid, *map(int, found)]

    def cpu_s(self) -> float:
        """Processor time used so far, user and system, children included."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def memory_mib(self) -> list[float]:
        """Proportional set size of each process: what it adds to the machine."""
        return [_pss_mib(pid) for pid in self.pids()]

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGTERM, *, timeout_s: float = 15) -> int:
        """Signal, wait, give the exit code; killed when it does not go."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.pids()):
                os.kill(pid, signal.SIGKILL)
            return self.process.wait()


def _pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def service_environment(folder: Path, **changes: str) -> dict[str, str]:
    """Settings of a hermetic service: a store of its own and nothing from this shell's VALIDATOR_*."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VALIDATOR_")}
    own = {"VALIDATOR_DATABASE_URL": f"sqlite:///{folder / 'validator.db'}", "VALIDATOR_LOG_LEVEL": "warning"}
    return inherited | own | {f"VALIDATOR_{name.upper()}": value for name, value in changes.items()}


@contextmanager
def serving(
    command: Sequence[str], *, port: int, folder: Path, environment: Mapping[str, str], path: str = "/livez"
) -> Iterator[Served]:
    """Run a server until the block ends; raises `RuntimeError` with its log when it never answers."""
    log = folder / f"server-{port}.log"
    begun = time.perf_counter()
    with log.open("wb") as err:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=dict(environment), stderr=err)
    served = Served(process, port, log)
    try:
        _wait_until_it_answers(served, path)
        served.start_s = time.perf_counter() - begun
        yield served
    finally:
        served.stop()


def _wait_until_it_answers(served: Served, path: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if served.process.poll() is not None:
            raise RuntimeError(f"the server ended with {served.process.returncode}: {served.log.read_text()[-2000:]}")
        try:
            status, _ = served.request("POST", "/check", BODY) if path == "/check" else served.request("GET", path)
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
            continue
        if status < 500:
            return
    raise RuntimeError(f"the server does not answer: {served.log.read_text()[-2000:]}")


def service(
    folder: Path, *, workers: int = 1, port: int | None = None, **settings: str
) -> AbstractContextManager[Served]:
    """`validator serve` on loopback as a context manager."""
    port = port or free_port()
    environment = service_environment(folder, port=str(port), workers=str(workers), **settings)
    return serving(["-m", "validator", "serve"], port=port, folder=folder, environment=environment, path="/check")
