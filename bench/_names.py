"""A loopback name server for load: NSD from Debian's package, with wildcard zones in which every domain takes mail."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._served import free_port

ENDINGS = ("test", "com")
"""The zones. A name under `.test` is nobody's slip; one under `.com` has to be compared with the providers there."""
ZONE = """$TTL 300
@ SOA ns root 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
* MX 10 mx.hosts
mx.hosts A 142.250.150.26
mx.hosts AAAA 2a00:1450:4010:c1c::1a
none TXT "no mail here"
"""


def available() -> bool:
    """NSD is installed."""
    return shutil.which("nsd") is not None


@contextmanager
def nsd(folder: Path, *, minimal: bool = True) -> Iterator[int]:
    """The port it answers on, until the block ends. `*.test` and `*.com` take mail, `none` there does not.

    A resolver answers what was asked and leaves out the authority and additional sections (Unbound, BIND, Knot and the
    public ones do by default), and a resolver is what the service asks; an authority, with *minimal* False, adds them.
    """
    port = free_port()
    folder = folder.resolve()
    (folder / "any.zone").write_text(ZONE)
    zones = "".join(f'zone:\n  name: "{ending}"\n  zonefile: "any.zone"\n' for ending in ENDINGS)
    (folder / "nsd.conf").write_text(
        f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  server-count: 1
  round-robin: no
  rrl-ratelimit: 0
  minimal-responses: {"yes" if minimal else "no"}
  logfile: "{folder}/nsd.log"
remote-control:
  control-enable: no
{zones}"""
    )
    process = subprocess.Popen([shutil.which("nsd") or "nsd", "-d", "-c", str(folder / "nsd.conf")])
    try:
        time.sleep(0.5)
        if process.poll() is not None:
            raise RuntimeError(f"nsd ended: {(folder / 'nsd.log').read_text()[-1000:]}")
        yield port
    finally:
        process.terminate()
        process.wait(10)
