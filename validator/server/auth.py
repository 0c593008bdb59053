"""Who may do what: the decision before every handler, with the rate limit that goes with it.

Without any key the service is open, which is only allowed on loopback or when told so in so many words
(`check_binding`). As soon as one key exists, every operation with a scope needs one.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import socket
from collections.abc import Sequence

import structlog
from aiohttp import hdrs, web

from validator import metrics
from validator.errors import NotAuthorised, SettingsError
from validator.keys.key import Principal
from validator.keys.ring import KeyRing
from validator.server.limits import RateLimits
from validator.server.routes import Route
from validator.settings import Settings

BASIC_ROUTE = "/v1/email/check"
"""The only operation that takes HTTP Basic credentials, because the clients of the model service send them."""
COUNTED_AS = web.RequestKey("counted_as", str)
"""Public id of the key that the request came with, which its limits are counted under; absent without keys."""
LOCAL = "local"
"""The actor of a service without keys."""

log = structlog.get_logger("validator.auth")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class KeyAuthenticator:
    """Keys with scopes, and a limit for each key and each address."""

    def __init__(self, ring: KeyRing, limits: RateLimits, *, trusted_proxies: Sequence[str] = ()) -> None:
        """Raises `SettingsError` for a proxy network that cannot be read."""
        self._ring = ring
        self._limits = limits
        self._proxies = parse_networks(trusted_proxies)

    def waves_through(self, request: web.Request, route: Route) -> str | None:
        """The actor's name where that takes no thought: no keys, asked from loopback with no proxy in between.

        None: ask `authorise`.
        """
        if self._proxies or not (route.scope is None or self._ring.is_empty):
            return None
        if route.rate_limited and not (request.remote or "").startswith("127."):
            return None
        return "" if route.scope is None else LOCAL

    async def authorise(self, request: web.Request, route: Route) -> str:
        """The name of the key, `local` for a service without keys, an empty text where nobody needs one.

        It is the actor of history and logs. Raises `NotAuthorised` and `Overloaded`.
        """
        if route.scope is None or self._ring.is_empty:
            if route.rate_limited:
                await self._limit_address(request, route)
            return "" if route.scope is None else LOCAL
        principal = await self._identify(request, route)
        if principal is None:
            await self._refuse(request)
            raise NotAuthorised("a key is needed", takes_basic=route.path == BASIC_ROUTE)
        if route.scope not in principal.scopes:
            metrics.AUTH_FAILURES.labels("scope").inc()
            raise NotAuthorised(f"this key lacks the scope {route.scope}", known=True)
        request[COUNTED_AS] = principal.key_id
        if route.rate_limited:
            await self._limits.spend_key(principal.key_id, route.cost)
        return principal.name

    async def _identify(self, request: web.Request, route: Route) -> Principal | None:
        scheme, _, credential = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        match scheme.lower():
            case "bearer":
                return await self._ring.identify(credential.strip())
            case "basic" if route.path == BASIC_ROUTE:
                pair = _decode_basic(credential.strip())
                return await self._ring.identify_client(*pair) if pair is not None else None
            case _:
                return None

    async def _refuse(self, request: web.Request) -> None:
        """Count a missing or wrong key, and log the first of each address and minute that is one too many."""
        if hdrs.AUTHORIZATION not in request.headers:
            metrics.AUTH_FAILURES.labels("missing").inc()
            return
        metrics.AUTH_FAILURES.labels("wrong").inc()
        await self._limits.note_failure(self.client_address(request))

    async def _limit_address(self, request: web.Request, route: Route) -> None:
        address = self.client_address(request)
        if not _is_loopback(address):
            await self._limits.spend_address(address, route.cost)

    def client_address(self, request: web.Request) -> str:
        """The peer, or whom the last trusted proxy names; an IPv6 client is its /64."""
        peer = request.remote or ""
        if self._proxies:
            hops = [hop.strip() for hop in ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")]
            while hops and self._is_proxy(peer):
                hop = _without_port(hops.pop())
                if _parse_address(hop) is None:
                    break
                peer = hop
        return _network_of(peer)

    def _is_proxy(self, address: str) -> bool:
        parsed = _parse_address(address)
        return parsed is not None and any(parsed in network for network in self._proxies)


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks of `trusted_proxies`; raises `SettingsError`."""
    try:
        return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
    except ValueError:
        raise SettingsError("VALIDATOR_TRUSTED_PROXIES: not a list of networks such as 10.0.0.0/8") from None


def check_binding(settings: Settings, *, has_keys: bool) -> None:
    """Refuse to serve strangers without keys; raises `SettingsError` that says what to do."""
    if has_keys or settings.allow_public_without_keys or is_loopback(settings.host):
        return
    raise SettingsError(
        f"VALIDATOR_HOST: {settings.host} is not loopback and there is no key. Make one with `validator keys create`, "
        "set VALIDATOR_KEYS, or, if everybody who can connect may use everything, "
        "VALIDATOR_ALLOW_PUBLIC_WITHOUT_KEYS=true"
    )


def check_still_closed(settings: Settings, *, has_keys: bool) -> None:
    """Refuse a reload that would leave a service without keys that had some; raises `SettingsError`.

    A folder of secrets that is not mounted any more looks the same as keys that are not wanted any more.
    """
    if not has_keys and not settings.allow_public_without_keys:
        raise SettingsError(
            "VALIDATOR_KEYS: there were keys and now there are none; only a restart may open the service"
        )


def is_loopback(host: str) -> bool:
    """True when every address of *host* is loopback, so nobody else can connect."""
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    return all(str(item[4][0]).startswith("127.") or item[4][0] == "::1" for item in found)


def _decode_basic(credential: str) -> tuple[str, str] | None:
    try:
        client, colon, secret = base64.b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (client, secret) if colon else None


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _without_port(hop: str) -> str:
    """`203.0.113.5:4711` and `[2001:db8::5]:4711`, as some load balancers write them, without what follows."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _network_of(text: str) -> str:
    """What an address is counted under: one IPv6 customer has 2**64 addresses."""
    address = _parse_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return text if address is None else str(address)


def _is_loopback(text: str) -> bool:
    return text.startswith("127.") or text == "::/64"
