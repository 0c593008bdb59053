"""What the client returns and raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from validator.errors import ValidatorError
from validator.verdict import Reason, Status


class ClientError(ValidatorError):
    """The service could not be asked, or did not answer with a verdict."""


class Unreachable(ClientError):
    """No connection, or none that held, however often it was tried."""


class ServiceProblem(ClientError):
    """The service answered with a problem document (RFC 9457)."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(str(document.get("detail") or document.get("title") or f"status {status}"))
        self.status = status
        self.document = dict(document)


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The verdict of the service, as `POST /check` answers it."""

    orig: str
    """Exactly what was sent."""
    valid: bool
    """Whether `email` can be stored and used."""
    email: str
    """The corrected address; never null."""
    reason: Reason | None
    """Why not; null when valid."""
    status: Status
    """valid, invalid or unknown."""
    suggestion: str | None
    """An address that was probably meant, but not surely enough to apply."""
    explain: Mapping[str, Any] | None = None
    """Evidence, when asked for."""


@dataclass(frozen=True, slots=True)
class AddressError:
    """An address of a list without a verdict: undecided with `on_unknown="error"`."""

    orig: str
    """What was sent."""
    status: int
    """The HTTP status that the same fault has in `POST /check`."""
    detail: str
    """In words."""


def read_answer(document: Mapping[str, Any]) -> CheckAnswer:
    """A verdict from its wire form; raises `ClientError` for anything else."""
    try:
        reason = document["reason"]
        return CheckAnswer(
            orig=document["orig"],
            valid=document["valid"],
            email=document["email"],
            reason=None if reason is None else Reason(reason),
            status=Status(document["status"]),
            suggestion=document["suggestion"],
            explain=document.get("explain"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClientError("the answer is not a verdict of this version") from error
