"""One resolver that is asked: its UDP sockets, and how it is doing.

A channel is a connected UDP socket with a source port of the kernel's choosing: the kernel drops what comes from
anywhere else. Several channels share the load and are replaced every minute, so that a forger has to guess the port
besides the id and the letter case.
"""

from __future__ import annotations

import os
import socket

from validator.mx.answer import Answer
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
TURN_BITS = 5
"""A channel gets 2 ** 5 questions in a row."""
NS = 2
"""Record type of the first probe."""
_SMOOTHING = 0.1
_id_pool: list[int] = []


class Query:
    """One question and what has been tried for it.

    No `__slots__`: most questions are answered at once and never touch most of these, so class defaults are cheaper.
    """

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


class Attempt:
    """One datagram that was sent for a question."""

    __slots__ = ("channel", "edns", "mixed", "msg_id", "query", "question", "sent_at")

    def __init__(
        self, query: Query, channel: Channel, msg_id: int, question: bytes, sent_at: float, edns: bool, mixed: bool
    ) -> None:
        self.query = query
        self.channel = channel
        self.msg_id = msg_id
        self.question = question
        self.sent_at = sent_at
        self.edns = edns
        self.mixed = mixed
        """The question went out in random letter case and must come back in it."""


class Channel:
    """One connected UDP socket and the questions that wait on it, by id."""

    __slots__ = ("burst", "opened_at", "server", "socket", "waiting")

    def __init__(self, server: Server, now: float) -> None:
        """Open and connect; raises OSError when the address cannot be reached at all."""
        self.server = server
        self.opened_at = now
        self.waiting: dict[int, Attempt] = {}
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

    def free_id(self) -> int:
        """An id that no waiting question uses; unpredictable."""
        while True:
            if not _id_pool:
                _id_pool.extend(memoryview(os.urandom(4_096)).cast("H"))
            chosen = _id_pool.pop()
            if chosen not in self.waiting:
                return chosen


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
        self.rewriting = False
        """Set by the canary."""
        self.probing = False
        self.known_question = ("", NS)
        """One that it has answered, for probes; at first the name servers of the root."""
        self.plain_until = 0.0
        """Until then questions go without EDNS."""
        self.lower_until = 0.0
        """Until then questions go in lower case."""
        self.edns_misses = 0
        self.case_misses = 0
        self._refusals = 0
        self._turn = 0

    def next_channel(self) -> Channel:
        """The channels take turns of a few questions each, so that answers arrive in bursts worth waking up for."""
        self._turn = turn = self._turn + 1
        return self.channels[(turn >> TURN_BITS) % len(self.channels)]

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
        return ServerHealth(self.name, self.state, self.unanswered, took, self.rewriting)
