"""One resolver that is asked: its UDP sockets, and how it is doing.

A channel is a connected UDP socket with a source port of the kernel's choosing: the kernel drops what comes from
anywhere else. Several channels share the load and are replaced every minute, so that a forger has to guess the port
besides the id and the letter case.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from struct import Struct

from validator.mx.answer import AliasEnd, Answer, AnswerKind, RecordType
from validator.mx.health import ServerHealth, ServerState
from validator.mx.source import OnAnswer
from validator.mx.wire import encode_question

SUSPECT_AFTER = 3
"""Questions in a row without an answer that make a server suspect."""
PLAIN_AFTER = 4
"""Questions in a row that were answered only without EDNS (or only in lower case) that end its use, for a while."""
RELEARN_S = 600.0
"""How long such a habit is kept before it is tried again."""
_RECEIVE_BUFFER_BYTES = 1 << 20
TURN = 32
"""Plain questions that go through one channel in a row."""
_SMOOTHING = 0.1
_DRAW = Struct("=2sH")
_DRAWN_OCTETS = 4_096
_CASE_BITS = 10
_CASE_MASK = (1 << _CASE_BITS) - 1

Asked = tuple[bytes, str, int, OnAnswer, float, float]
"""A question on its way that has needed nothing special: as sent, name, type, whom to tell, deadline, when sent."""


class Salt:
    """What a forger has to guess besides the port: ids and letter case (0x20), both from the system's random source.

    Each letter of the alphabet is upper or lower throughout one question, which costs a tenth of a microsecond and
    adds about as many bits as the name has different letters.
    """

    def __init__(self) -> None:
        bits = memoryview(os.urandom(4 << _CASE_BITS)).cast("I")
        self.tables = tuple(_case_table(number) for number in bits)
        """Translations of lower-case letters, each into a random mixture."""
        self._draws: Iterator[tuple[bytes, int]] = iter(())

    def draw(self, channel: Channel) -> tuple[bytes, bytes]:
        """An id that no question on *channel* uses, as its two octets, and a table."""
        while True:
            for key, number in self._draws:
                if key not in channel.plain and key not in channel.waiting:
                    return key, self.tables[number & _CASE_MASK]
            self._draws = _DRAW.iter_unpack(os.urandom(_DRAWN_OCTETS))


def _case_table(bits: int) -> bytes:
    """A translation of the lower-case letters that *bits* names into capitals; other octets are never letters."""
    chosen = bytes(97 + place for place in range(26) if bits >> place & 1)
    return bytes.maketrans(chosen, chosen.upper())


class Query:
    """One question that takes more than one datagram and its answer, and what has been tried for it."""

    due = 0.0
    """When the sweep should look at it next."""
    bucket: set[Query] | None = None
    """Where it stands in the wheel."""
    best: Answer | None = None
    """The fault to report when nothing better comes."""
    pinned: Server | None = None
    """The only server that may have it; None for any."""
    repeats = 0
    """Repetitions because of silence."""
    paused = False
    """Waiting a moment before the one repetition after a failure."""
    retried = False
    """That repetition has been used."""
    without_edns = False
    """The one repetition without EDNS has been used."""
    probe = False
    """Asked only to see whether the server answers at all."""
    counted = False
    """It counts as in flight; not so while it waits for its turn."""
    passed: tuple[str, ...] = ()
    """Names that turned out to be aliases whose answers left the end out; `name` is that end."""
    aliases = 0
    """CNAME records on the way to `name`."""
    alias_ttl_s = 0
    """The least TTL of those."""
    done = False
    """It has been answered, one way or another."""

    def __init__(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer, now: float) -> None:
        self.name = name
        self.rtype = rtype
        self.question = encode_question(name, rtype)
        self.deadline = deadline
        self.on_answer = on_answer
        self.started_at = now
        self.attempts: list[Attempt] = []

    def go_on_to(self, end: AliasEnd) -> None:
        """From here on it is a question about *end*; everything may be tried anew for it, until the same deadline."""
        self.alias_ttl_s = min(self.alias_ttl_s, end.ttl_s) if self.passed else end.ttl_s
        self.aliases += end.aliases
        self.passed = (*self.passed, self.name)
        self.name = end.name
        self.question = encode_question(end.name, self.rtype)
        self.best = None
        self.repeats = 0
        self.retried = self.without_edns = False

    def as_asked(self, answer: Answer) -> Answer:
        """*answer* about `name` as the answer about the name that was asked for first."""
        if not self.passed or answer.kind is AnswerKind.FAILED:
            return answer
        ttl_s = None if answer.ttl_s is None else min(answer.ttl_s, self.alias_ttl_s)
        return answer._replace(ttl_s=ttl_s, aliases=answer.aliases + self.aliases)


class Attempt:
    """One datagram that was sent for a question."""

    __slots__ = ("channel", "edns", "key", "mixed", "query", "question", "sent_at")

    def __init__(
        self, query: Query, channel: Channel, key: bytes, question: bytes, sent_at: float, edns: bool, mixed: bool
    ) -> None:
        self.query = query
        self.channel = channel
        self.key = key
        """The id, two octets."""
        self.question = question
        self.sent_at = sent_at
        self.edns = edns
        self.mixed = mixed
        """The question went out in random letter case and must come back in it."""


class Channel:
    """One connected UDP socket and the questions that wait on it, by id (two octets)."""

    __slots__ = ("burst", "opened_at", "plain", "server", "socket", "waiting")

    def __init__(self, server: Server, now: float) -> None:
        """Open and connect; raises OSError when the address cannot be reached at all."""
        self.server = server
        self.opened_at = now
        self.plain: dict[bytes, Asked] = {}
        """In the order in which they were sent."""
        self.waiting: dict[bytes, Attempt] = {}
        """Those of questions that take more."""
        self.burst = 1
        """Datagrams to read before the event loop is asked again; follows what arrives."""
        self.socket = socket.socket(server.family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        try:
            self.socket.connect(server.sockaddr)
        except OSError:
            self.socket.close()
            raise


class Server:
    """One resolver by address, with its channels and its record."""

    def __init__(self, host: str, port: int, place: int) -> None:
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sockaddr = (host, port)
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.place = place
        """Its place in the configuration, from 1; what metrics call it."""
        self.channels: list[Channel] = []
        self.retired: list[Channel] = []
        self.state = ServerState.UP
        self.unanswered = 0
        self.answer_s = 0.0
        """Smoothed time to an answer; 0 before the first."""
        self.invented: frozenset[str] = frozenset()
        """Addresses it gives to names that do not exist; set by the canary."""
        self.probing = False
        self.known_question = ("", int(RecordType.NS))
        """One that it has answered, for probes; at first the name servers of the root."""
        self.plain_until = 0.0
        """Until then questions go without EDNS."""
        self.lower_until = 0.0
        """Until then questions go in lower case."""
        self.edns_misses = 0
        self.case_misses = 0
        self._refusals = 0
        self._turn = 0

    def all_channels(self) -> list[Channel]:
        """Those that are asked through, and those that still wait for answers."""
        return self.channels + self.retired

    def next_channel(self) -> Channel:
        """The channels take turns."""
        self._turn = turn = self._turn + 1
        return self.channels[turn % len(self.channels)]

    def note_answers(self, took_s: float) -> bool:
        """Whole answers came, the last one after *took_s*; True when that changes the state, which is then set."""
        self.case_misses = self.edns_misses = 0
        return self.note_answer(took_s, False)

    def note_answer(self, took_s: float, refused: bool) -> bool:
        """A reply to a question of ours came; True when that changes the state, which is then set."""
        self.unanswered = 0
        self.answer_s += _SMOOTHING * (took_s - self.answer_s)
        if not refused and self.state is ServerState.UP:
            self._refusals = 0
            return False
        self._refusals = self._refusals + 1 if refused else 0
        before, self.state = self.state, ServerState.REFUSING if self._refusals >= SUSPECT_AFTER else ServerState.UP
        return before is not self.state

    def note_silence(self) -> None:
        """A question went unanswered; several in a row make the server suspect."""
        self.unanswered += 1
        if self.unanswered >= SUSPECT_AFTER and self.state is not ServerState.DOWN:
            self.state = ServerState.SUSPECT

    def note_plain_answer(self, now: float) -> None:
        """An answer came only without EDNS."""
        self.edns_misses += 1
        if self.edns_misses >= PLAIN_AFTER:
            self.edns_misses = 0
            self.plain_until = now + RELEARN_S

    def note_changed_case(self, now: float) -> None:
        """The server did not keep the letter case of a question."""
        self.case_misses += 1
        if self.case_misses >= PLAIN_AFTER:
            self.case_misses = 0
            self.lower_until = now + RELEARN_S

    def health(self) -> ServerHealth:
        """The record, for people."""
        took = round(self.answer_s * 1000, 3) if self.answer_s else None
        return ServerHealth(self.name, self.state, self.unanswered, took, bool(self.invented))
