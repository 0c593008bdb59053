"""Outgoing notices: `address.blacklisted` and `address.lifted`, signed (Standard Webhooks), at least once.

They are queued in the transaction of the change and sent from there with growing pauses; after the last attempt a
notice stays in the table as `dead`. The destination is resolved by us, checked against private networks, and connected
to by the address that was checked, so that a name cannot change its mind in between; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from validator import metrics
from validator.database import Database
from validator.errors import SettingsError, StorageUnavailable
from validator.feedback.store import notices as outbox
from validator.feedback.webhooks import standard

RETRY_AFTER_S: Final = (5, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400)
"""Pauses after each failed attempt; then the notice is dead."""
_POLL_S = 1.0
_ATTEMPT_S = 10.0
_CLAIM = 20
"""Notices that a process takes for itself at a time and sends one after the other, in the order of the changes."""
_LEASE = timedelta(seconds=(_CLAIM + 1) * _ATTEMPT_S)
"""How long they are its own: until the last one was tried, even if the receiver lets every attempt run into its end.
Shorter, and another worker would send the same ones meanwhile. Those of a process that was killed wait as long."""
log = structlog.get_logger("validator.feedback")

Resolve = Callable[[str, int], Awaitable[list[str]]]


class UndeliverableNotice(Exception):
    """This attempt failed; the text is for the table of notices."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where notices go."""

    host: str
    """Name or address."""
    port: int
    """TCP port."""
    target: str
    """Path with query."""
    secure: bool
    """HTTPS."""
    private: bool
    """Special networks are allowed."""


def parse_destination(url: str, *, private: bool) -> Destination:
    """Read the setting; raises `SettingsError` for anything but HTTPS (HTTP where private networks are allowed)."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise SettingsError("VALIDATOR_NOTICE_URL: not a URL") from None
    secure = parts.scheme == "https"
    if not parts.hostname or parts.username or parts.fragment or not (secure or (private and parts.scheme == "http")):
        raise SettingsError("VALIDATOR_NOTICE_URL: an https:// URL without credentials")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or any(char.isspace() for char in target):
        raise SettingsError("VALIDATOR_NOTICE_URL: not a URL")
    return Destination(parts.hostname, port or (443 if secure else 80), target, secure, private)


async def resolve(host: str, port: int) -> list[str]:
    """Addresses of a host by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a label that is too long or empty is a UnicodeError
        raise UndeliverableNotice("the host cannot be resolved") from error
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def is_public(text: str) -> bool:
    """Whether an address lies in no private or special network; mapped and translated addresses are unwrapped."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


class Notifier:
    """Sends queued notices until it is closed."""

    def __init__(
        self,
        database: Database,
        destination: Destination,
        key: bytes,
        *,
        clock: Callable[[], datetime],
        resolver: Resolve = resolve,
    ) -> None:
        self._database = database
        self._destination = destination
        self._key = key
        self._clock = clock
        self._resolve = resolver
        self._tls: ssl.SSLContext | None = None

    async def run(self) -> None:
        """Send what is due, again and again; ends by being cancelled."""
        while True:
            sent = 0
            with suppress(StorageUnavailable):
                sent = await self.send_due()
            if not sent:
                await asyncio.sleep(_POLL_S)

    async def send_due(self) -> int:
        """Try every notice that is due, once; answers how many were tried."""
        now = self._clock()
        async with self._database.transaction() as conn:
            rows = await outbox.claim_notices(conn, now, limit=_CLAIM, lease=_LEASE)
        for row in rows:
            await self._settle(row, await self._attempt(row))
        return len(rows)

    async def _attempt(self, row: Any) -> str:
        """Send one; answers why not, or nothing."""
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                await self._post(row.message_id, row.body.encode())
        except UndeliverableNotice as error:
            return str(error)
        except OSError as error:  # a TLS failure and a timeout are some too
            return f"no connection ({type(error).__name__})"
        return ""

    async def _settle(self, row: Any, error: str) -> None:
        now = self._clock()
        if not error:
            state, due = "sent", now
        elif row.attempts >= len(RETRY_AFTER_S):
            state, due = "dead", now
            log.warning("notice.dead", message_id=row.message_id, error=error)
        else:
            state, due = "pending", now + timedelta(seconds=RETRY_AFTER_S[row.attempts])
        metrics.FEEDBACK_NOTICES.labels("failed" if state == "pending" else state).inc()
        async with self._database.transaction() as conn:
            await outbox.settle_notice(conn, row.id, state=state, error=error, due=due)

    async def _tls_context(self) -> ssl.SSLContext:
        """Made once and beside the event loop: it reads every certificate authority of the system."""
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    async def _post(self, message_id: str, body: bytes) -> None:
        place = self._destination
        addresses = await self._resolve(place.host, place.port)
        if not place.private:
            addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            raise UndeliverableNotice("the host has no public address")
        timestamp = int(self._clock().timestamp())
        signature = standard.sign(self._key, message_id, timestamp, body)
        default = place.port == (443 if place.secure else 80)
        named = f"[{place.host}]" if ":" in place.host else place.host
        head = (
            f"POST {place.target} HTTP/1.1\r\nHost: {named if default else f'{named}:{place.port}'}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"User-Agent: validator\r\nwebhook-id: {message_id}\r\nwebhook-timestamp: {timestamp}\r\n"
            f"webhook-signature: {signature}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(
            addresses[0],
            place.port,
            ssl=await self._tls_context() if place.secure else None,
            server_hostname=place.host if place.secure else None,
            limit=8192,
        )
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            words = (await reader.readline()).split(b" ", 2)
        except ValueError as error:  # `readline` says so of a line over the limit
            raise UndeliverableNotice("answered something that is not HTTP") from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].startswith(b"2"):
            shown = words[1][:3].decode("ascii", "replace") if len(words) > 1 else "nothing"
            raise UndeliverableNotice(f"answered {shown}")
