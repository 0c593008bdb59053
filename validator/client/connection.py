"""One HTTP/1.1 connection that asks again: retries, deadlines, keep-alive. Standard library."""

from __future__ import annotations

import http.client
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from validator.client.answers import ClientError, ServiceProblem, Unreachable

MAX_RETRY_AFTER_S = 60.0
"""Longest `Retry-After` that is obeyed; past it the problem is raised."""
_RETRIED = frozenset({429, 502, 503, 504})
_NO_URL = "a URL such as http://127.0.0.1:8080 is needed"
_KEY = re.compile(r"[!-~]+")


class Connection:
    """Asks one service, one request at a time, over one connection that is opened anew when it broke."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 4,
        sleep: Callable[[float], None] = time.sleep,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises `ClientError` for a URL that is not `http` or `https` with a host, and for a key that is no key."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ClientError(_NO_URL) from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ClientError(_NO_URL)
        self._host, self._port = parts.hostname, port
        self._prefix = parts.path.rstrip("/")
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._timeout_s = timeout_s
        self._retries = retries
        self._sleep = sleep
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        word = (key or "").strip()  # a file of secrets ends in a line feed
        if word:
            if not _KEY.fullmatch(word):
                raise ClientError("a key is one word of visible ASCII characters")
            self._headers["Authorization"] = f"Bearer {word}"
        self._open: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def ask(self, path: str, body: object) -> Any:
        """The JSON answer to a POST; raises `ServiceProblem`, `Unreachable` or `ClientError`."""
        raw = orjson.dumps(body)
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                status, headers, answer = self._once(path, raw)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if last:
                    words = getattr(error, "strerror", None) or type(error).__name__
                    raise Unreachable(f"no answer from {self._host}: {words}") from error
                self._sleep(_backoff_s(attempt))
                continue
            if status == 200:
                return _decoded(answer)
            wait_s = _wait_s(headers, attempt) if status in _RETRIED and not _is_verdict_on_row(answer) else None
            if last or wait_s is None:
                raise ServiceProblem(status, _problem(answer))
            self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _once(self, path: str, raw: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if self._open is None:
            if self._tls is None:
                self._open = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            else:
                self._open = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout_s, context=self._tls
                )
        self._open.request("POST", self._prefix + path, raw, self._headers)
        response = self._open.getresponse()
        return response.status, dict(response.headers), response.read()


def _is_verdict_on_row(answer: bytes) -> bool:
    """`on_unknown: error` is the answer that was asked for, not trouble of the service."""
    return _problem(answer).get("type") == "/problems/unknown"


def _problem(answer: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _decoded(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise ClientError("the answer is not JSON") from error


def _wait_s(headers: Mapping[str, str], attempt: int) -> float | None:
    """How long to wait before asking again; None when the service says longer than we obey."""
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    if said.isdecimal():
        return float(said) if int(said) <= MAX_RETRY_AFTER_S else None
    return _backoff_s(attempt)


def _backoff_s(attempt: int) -> float:
    """Doubling, with jitter so that many clients do not come back together."""
    return min(10.0, 0.2 * float(2**attempt)) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
