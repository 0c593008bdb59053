"""A source of answers that is a table, and a clock that stands still: it refuses what it was not told."""

from __future__ import annotations

from collections import Counter

from validator.mx.answer import Answer, AnswerKind, Fault, RecordType, failed
from validator.mx.health import ServerHealth, ServerState
from validator.mx.resolver import MxResolver
from validator.mx.source import OnAnswer
from validator.mx.special import SpecialNames


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def mx(*hosts: str, ttl_s: int = 300) -> Answer:
    """An MX answer naming *hosts*, preferences 10, 20 and so on."""
    return Answer(AnswerKind.RECORDS, tuple((10 * place, host) for place, host in enumerate(hosts, 1)), ttl_s)


def addresses(*texts: str, ttl_s: int = 300) -> Answer:
    """An address answer."""
    return Answer(AnswerKind.RECORDS, texts, ttl_s)


def absent(ttl_s: int | None = 60) -> Answer:
    """The name exists and has no such record."""
    return Answer(AnswerKind.NO_DATA, (), ttl_s)


def nowhere(ttl_s: int | None = 60) -> Answer:
    """The name does not exist."""
    return Answer(AnswerKind.NO_NAME, (), ttl_s)


SERVFAIL = failed(Fault.SERVFAIL)
TIMEOUT = failed(Fault.TIMEOUT)


class TableSource:
    """Answers from `table`; `held` questions wait until `release`."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, int], Answer] = {}
        self.asked: Counter[tuple[str, int]] = Counter()
        self.held: list[tuple[str, int, OnAnswer]] = []
        self.hold = False
        self.down = False
        self.failing: Answer | None = None
        self.invented: frozenset[str] = frozenset()
        self.recovered = lambda: None

    def domain(self, name: str, answer: Answer, **hosts: Answer) -> None:
        """MX of *name*; keyword `mx_example_org=answer` gives the A record of `mx.example.org`, without AAAA."""
        self.table[name, RecordType.MX] = answer
        for host, found in hosts.items():
            self.host(host.replace("_", "."), found)

    def host(self, name: str, a: Answer, aaaa: Answer | None = None) -> None:
        """Addresses of a host."""
        self.table[name, RecordType.A] = a
        self.table[name, RecordType.AAAA] = aaaa if aaaa is not None else (absent() if a.fault is None else a)

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        self.asked[name, rtype] += 1
        if self.hold:
            self.held.append((name, rtype, on_answer))
        else:
            on_answer(self.failing or self.table[name, rtype])

    def release(self) -> None:
        """Answer everything that is held, and what is asked because of it."""
        self.hold = False
        held, self.held = self.held, []
        for name, rtype, on_answer in held:
            on_answer(self.failing or self.table[name, rtype])

    def is_down(self) -> bool:
        return self.down

    async def invented_addresses(self) -> frozenset[str]:
        return self.invented

    def health(self) -> tuple[ServerHealth, ...]:
        state = ServerState.DOWN if self.down else ServerState.UP
        return (ServerHealth("table", state, 0, None, bool(self.invented)),)

    def on_recovery(self, callback: object) -> None:
        self.recovered = callback  # type: ignore[assignment]

    async def start(self) -> None:
        pass

    async def aclose(self) -> None:
        self.failing = failed(Fault.RESOLVER_DOWN)
        self.release()


SPECIAL = SpecialNames(
    [{"name": "local", "rule": "name"}, {"name": "test", "rule": "name"}, {"name": "_dc-mx", "rule": "first_label"}]
)


def resolver(source: TableSource, clock: Clock, **options: object) -> MxResolver:
    """A resolver over the table and the clock."""
    return MxResolver(source, SPECIAL, clock=clock, **options)  # type: ignore[arg-type]
