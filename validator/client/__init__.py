"""A small typed client of a running service: `Client` blocks, `AsyncClient` is awaited. Standard library and orjson.

    with Client("http://127.0.0.1:8080") as client:
        verdict = client.check("ivan@gmial.com")
        for verdict in client.check_many(open("list.txt")): ...

An answer of 429 or 503 is waited out as `Retry-After` says and asked again; a broken connection is opened again.
Both are safe because a check changes nothing.
"""

from validator.client.answers import AddressError, CheckAnswer, ClientError, ServiceProblem, Unreachable
from validator.client.asking import AsyncClient, Client

__all__ = [
    "AddressError",
    "AsyncClient",
    "CheckAnswer",
    "Client",
    "ClientError",
    "ServiceProblem",
    "Unreachable",
]
