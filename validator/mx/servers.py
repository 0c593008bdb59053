"""Which resolvers to ask: the configured ones, else those of the system."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from validator.errors import SettingsError

DNS_PORT = 53
RESOLV_CONF = Path("/etc/resolv.conf")


def parse_servers(texts: Sequence[str]) -> list[tuple[str, int]]:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353` each; raises `SettingsError`.

    Only addresses: a name would have to be looked up first.
    """
    return [_parse_server(text) for text in texts]


def _parse_server(text: str) -> tuple[str, int]:
    host, colon, port = text, "", ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1] or ("" if bracket else "]"), rest[1:]
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
    try:
        address = str(ip_address(host))
        number = int(port) if colon else DNS_PORT
    except ValueError:
        raise SettingsError(f"VALIDATOR_DNS_SERVERS: {text!r} is not ip[:port]") from None
    if not 0 < number < 65_536 or colon not in ("", ":"):
        raise SettingsError(f"VALIDATOR_DNS_SERVERS: {text!r} is not ip[:port]")
    return address, number


def system_servers(path: Path = RESOLV_CONF) -> list[tuple[str, int]]:
    """The `nameserver` lines of resolv.conf(5), at most three; the local host when there is none.

    Search lists and options are not read: only absolute names are ever asked.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and "%" not in words[1]:
            try:
                found.append((str(ip_address(words[1])), DNS_PORT))
            except ValueError:
                continue
    return found[:3] or [("127.0.0.1", DNS_PORT)]
