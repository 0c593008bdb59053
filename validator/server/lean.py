"""Imports aiohttp without what its client needs: this service only serves."""

from __future__ import annotations

import ssl
import sys
from typing import Any

from validator.absent import absent


def _read_nothing(*_: object) -> None:
    """In place of reading the certificate authorities."""


def import_aiohttp() -> None:
    """Import it for a process that has one thread so far and will use no client of aiohttp.

    At its import aiohttp makes two TLS contexts for its client and reads all certificate authorities of the system for
    each: a quarter of its import time and some megabytes. Here they trust nobody: whoever should use that client after
    all is refused, not deceived. Other TLS contexts are as ever. Does nothing when aiohttp was imported before.
    """
    if "aiohttp" in sys.modules:
        return
    kind: Any = ssl.SSLContext
    usual = kind.load_default_certs
    kind.load_default_certs = kind.set_default_verify_paths = _read_nothing
    try:
        with absent("aiodns"):  # that client would resolve names with it
            import aiohttp  # noqa: F401 - whoever imports it next finds it
    finally:
        kind.load_default_certs = usual
        del kind.set_default_verify_paths  # what is inherited shows again
