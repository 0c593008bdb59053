"""Which form of a list of answers its client takes, from the headers of RFC 9110, 12.5. Pure."""

from __future__ import annotations

from typing import Final

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"


def accepts_gzip(accept_encoding: str) -> bool:
    """RFC 9110 12.5.3, as far as gzip is concerned."""
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in {"gzip", "x-gzip"}:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def prefers_csv(accept: str) -> bool:
    """The first of our two types that the client names is CSV."""
    for part in accept.lower().split(","):
        name = part.partition(";")[0].strip()
        if name in {CSV, NDJSON, "application/json"}:
            return name == CSV
    return False
