"""What a question may need beyond one datagram and its answer: repetitions, other servers, other words, TCP.

Everything unusual that a server does is met here. A question is tried again at most three times for silence, once for a
failure, once without EDNS, once in lower case, and once at each other server, always within its deadline. An answer
that is an alias and leaves its end out is followed by a question about that end, as Postfix and Exim do it
(RFC 5321 5.1: the resulting name is processed as if it were the initial name).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from validator.metrics import DNS_STRAYS, DNS_TCP
from validator.mx.answer import MAX_ALIASES, AliasEnd, Answer, AnswerKind, Fault, failed
from validator.mx.care import ServerCare
from validator.mx.tally import RETRIED, Tally
from validator.mx.tcp import ask_over_tcp
from validator.mx.upstream import Asked, Attempt, Channel, Query, Salt, Server
from validator.mx.wheel import SWEEP_S, Wheel
from validator.mx.wire import HEADER_OCTETS, encode_query, read_plain

RETRY_AFTER_S = (0.4, 0.5, 0.7)
"""Seconds without an answer until each repetition; the first answer to any of them counts."""
PAUSE_S = 0.1
"""Seconds before a question is repeated that every server failed to answer."""
PROBE_TIMEOUT_S = 1.0
"""Seconds that a suspect server has to answer anything at all."""
MAX_TCP = 64
"""TCP connections at once."""

_RCODE_FAULTS = {1: Fault.FORMERR, 2: Fault.SERVFAIL, 4: Fault.NOTIMP, 5: Fault.REFUSED}
_EDNS_FAULTS = frozenset({Fault.FORMERR, Fault.NOTIMP, Fault.RCODE})
_TRANSIENT_FAULTS = frozenset({Fault.SERVFAIL, Fault.MALFORMED})
_OPEN_ENDS = frozenset({Fault.INCOMPLETE, Fault.REFERRAL})
_OVER_TCP = {outcome: DNS_TCP.labels(outcome) for outcome in ("answered", "failed")}


class Pursuit:
    """The questions of one client that take more than one datagram and its answer."""

    def __init__(
        self,
        care: ServerCare,
        wheel: Wheel[Query],
        salt: Salt,
        tally: Tally,
        clock: Callable[[], float],
        on_finished: Callable[[], None],
        never_asked: Callable[[str], bool],
    ) -> None:
        """*on_finished* is called after each question that is over; *never_asked* names do not exist for us."""
        self.counted = 0
        """Questions under way that count as in flight."""
        self._care = care
        self._wheel = wheel
        self._salt = salt
        self._tally = tally
        self._clock = clock
        self._on_finished = on_finished
        self._never_asked = never_asked
        self._tcp_tasks: set[asyncio.Task[None]] = set()
        self._tcp_slots = asyncio.Semaphore(MAX_TCP)

    async def aclose(self) -> None:
        """Give up what is under way over TCP."""
        tasks = list(self._tcp_tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- sending ------------------------------------------------------------------------------------------------------

    def begin(self, query: Query, now: float) -> None:
        """Send it for the first time."""
        query.counted = True
        self.counted += 1
        self.send(query, self._care.choose(), now)

    def adopt(self, channel: Channel, key: bytes, asked: Asked) -> Query:
        """A question that was sent the plain way, and needs more."""
        question, name, rtype, on_answer, deadline, sent_at = asked
        query = Query(name, rtype, deadline, on_answer, sent_at)
        query.counted = True
        self.counted += 1
        attempt = Attempt(query, channel, key, question, sent_at, edns=True, mixed=True)
        channel.waiting[key] = attempt
        query.attempts.append(attempt)
        self.look_at(query, min(deadline, sent_at + RETRY_AFTER_S[0]))
        return query

    def send(self, query: Query, server: Server, now: float, edns: bool = True, mixed: bool = True) -> None:
        """Put the question to *server*, and look at it again when an answer is due."""
        if query.done:
            return
        if server.channels:
            channel = server.next_channel()
            question = query.question
            edns = edns and server.plain_until <= now
            mixed = mixed and server.lower_until <= now
            key, table = self._salt.draw(channel)
            if mixed:
                question = question.translate(table)
            attempt = Attempt(query, channel, key, question, now, edns, mixed)
            channel.waiting[key] = attempt
            query.attempts.append(attempt)
            try:
                channel.socket.send(encode_query(key, question, edns))
            except OSError:
                self._tally.unsent += 1  # a lost datagram: a full buffer or a closed port shows as silence
        due = now + RETRY_AFTER_S[query.repeats] if query.repeats < len(RETRY_AFTER_S) else query.deadline
        self.look_at(query, min(due, query.deadline))

    def look_at(self, query: Query, due: float) -> None:
        """Have it looked at when *due*, and not before."""
        if query.bucket is not None:
            query.bucket.discard(query)
        query.due = due
        query.bucket = self._wheel.add(due, query)

    def on_due(self, query: Query, now: float) -> None:
        """A question whose time has come: at the deadline it fails, before it is repeated."""
        if query.done or query.due > now:
            return
        if now + SWEEP_S / 2 >= query.deadline:
            if not query.repeats:
                self._note_silence(query)
            self.finish(query, query.best or failed(_unanswered(query)))
        elif query.paused:
            query.paused = False
            self.send(query, self._next_server(query), now, edns=not query.without_edns)
        else:
            if not query.repeats:
                self._note_silence(query)
            query.repeats += 1
            RETRIED["timeout"].inc()
            # something on the way may drop what carries EDNS, so the first repetition goes without
            edns = query.repeats > 1 and not query.without_edns
            self.send(query, self._next_server(query), now, edns=edns)

    def on_port_closed(self, channel: Channel) -> None:
        """Nobody listens there, it is said: ask somebody else meanwhile."""
        for attempt in list(channel.waiting.values()):
            query = attempt.query
            if query.pinned or not query.attempts or attempt is not query.attempts[-1]:
                continue
            other = self._care.another(query)
            if other is not None:
                RETRIED["server"].inc()
                self.send(query, other, self._clock(), edns=not query.without_edns)

    def _next_server(self, query: Query) -> Server:
        return query.pinned or self._care.another(query) or self._care.choose()

    def _note_silence(self, query: Query) -> None:
        if query.attempts and not query.probe:
            self._care.note_silence(query.attempts[-1].channel.server)

    # --- receiving ----------------------------------------------------------------------------------------------------

    def on_datagram(self, channel: Channel, data: bytes) -> None:
        """A datagram from the server that was no plain answer to a plain question."""
        attempt = channel.waiting.get(data[:2]) if len(data) >= HEADER_OCTETS else None
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
            self._care.note_change(server)
        if query.probe:
            self.finish(query, failed(Fault.RCODE))
            return
        if data[2] & 0x02:
            self._ask_over_tcp(attempt)
            return
        answer = read_plain(data, query.name, query.rtype, question_octets)
        if answer is None:
            from validator.mx.parse import read_message  # dnspython, a tenth of the start: `DnsClient` fetches it later

            answer = read_message(data, query.name, query.rtype)
        if answer.fault is not None:
            if answer.fault in _OPEN_ENDS:
                from validator.mx.parse import alias_end

                end = alias_end(data, query.name)
                if end is not None:
                    self._follow(attempt, end, now)
                    return
            self._on_fault(attempt, answer)
            return
        server.known_question = (query.name, query.rtype)
        if attempt.edns:
            server.edns_misses = 0
        elif len(query.attempts) > 1 and server.plain_until <= now:
            server.note_plain_answer(now)
            self._care.on_change()
        if self._care.fruitless:
            self._care.note_answer()
        self._tally.sample(1, now - query.started_at)
        self.finish(query, answer)

    def _on_changed_case(self, attempt: Attempt) -> None:
        """Ours but for the letter case: a forger that guessed id and port, or a server that does not keep case."""
        attempt.channel.waiting.pop(attempt.key, None)
        attempt.channel.server.note_changed_case(self._clock())
        self._care.on_change()
        RETRIED["case"].inc()
        self.send(attempt.query, attempt.channel.server, self._clock(), edns=attempt.edns, mixed=False)

    def _on_fault(self, attempt: Attempt, answer: Answer) -> None:
        """The server replied, and the reply says nothing: try once more in the way that helps most."""
        query = attempt.query
        query.best = answer
        attempt.channel.waiting.pop(attempt.key, None)
        if query.probe:
            self.finish(query, answer)
        elif answer.fault in _EDNS_FAULTS and attempt.edns and not query.without_edns:
            query.without_edns = True
            RETRIED["edns"].inc()
            self.send(query, attempt.channel.server, self._clock(), edns=False)
        elif (other := self._care.another(query)) is not None:
            RETRIED["server"].inc()
            self.send(query, other, self._clock(), edns=not query.without_edns)
        elif answer.fault in _TRANSIENT_FAULTS and not query.retried:
            query.retried = query.paused = True
            self.look_at(query, min(query.deadline, self._clock() + PAUSE_S))
            RETRIED["servfail"].inc()
        else:
            self.finish(query, answer)

    def _follow(self, attempt: Attempt, end: AliasEnd, now: float) -> None:
        """The server tells of an alias and not what stands at its end: ask it for that."""
        query = attempt.query
        if end.name in (query.name, *query.passed) or query.aliases + end.aliases > MAX_ALIASES:
            self.finish(query, failed(Fault.ALIAS_LOOP))
        elif self._never_asked(end.name):
            self.finish(query, Answer(AnswerKind.NO_NAME))
        else:
            self._withdraw(query)
            query.go_on_to(end)
            RETRIED["alias"].inc()
            self.send(query, attempt.channel.server, now, edns=attempt.edns)

    def _withdraw(self, query: Query) -> None:
        """Whatever still answers its datagrams comes too late; no cycle of references is left either."""
        for attempt in query.attempts:
            attempt.channel.waiting.pop(attempt.key, None)
        query.attempts.clear()

    def _ask_over_tcp(self, attempt: Attempt) -> None:
        query = attempt.query
        query.best = failed(Fault.TRUNCATED)
        query.repeats = len(RETRY_AFTER_S)
        self.look_at(query, query.deadline)
        attempt.channel.waiting.pop(attempt.key, None)
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
            key, _ = self._salt.draw(channel)
            answer = await ask_over_tcp(channel.server.sockaddr, key, query.name, query.rtype, query.question, left_s)
        _OVER_TCP["answered" if answer.fault is None else "failed"].inc()
        other = self._care.another(query) if answer.fault is not None else None
        if other is not None:
            self.send(query, other, self._clock(), edns=not query.without_edns)
        else:
            self.finish(query, answer)

    def finish(self, query: Query, answer: Answer) -> None:
        """The question is over; tell who asked."""
        if query.done:
            return
        query.done = True
        self._withdraw(query)
        if query.bucket is not None:
            query.bucket.discard(query)
        if not query.probe:
            self.counted -= query.counted
            self._tally.add(query.rtype, answer)
            self._care.fruitless += answer.fault is not None
        query.on_answer(query.as_asked(answer))
        self._on_finished()


def _unanswered(query: Query) -> Fault:
    """Why a question has no answer at its deadline."""
    if query.attempts:
        return Fault.TIMEOUT
    return Fault.RESOLVER_DOWN if query.counted else Fault.OVERLOADED
