"""A whole service for tests: real app, real store in a temporary file, DNS from a zone file; loopback only."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from validator.reference.tables import default_data_dir
from validator.runtime import Runtime, open_runtime
from validator.server.app import create_app
from validator.server.app_keys import RUNTIME
from validator.settings import Settings

DEMO_ZONE = default_data_dir() / "demo.zone"


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings of a hermetic service: a store of its own, the demo zone, `*.test` looked up."""
    values: dict[str, Any] = {
        "database_url": SecretStr(f"sqlite:///{folder / 'validator.db'}"),
        "dns_zone_file": DEMO_ZONE,
        "special_use_exceptions": ("test",),
        "store_timeout_s": 30.0,  # where many tests run at once a transaction can take over 5 s
    }
    return Settings(**(values | changes))


class Service:
    """A running service and a client of it."""

    def __init__(self, client: TestClient[Any, Any], runtime: Runtime) -> None:
        self.client = client
        self.runtime = runtime

    async def check(self, email: str, **options: Any) -> dict[str, Any]:
        """The verdict of `POST /check`."""
        response = await self.post("/check", {"email": email, **options})
        assert response.status == 200, await response.text()
        return dict(await response.json())

    async def post(self, path: str, body: Any, **options: Any) -> ClientResponse:
        """POST a value as JSON, or bytes as they are."""
        data = io.BytesIO(body) if isinstance(body, bytes) else orjson.dumps(body)
        return await self.client.post(path, data=data, **options)


@asynccontextmanager
async def service(folder: Path, **changes: Any) -> AsyncIterator[Service]:
    """A service with *changes* to its settings, stopped afterwards."""
    async with open_runtime(settings_for(folder, **changes)) as runtime:
        app = create_app(runtime)
        assert app[RUNTIME] is runtime
        server = TestServer(app)
        await server.start_server(auto_decompress=False)
        async with TestClient(server) as client:
            yield Service(client, runtime)
