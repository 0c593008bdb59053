"""Tells systemd how the service is (`Type=notify`): one datagram, nothing when there is no systemd."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def notify(state: str) -> None:
    """Send a state such as `READY=1`; a reload also says when it began, as `Type=notify-reload` asks."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if state == "RELOADING=1":
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    address = "\0" + path[1:] if path.startswith("@") else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.sendall(state.encode())


@contextmanager
def unnotified() -> Iterator[None]:
    """While somebody else's code runs that would speak to systemd before it is time."""
    path = os.environ.pop("NOTIFY_SOCKET", None)
    try:
        yield
    finally:
        if path is not None:
            os.environ["NOTIFY_SOCKET"] = path
