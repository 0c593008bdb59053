"""How the resolvers are doing, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ServerState(StrEnum):
    """How one resolver is doing."""

    UP = "up"
    """It answers."""
    SUSPECT = "suspect"
    """Questions went unanswered; a probe is under way and others are preferred."""
    DOWN = "down"
    """The probe went unanswered too; only probes are sent."""
    REFUSING = "refusing"
    """It answers, and refuses us: our own configuration."""
    FAILING = "failing"
    """It answers, and has no answer even to what it has answered before."""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """One resolver, as `/readyz` and the metrics show it."""

    address: str
    """`ip:port`, or the name of what answers in its place."""
    state: ServerState
    """How it is doing."""
    unanswered: int
    """Questions in a row without an answer."""
    answer_ms: float | None
    """Smoothed time to an answer; None before the first."""
    rewriting: bool
    """It gives addresses to names that do not exist."""


class ResolverState(StrEnum):
    """The resolvers in one word."""

    OK = "ok"
    """Every server answers."""
    DEGRADED = "degraded"
    """Some server is not well; others answer."""
    DOWN = "down"
    """No server answers: known domains are served stale, others are unknown."""
    FAILING = "failing"
    """Those that answer have no answer to anything: the same as DOWN, but for whoever looks for the cause."""
    REWRITING = "rewriting"
    """A server invents addresses for names that do not exist; no implicit mail host is believed."""


@dataclass(frozen=True, slots=True)
class ResolverHealth:
    """How look-ups are doing, for `/readyz` and metrics."""

    state: ResolverState
    """In one word."""
    servers: tuple[ServerHealth, ...]
    """Every server, in the configured order."""
    cached_domains: int
    """Domains in the cache, expired ones included."""

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "state": self.state.value,
            "cached_domains": self.cached_domains,
            "servers": [
                {
                    "address": server.address,
                    "state": server.state.value,
                    "unanswered": server.unanswered,
                    "answer_ms": server.answer_ms,
                    "rewriting": server.rewriting,
                }
                for server in self.servers
            ],
        }
