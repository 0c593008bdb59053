"""What ours is compared with: an aiohttp handler that reads JSON and answers fixed JSON, and nothing else.

    python -m bench._bare PORT [PACKAGES]

With a second word it imports what the service is built on as well, and does nothing with it: no start can take less.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module

import uvloop
from aiohttp import web

PACKAGES = ("orjson", "pydantic", "pydantic_settings", "prometheus_client", "structlog", "typer", "unidecode",
            "rapidfuzz.distance")  # fmt: skip
ANSWER = {"orig": "", "valid": True, "email": "", "reason": None, "status": "valid", "suggestion": None}


async def answer(request: web.Request) -> web.Response:
    """Read, answer."""
    body = await request.json()
    return web.json_response(ANSWER | {"orig": body["email"], "email": body["email"]})


async def main(port: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_post("/check", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        for package in PACKAGES:
            import_module(package)
        from pydantic import BaseModel, Field, SecretStr, field_validator  # noqa: F401 - the package loads them late
    uvloop.run(main(int(sys.argv[1])))
