"""Where answers come from: the one interface between the resolver and the network, a zone file or a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from validator.mx.answer import Answer
from validator.mx.health import ServerHealth

OnAnswer = Callable[[Answer], None]
"""Called exactly once per question, from the event loop, possibly before `ask` returns; must not raise."""


class AnswerSource(Protocol):
    """Answers single questions; never raises for DNS trouble."""

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Ask for *name* (lower-case ASCII, no final dot, fits the wire); answers by *deadline* on its clock."""
        ...

    def is_down(self) -> bool:
        """True when nobody answers and asking now would only wait; lets a trial question pass now and then."""
        ...

    async def invented_addresses(self) -> frozenset[str]:
        """Addresses given to a random name that cannot exist: empty unless a resolver rewrites NXDOMAIN."""
        ...

    def health(self) -> tuple[ServerHealth, ...]:
        """Every server, in the configured order."""
        ...

    def on_recovery(self, callback: Callable[[], None]) -> None:
        """Have *callback* called whenever answers come again after `is_down` was true."""
        ...

    async def start(self) -> None:
        """Open what it needs; raises `SettingsError` when the configuration cannot work."""
        ...

    async def aclose(self) -> None:
        """Give it back; questions under way are answered as failed."""
        ...
