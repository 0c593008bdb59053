"""Nobody to ask: every question is left open, no socket is opened. For runs that must not touch the network."""

from __future__ import annotations

from validator.mx.answer import Fault, failed
from validator.mx.health import ServerHealth, ServerState
from validator.mx.source import OnAnswer


class NobodySource:
    """Leaves every question open, at once; an `AnswerSource`."""

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Say that nobody was asked."""
        del name, rtype, deadline
        on_answer(failed(Fault.NOT_RECORDED))

    def is_down(self) -> bool:
        """There is nobody who could be down."""
        return False

    async def invented_addresses(self) -> frozenset[str]:
        """Nobody invents nothing."""
        return frozenset()

    def health(self) -> tuple[ServerHealth, ...]:
        """One well server that is nobody."""
        return (ServerHealth("nobody", ServerState.UP, 0, None, rewriting=False),)

    def on_recovery(self, callback: object) -> None:
        """It is never down, so it never comes back."""

    async def start(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""
