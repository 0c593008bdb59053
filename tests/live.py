"""A service as its own process on a free port, for tests that must talk to the real thing; stopped by SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.dns_servers import free_port
from tests.service import DEMO_ZONE

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def live_service(folder: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`(base URL, process)` of a running service; *settings* without their prefix."""
    port = free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("VALIDATOR_")},
        "VALIDATOR_PORT": str(port),
        "VALIDATOR_DATABASE_URL": f"sqlite:///{folder / 'live.db'}",
        "VALIDATOR_DNS_ZONE_FILE": str(DEMO_ZONE),
        "VALIDATOR_SPECIAL_USE_EXCEPTIONS": "test",
        **{f"VALIDATOR_{key.upper()}": value for key, value in settings.items()},
    }
    with (folder / "live.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "validator", "serve"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(base, process)
        yield base, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(base: str, process: subprocess.Popen[bytes], *, limit_s: float = 30) -> None:
    """Return when `/readyz` says 200; raises `RuntimeError` when the process ends or time is up."""
    ends = time.monotonic() + limit_s
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}")
        try:
            with urlopen(f"{base}/readyz", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError("the service did not become ready")
