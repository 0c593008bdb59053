"""Asks the configured resolvers, many questions at once: UDP over a few shared sockets, TCP when truncated.

An answer counts when it comes from the server's address to our port (the socket is connected), with our id, and with
our question in our letter case; whatever else arrives is ignored until the deadline. There is no task and no timer per
question: sockets are drained when readable, and one sweep looks after everything that is due.

Here is the plain way, which nearly every question goes: one datagram out, one whole answer back. A question that needs
anything else (a repetition, another server, TCP, patience) becomes a `Query` and goes on in `pursuit`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module

from validator.mx.answer import Answer, AnswerKind, Fault, failed
from validator.mx.canary import invented_addresses
from validator.mx.care import ServerCare
from validator.mx.health import ServerHealth, ServerState
from validator.mx.outbox import Outbox
from validator.mx.pursuit import PROBE_TIMEOUT_S, RETRY_AFTER_S, Pursuit
from validator.mx.source import OnAnswer
from validator.mx.tally import Tally
from validator.mx.upstream import TURN, Channel, Query, Salt, Server
from validator.mx.wheel import Wheel
from validator.mx.wire import HEADER_EDNS, HEADER_OCTETS, OPT, encode_question, read_plain

MAX_WAITING = 50_000
"""Questions that may wait for their turn when `max_in_flight` are under way."""

PARSER = "validator.mx.parse"
"""What reads answers that are not plain. It brings dnspython, which takes a third as long to import as aiohttp."""
PARSER_AFTER_S = 0.5
"""When it is imported unless an answer asks for it before, so that neither the start nor an answer waits for it."""

_READ_BURST = 128
_MAX_DATAGRAM_OCTETS = 65_535  # more than was asked for: a server that does not care is read all the same
_FIRST_WAIT_S = RETRY_AFTER_S[0]
_RECORDS = AnswerKind.RECORDS
_UP = ServerState.UP


class DnsClient:
    """Multiplexed questions to several resolvers; an `AnswerSource`."""

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        *,
        max_in_flight: int = 2_000,
        never_asked: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*servers* are address and port, the preferred one first; aliases to *never_asked* names are not followed."""
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._queue: deque[Query] = deque()
        self._tally = Tally()
        self._outbox = Outbox(self._tally)
        self._salt = Salt()
        self._wheel: Wheel[Query] = Wheel(self._on_due, clock, self._on_tick)
        self.care = ServerCare(
            [Server(host, port, place) for place, (host, port) in enumerate(servers, start=1)],
            clock=clock,
            on_readable=self._on_readable,
            send_probe=self._send_probe,
            ask_known=self._ask_known,
        )
        self.care.on_heartbeat = self._on_heartbeat
        self.care.on_change = self._turn_off
        self._pursuit = Pursuit(self.care, self._wheel, self._salt, self._tally, clock, self._on_finished, never_asked)
        self._open = False
        self._fetching: asyncio.TimerHandle | None = None
        self._lane: Channel | None = None
        self._turns = 0

    @property
    def in_flight(self) -> int:
        """Questions under way."""
        return self._pursuit.counted + sum(
            len(channel.plain) for server in self.care.servers for channel in server.all_channels()
        )

    async def start(self) -> None:
        """Open the sockets; a server that cannot be reached now is tried again at every heartbeat."""
        self._open = True
        self._wheel.start()
        self._outbox.start()
        self.care.start()
        loop = asyncio.get_running_loop()
        self._fetching = loop.call_later(PARSER_AFTER_S, lambda: loop.run_in_executor(None, import_module, PARSER))

    async def aclose(self) -> None:
        """Close the sockets; what is under way is answered as failed."""
        self._open = False
        self._turn_off()
        if self._fetching is not None:
            self._fetching.cancel()
        await self._pursuit.aclose()
        for server in self.care.servers:
            for channel in server.all_channels():
                self._adopt_all(channel)
        for query in self._wheel.held():  # all there are: also those that have nothing on its way now
            self._pursuit.finish(query, failed(Fault.RESOLVER_DOWN))
        self._queue.clear()
        self._wheel.stop()
        self.care.stop()
        self._on_heartbeat()

    def ask(self, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Send the question now, or queue it when too many are under way."""
        now = self._clock()
        if (self._turns or self._turn(now)) and deadline - now > _FIRST_WAIT_S:
            channel = self._lane
            assert channel is not None
            self._turns -= 1
            key, table = self._salt.draw(channel)
            question = encode_question(name, rtype).translate(table)
            channel.plain[key] = (question, name, rtype, on_answer, deadline, now)
            self._outbox.add(channel.socket, key + HEADER_EDNS + question + OPT)
        elif not self._open:
            on_answer(failed(Fault.RESOLVER_DOWN))
        else:
            self._ask_with_care(Query(name, rtype, deadline, on_answer, now), now)

    def ask_server(self, server: Server, name: str, rtype: int, deadline: float, on_answer: OnAnswer) -> None:
        """Put the question to this server and to no other."""
        now = self._clock()
        query = Query(name, rtype, deadline, on_answer, now)
        query.pinned = server
        self._pursuit.send(query, server, now)

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
        found = tuple(server.health() for server in self.care.servers)
        if not self.care.knows_nothing:
            return found
        return tuple(replace(one, state=ServerState.FAILING) if one.state is _UP else one for one in found)

    # --- whose turn it is ---------------------------------------------------------------------------------------------

    def _turn(self, now: float) -> int:
        """Choose the channel for the next few questions; 0 when they cannot go the plain way.

        The channels take turns of a few questions each, so that answers arrive in bursts worth waking up for.
        """
        if not self._open or self._queue:
            return 0
        server = self.care.choose()
        if server.state is not _UP or not server.channels or server.plain_until > now or server.lower_until > now:
            return 0
        self._lane = server.next_channel()
        self._turns = max(0, min(TURN, self._max_in_flight - self.in_flight))
        self._wheel.watch()
        return self._turns

    def _turn_off(self) -> None:
        """Something has changed: have the next question choose anew."""
        self._turns = 0

    def _ask_with_care(self, query: Query, now: float) -> None:
        if self.in_flight < self._max_in_flight:
            self._pursuit.begin(query, now)
        elif len(self._queue) < MAX_WAITING:
            self._queue.append(query)
            self._pursuit.look_at(query, query.deadline)
        else:
            query.on_answer(failed(Fault.OVERLOADED))

    def _on_finished(self) -> None:
        while self._queue and self._open and self.in_flight < self._max_in_flight:
            waiting = self._queue.popleft()
            if not waiting.done:
                self._pursuit.begin(waiting, self._clock())

    # --- receiving ----------------------------------------------------------------------------------------------------

    def _on_readable(self, channel: Channel) -> None:
        receive = channel.socket.recv
        plain = channel.plain
        found = self._tally.found
        answers = 0
        name, rtype, sent_at = "", 0, 0.0
        for done in range(channel.burst):
            try:
                data = receive(_MAX_DATAGRAM_OCTETS)
            except BlockingIOError:
                channel.burst = done or 1
                break
            except OSError:
                self._on_port_closed(channel)
                break
            asked = plain.pop(data[:2], None)
            if asked is not None:
                question, name, rtype, on_answer, _, sent_at = asked
                octets = len(question)
                if data[HEADER_OCTETS : HEADER_OCTETS + octets] == question:
                    answer = read_plain(data, name, rtype, octets)
                    if answer is not None:
                        answers += 1
                        if answer[0] is _RECORDS:
                            found[rtype] += 1
                        else:
                            self._tally.add(rtype, answer)
                        on_answer(answer)
                        continue
                self._pursuit.adopt(channel, data[:2], asked)
            self._pursuit.on_datagram(channel, data)
        else:
            # finding the socket empty costs as much as a datagram, so the next try expects about as many as came now
            channel.burst = min(2 * channel.burst, _READ_BURST)
        if answers:
            self._note_answers(channel.server, answers, name, rtype, sent_at)

    def _note_answers(self, server: Server, answers: int, name: str, rtype: int, sent_at: float) -> None:
        """So many plain answers came at once; the rest describes the last one of them."""
        took_s = self._clock() - sent_at
        if server.note_answers(took_s):
            self.care.note_change(server)
        server.known_question = (name, rtype)
        if self.care.fruitless:
            self.care.note_answer()
        self._tally.sample(answers, took_s)
        if self._queue:
            self._on_finished()

    def _on_port_closed(self, channel: Channel) -> None:
        self.care.watch_anew(channel)
        self.care.note_port_closed(channel.server)
        self._adopt_all(channel)
        self._pursuit.on_port_closed(channel)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _on_due(self, query: Query, now: float) -> None:
        self._pursuit.on_due(query, now)

    def _on_tick(self, now: float) -> bool:
        """Hand over what has waited too long; True while anything waits."""
        waiting = False
        for server in self.care.servers:
            for channel in server.all_channels():
                overdue = []
                for key, (*_, sent_at) in channel.plain.items():
                    if now - sent_at < _FIRST_WAIT_S:
                        break
                    overdue.append(key)
                for key in overdue:
                    silent = channel.plain.pop(key, None)  # answering one may close or answer others
                    if silent is not None:
                        self._pursuit.on_due(self._pursuit.adopt(channel, key, silent), now)
                waiting = waiting or bool(channel.plain)
        if not waiting:
            self._turn_off()  # so that the next question has the sweep begin again
        return waiting

    def _adopt_all(self, channel: Channel) -> None:
        while channel.plain:
            key = next(iter(channel.plain))
            self._pursuit.adopt(channel, key, channel.plain.pop(key))

    def _on_heartbeat(self) -> None:
        self._turn_off()
        self._tally.export(self.in_flight)

    def _ask_known(self, server: Server) -> None:
        """Put a question again that it has answered: is it the domains that are broken, or the resolver?"""

        def on_answer(answer: Answer) -> None:
            self.care.note_known(answered=answer.fault is None)

        self.ask_server(server, *server.known_question, self._clock() + PROBE_TIMEOUT_S, on_answer)

    def _send_probe(self, server: Server) -> None:
        """Ask what it has answered before: any reply will do."""

        def on_answer(answer: Answer) -> None:
            self.care.note_probe(server, answered=answer.fault is not Fault.TIMEOUT)

        now = self._clock()
        query = Query(*server.known_question, now + PROBE_TIMEOUT_S, on_answer, now)
        query.probe = True
        query.pinned = server
        self._pursuit.send(query, server, now, edns=False)
