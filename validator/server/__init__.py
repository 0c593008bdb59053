"""The HTTP edge: aiohttp, pydantic models, problems. Nothing below imports this package."""
