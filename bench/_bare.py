"""What ours is compared with: an aiohttp handler that reads JSON and answers fixed JSON, and nothing else."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

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
    uvloop.run(main(int(sys.argv[1])))
