"""Asks the configured resolvers, many questions at once: UDP over a few shared sockets, TCP when truncated.

An answer counts when it comes from the server's address to our port (the socket is connected), with our id, and with
our question in our letter case; whatever else arrives is ignored until the deadline. There is no task and no timer per
question: sockets are drained when readable, and one sweep looks after everything that is due.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from validator.metrics import DNS_IN_FLIGHT, DNS_QUERIES, DNS_QUERY_SECONDS, DNS_RETRIES, DNS_STRAYS, DNS_TCP
from validator.mx.answer import Answer, AnswerKind, Fault, RecordType, failed
from validator.mx.canary import invented_addresses
from validator.mx.care import ServerCare
from validator.mx.health import ServerHealth, ServerState
from validator.mx.parse import read_message
from validator.mx.source import OnAnswer
from validator.mx.tcp import ask_over_tcp
from validator.mx.upstream import Attempt, Channel, Query, Server
from validator.mx.wheel import SWEEP_S, Wheel
from validator.mx.wire import HEADER_OCTETS, CaseMixer, encode_query, read_plain

RETRY_AFTER_S = (0.5, 0.8)
"""Seconds without an answer until the first and the second repetition; the first answer to any of them counts."""
PAUSE_S = 0.1
"""Seconds before a question is repeated that a server failed to answer."""
PROBE_TIMEOUT_S = 1.0
"""Seconds that a suspect server has to answer anything at all."""
MAX_WAITING = 50_000
"""Questions that may wait for their turn when `max_in_flight` are under way."""
MAX_TCP = 64
"""TCP connections at once."""

_READ_BURST = 128
_MAX_DATAGRAM_OCTETS = 4_096
_SAMPLE_MASK = 15
_TYPES = max(RecordType) + 1
_RECORDS = AnswerKind.RECORDS
_UP = ServerState.UP
_RCODE_FAULTS = {1: Fault.FORMERR, 2: Fault.SERVFAIL, 4: Fault.NOTIMP, 5: Fault.REFUSED}
_EDNS_FAULTS = frozenset({Fault.FORMERR, Fault.NOTIMP, Fault.RCODE})
_TRANSIENT_FAULTS = frozenset({Fault.SERVFAIL, Fault.MALFORMED})
_RETRIED = {cause: DNS_RETRIES.labels(cause) for cause in ("timeout", "servfail", "edns", "case", "server", "unsent")}
_OVER_TCP = {outcome: DNS_TCP.labels(outcome) for outcome in ("answered", "failed")}


class DnsClient:
    """Multiplexed questions to several resolvers; an `AnswerSource`."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        *,
        max_in_flight: int = 2_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*servers* are address and port, the preferred one first."""
        self.in_flight = 0
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._queue: deque[Query] = deque()
        self._wheel: Wheel[Query] = Wheel(self._on_due, clock)
        self.care = ServerCare(
            [Server(host, port, place) for place, (host, port) in enumerate(servers, start=1)],
            clock=clock,
            on_readable=self._on_readable,
            send_probe=self._send_probe,
        )
        self.care.on_heartbeat = self._on_heartbeat
        self._open = False
        self._tcp_tasks: set[asyncio.Task[None]] = set()
        self._tcp_slots = asyncio.Semaphore(MAX_TCP)
        self._case = CaseMixer()
        self._counts: dict[tuple[int, str], int] = {}
        self._found = [0] * _TYPES
        self._answered = 0
        self._unsent = 0

    async def start(self) -> None:
        """Open the sockets; a server that cannot be reached now is tried again at every heartbeat."""
        self._open = True
        self._wheel.start()
        self.care.start()

    async def aclose(self) -> None:
        """Close the sockets; what is under way is answered as failed."""
        self._open = False
        self._wheel.stop()
        while self._queue:
            self._finish(self._queue.popleft(), failed(Fault.RESOLVER_DOWN))
        tasks = list(self._tcp_tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for server in self.care.servers:
            for channel in server.channels + server.retired:
                for attempt in list(channel.waiting.values()):
                    self._finish(attempt.query, failed(Fault.RESOLVER_DOWN))
        self.care.stop()
        self._on_heartbeat()

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Send the question now, or queue it when too many are under way."""
        if not self._open:
            on_answer(failed(Fault.RESOLVER_DOWN))
            return
        now = self._clock()
        query = Query(name, rtype, deadline, on_answer, now)
        if self.in_flight < self._max_in_flight:
            self._begin(query, now)
        elif len(self._queue) < MAX_WAITING:
            self._queue.append(query)
            self._look_at(query, deadline)
        else:
            on_answer(failed(Fault.OVERLOADED))

    def ask_server(self, server: Server, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Put the question to this server and to no other."""
        query = Query(name, rtype, deadline, on_answer, self._clock())
        query.pinned = server
        self._send(query, server, self._clock())

    def is_down(self) -> bool:
        """True when every server is down; lets a trial question pass now and then."""
        return self.care.is_down()

    async def invented_addresses(self) -> frozenset[str]:
        """Addresses given to a random name that cannot exist: empty unless a resolver rewrites NXDOMAIN."""
        return await invented_addresses(self, self._clock)

    def on_recovery(self, callback: Callable[[], None]) -> None:
        """Have *callback* called whenever a resolver answers again after all were down."""
        self.care.on_recovery = callback

    def health(self) -> tuple[ServerHealth, ...]:
        """Every server, in the configured order."""
        return tuple(server.health() for server in self.care.servers)

    # --- sending ------------------------------------------------------------------------------------------------------

    def _begin(self, query: Query, now: float) -> None:
        query.counted = True
        self.in_flight += 1
        first = self.care.servers[0]
        self._send(query, first if first.state is _UP else self.care.choose(), now)

    def _send(self, query: Query, server: Server, now: float, edns: bool = True, mixed: bool = True) -> None:
        if query.done:
            return
        if server.channels:
            channel = server.next_channel()
            question = query.question
            edns = edns and server.plain_until <= now
            mixed = mixed and server.lower_until <= now
            if mixed:
                question = self._case.mix(question)
            msg_id = channel.free_id()
            attempt = Attempt(query, channel, msg_id, question, now, edns, mixed)
            channel.waiting[msg_id] = attempt
            query.attempts.append(attempt)
            try:
                channel.socket.send(encode_query(msg_id, question, edns))
            except OSError:
                self._unsent += 1  # a lost datagram: a full buffer or a closed port shows as silence
        due = now + RETRY_AFTER_S[query.repeats] if query.repeats < len(RETRY_AFTER_S) else query.deadline
        self._look_at(query, due if due < query.deadline else query.deadline)

    def _look_at(self, query: Query, due: float) -> None:
        if query.bucket is not None:
            query.bucket.discard(query)
        query.due = due
        query.bucket = self._wheel.add(due, query)

    def _send_probe(self, server: Server) -> None:
        """Ask what it has answered before: any reply will do."""

        def on_answer(answer: Answer) -> None:
            self.care.note_probe(server, answered=answer.fault is not Fault.TIMEOUT)

        now = self._clock()
        query = Query(*server.known_question, now + PROBE_TIMEOUT_S, on_answer, now)
        query.probe = True
        query.pinned = server
        self._send(query, server, now, edns=False)

    def _on_due(self, query: Query, now: float) -> None:
        """A question whose time has come: at the deadline it fails, before it is repeated."""
        if query.done or query.due > now:
            return
        if now + SWEEP_S / 2 >= query.deadline:
            if not query.repeats:
                self._note_silence(query)
            self._finish(query, query.best or failed(_unanswered(query)))
        elif query.paused:
            query.paused = False
            server = query.pinned or self.care.another(query) or self.care.choose()
            self._send(query, server, now, edns=not query.without_edns)
        else:
            if not query.repeats:
                self._note_silence(query)
            query.repeats += 1
            server = query.pinned or self.care.another(query) or self.care.choose()
            _RETRIED["timeout"].inc()
            # something on the way may drop what carries EDNS, so the first repetition goes without
            self._send(query, server, now, edns=query.repeats > 1 and not query.without_edns)

    def _note_silence(self, query: Query) -> None:
        if query.attempts and not query.probe:
            self.care.note_silence(query.attempts[-1].channel.server)

    def _count(self, query: Query, answer: Answer) -> None:
        """Plain numbers here, metrics once a second: a counter and a histogram would cost as much as the parsing."""
        if answer.kind is _RECORDS:
            self._found[query.rtype] += 1
        else:
            key = (int(query.rtype), (answer.fault or answer.kind).value)
            self._counts[key] = self._counts.get(key, 0) + 1
        self._answered += 1
        if not self._answered & _SAMPLE_MASK:
            DNS_QUERY_SECONDS.observe(self._clock() - query.started_at)

    def _on_heartbeat(self) -> None:
        counts, self._counts = self._counts, {}
        found, self._found = self._found, [0] * _TYPES
        counts |= {(rtype, AnswerKind.RECORDS.value): count for rtype, count in enumerate(found) if count}
        for (rtype, outcome), count in counts.items():
            DNS_QUERIES.labels(RecordType(rtype).name, outcome).inc(count)
        unsent, self._unsent = self._unsent, 0
        _RETRIED["unsent"].inc(unsent)
        DNS_IN_FLIGHT.set(self.in_flight)

    # --- receiving ----------------------------------------------------------------------------------------------------

    def _on_readable(self, channel: Channel) -> None:
        receive = channel.socket.recv
        for done in range(channel.burst):
            try:
                data = receive(_MAX_DATAGRAM_OCTETS)
            except BlockingIOError:
                channel.burst = done or 1
                return
            except OSError:
                self._on_port_closed(channel)
                return
            self._on_datagram(channel, data)
        # finding the socket empty costs as much as a datagram, so the next try expects about as many as came now
        channel.burst = min(2 * channel.burst, _READ_BURST)

    def _on_port_closed(self, channel: Channel) -> None:
        self.care.note_port_closed(channel.server)
        for attempt in list(channel.waiting.values()):
            query = attempt.query
            if query.pinned or attempt is not query.attempts[-1]:
                continue
            other = self.care.another(query)
            if other is not None:
                _RETRIED["server"].inc()
                self._send(query, other, self._clock(), edns=not query.without_edns)

    def _on_datagram(self, channel: Channel, data: bytes) -> None:
        attempt = channel.waiting.get(data[0] << 8 | data[1]) if len(data) >= HEADER_OCTETS else None
        if attempt is None or data[2] & 0xF8 != 0x80:
            DNS_STRAYS.inc()
            return
        question = attempt.question
        end = HEADER_OCTETS + len(question)
        if data[HEADER_OCTETS:end] == question and data[4:6] == b"\0\1":
            if attempt.mixed:
                channel.server.case_misses = 0
        elif data[4:6] == b"\0\0" and len(data) == HEADER_OCTETS and data[3] & 0x0F in _RCODE_FAULTS:
            self._on_fault(attempt, failed(_RCODE_FAULTS[data[3] & 0x0F]))  # it could not read the question
            return
        elif data[4:6] != b"\0\1" or data[HEADER_OCTETS:end].lower() != question.lower():
            DNS_STRAYS.inc()
            return
        elif attempt.mixed:
            self._on_changed_case(attempt)
            return
        self._on_reply(attempt, data, len(question))

    def _on_reply(self, attempt: Attempt, data: bytes, question_octets: int) -> None:
        """A reply to a question of ours, matched in every respect."""
        now = self._clock()
        query = attempt.query
        server = attempt.channel.server
        if server.note_answer(now - attempt.sent_at, data[3] & 0x0F == 5):
            self.care.note_change(server)
        if query.probe:
            self._finish(query, failed(Fault.RCODE))
            return
        if data[2] & 0x02:
            self._ask_over_tcp(attempt)
            return
        answer = read_plain(data, query.name, query.rtype, question_octets)
        if answer is None:
            answer = read_message(data, query.name, query.rtype)
        if answer.fault is not None:
            self._on_fault(attempt, answer)
            return
        server.known_question = (query.name, query.rtype)
        if attempt.edns:
            server.edns_misses = 0
        elif len(query.attempts) > 1 and server.plain_until <= now:
            server.note_plain_answer(now)
        self._finish(query, answer)

    def _on_changed_case(self, attempt: Attempt) -> None:
        """Ours but for the letter case: a forger that guessed id and port, or a server that does not keep case."""
        attempt.channel.waiting.pop(attempt.msg_id, None)
        attempt.channel.server.note_changed_case(self._clock())
        _RETRIED["case"].inc()
        self._send(attempt.query, attempt.channel.server, self._clock(), edns=attempt.edns, mixed=False)

    def _on_fault(self, attempt: Attempt, answer: Answer) -> None:
        """The server replied, and the reply says nothing: try once more in the way that helps most."""
        query = attempt.query
        query.best = answer
        attempt.channel.waiting.pop(attempt.msg_id, None)
        if query.probe:
            self._finish(query, answer)
        elif answer.fault in _EDNS_FAULTS and attempt.edns and not query.without_edns:
            query.without_edns = True
            _RETRIED["edns"].inc()
            self._send(query, attempt.channel.server, self._clock(), edns=False)
        elif answer.fault in _TRANSIENT_FAULTS and not query.retried:
            query.retried = query.paused = True
            self._look_at(query, min(query.deadline, self._clock() + PAUSE_S))
            _RETRIED["servfail"].inc()
        elif answer.fault not in _TRANSIENT_FAULTS and (other := self.care.another(query)) is not None:
            _RETRIED["server"].inc()
            self._send(query, other, self._clock(), edns=not query.without_edns)
        else:
            self._finish(query, answer)

    def _ask_over_tcp(self, attempt: Attempt) -> None:
        query = attempt.query
        query.best = failed(Fault.TRUNCATED)
        query.repeats = len(RETRY_AFTER_S)
        self._look_at(query, query.deadline)
        attempt.channel.waiting.pop(attempt.msg_id, None)
        task = asyncio.ensure_future(self._over_tcp(attempt))
        self._tcp_tasks.add(task)
        task.add_done_callback(self._tcp_tasks.discard)

    async def _over_tcp(self, attempt: Attempt) -> None:
        query = attempt.query
        channel = attempt.channel
        async with self._tcp_slots:
            left_s = query.deadline - self._clock()
            if query.done or left_s <= 0:
                return
            answer = await ask_over_tcp(
                channel.server.sockaddr, channel.free_id(), query.name, query.rtype, query.question, left_s
            )
        _OVER_TCP["answered" if answer.fault is None else "failed"].inc()
        other = self.care.another(query) if answer.fault is not None else None
        if other is not None:
            self._send(query, other, self._clock(), edns=not query.without_edns)
        else:
            self._finish(query, answer)

    def _finish(self, query: Query, answer: Answer) -> None:
        if query.done:
            return
        query.done = True
        for attempt in query.attempts:
            attempt.channel.waiting.pop(attempt.msg_id, None)
        query.attempts.clear()  # no cycle of references is left, so nothing waits for the garbage collector
        if query.bucket is not None:
            query.bucket.discard(query)
        if not query.probe:
            self.in_flight -= query.counted
            self._count(query, answer)
        query.on_answer(answer)
        while self._queue and self._open and self.in_flight < self._max_in_flight:
            waiting = self._queue.popleft()
            if not waiting.done:
                self._begin(waiting, self._clock())


def _unanswered(query: Query) -> Fault:
    """Why a question has no answer at its deadline."""
    if query.attempts:
        return Fault.TIMEOUT
    return Fault.RESOLVER_DOWN if query.counted else Fault.OVERLOADED
