"""Validator: repairs, judges and suppresses email addresses. The public Python API.

    async with Checker.open() as checker:
        verdict = await checker.check("ivan@gmial.com")
        async for verdict in checker.check_many(addresses): ...

Everything here is imported when it is first used, so `import validator` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validator.address import EmailAddress, SyntaxFault, SyntaxRules, parse_address
    from validator.client import AsyncClient, Client
    from validator.errors import ValidatorError
    from validator.library import Checker, classify_reply, sanitize_text
    from validator.sanitize import Sanitized
    from validator.settings import Settings
    from validator.verdict import Change, Explanation, Finding, Outcome, Reason, Status, Verdict

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Change",
    "Checker",
    "Client",
    "EmailAddress",
    "Explanation",
    "Finding",
    "Outcome",
    "Reason",
    "Sanitized",
    "Settings",
    "Status",
    "SyntaxFault",
    "SyntaxRules",
    "ValidatorError",
    "Verdict",
    "classify_reply",
    "parse_address",
    "sanitize_text",
]

_HOMES = {
    "AsyncClient": "client", "Change": "verdict", "Checker": "library", "Client": "client", "EmailAddress": "address",
    "Explanation": "verdict", "Finding": "verdict", "Outcome": "verdict", "Reason": "verdict", "Sanitized": "sanitize",
    "Settings": "settings", "Status": "verdict", "SyntaxFault": "address", "SyntaxRules": "address",
    "ValidatorError": "errors", "Verdict": "verdict", "classify_reply": "library", "parse_address": "address",
    "sanitize_text": "library",
}  # fmt: skip


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
