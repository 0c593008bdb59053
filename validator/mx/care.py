"""Looks after the resolvers: which one to ask, is it alive, are its sockets fresh.

A server that leaves three questions in a row unanswered is suspect: the next one is preferred and a probe is sent. Only
when the probe stays unanswered too is it down, so that a few broken domains cannot take a good resolver away. Sick
servers are probed every second, so one that comes back is used again within two.

A server can also answer and know nothing: one that has lost its own way out says SERVFAIL to everything. When questions
in a row come to nothing, one that has had an answer is put again, every second; if that fails too, it is an outage, and
its end is noticed by the first answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from validator.metrics import DNS_SERVER_UP
from validator.mx.health import ServerState
from validator.mx.upstream import Channel, Query, Server

HEARTBEAT_S = 1.0
"""How often sick servers are probed and old sockets replaced."""
TRIAL_EVERY_S = 10.0
"""While every server is down, one question in this many seconds is sent all the same, should probes be ignored."""
CHANNELS = 4
"""UDP sockets for each server."""
CHANNEL_LIFE_S = 60.0
"""Seconds until a socket is replaced by one with another port."""
RETIRED_LIFE_S = 30.0
"""Seconds that a replaced socket may still wait for answers."""

FRUITLESS_AFTER = 3
"""Questions in a row that came to nothing, after which a known one is put every heartbeat."""

_SICKNESS = {ServerState.UP: 0, ServerState.REFUSING: 1, ServerState.SUSPECT: 2, ServerState.DOWN: 3}
_log = structlog.get_logger(__name__)


class ServerCare:
    """The servers of one client."""

    def __init__(
        self,
        servers: list[Server],
        *,
        clock: Callable[[], float],
        on_readable: Callable[[Channel], None],
        send_probe: Callable[[Server], None],
        ask_known: Callable[[Server], None],
    ) -> None:
        """*send_probe* asks anything that may be replied to, *ask_known* what has had an answer before."""
        self.servers = servers
        self.on_recovery: Callable[[], None] = lambda: None
        """Called when a resolver answers again after all were down, or had answers for nothing."""
        self.fruitless = 0
        """Questions in a row that came to nothing."""
        self.knows_nothing = False
        """An outage: the servers answer, and not even what they have answered before."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a server's state or habits have changed."""
        self.on_heartbeat: Callable[[], None] = lambda: None
        self._clock = clock
        self._on_readable = on_readable
        self._send_probe = send_probe
        self._ask_known = ask_known
        self._asking_known = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._all_down = False
        self._trial_at = 0.0
        self._up = [DNS_SERVER_UP.labels(str(server.place)) for server in servers]

    def start(self) -> None:
        """Open the sockets and begin the heartbeat, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._beat()

    def stop(self) -> None:
        """Close every socket."""
        if self._timer is not None:
            self._timer.cancel()
        for server in self.servers:
            for channel in server.all_channels():
                self._close(channel)
            server.channels, server.retired = [], []
        self._loop = None

    def choose(self) -> Server:
        """The first server that is well, in the configured order; the least sick when none is."""
        servers = self.servers
        if len(servers) == 1 or servers[0].state is ServerState.UP:
            return servers[0]
        return min(servers, key=lambda server: _SICKNESS[server.state])

    def another(self, query: Query) -> Server | None:
        """A server that has not had the question yet and is not down, or None."""
        if len(self.servers) == 1 or query.pinned is not None:
            return None
        asked = {attempt.channel.server for attempt in query.attempts}
        rest = [server for server in self.servers if server not in asked and server.state is not ServerState.DOWN]
        return min(rest, key=lambda server: _SICKNESS[server.state]) if rest else None

    def is_down(self) -> bool:
        """True when every server is down; lets a trial question pass now and then."""
        if not self._all_down:
            return False
        now = self._clock()
        if now < self._trial_at:
            return True
        self._trial_at = now + TRIAL_EVERY_S
        return False

    def note_change(self, server: Server) -> None:
        """A reply of *server* has changed its state."""
        self._changed(server)

    def note_answer(self) -> None:
        """A question came to something."""
        self.fruitless = 0
        if self.knows_nothing:
            self.knows_nothing = False
            _log.info("resolvers have answers again")
            self.on_recovery()

    def note_known(self, *, answered: bool) -> None:
        """What has been answered before was put again; without an answer this is no broken domain, but an outage."""
        self._asking_known = False
        if not answered and self.fruitless >= FRUITLESS_AFTER and not self.knows_nothing:
            self.knows_nothing = True
            _log.warning("resolvers have no answer even to what they have answered before")

    def note_silence(self, server: Server) -> None:
        """A question to *server* went unanswered."""
        before = server.state
        server.note_silence()
        if before is not server.state:
            self._changed(server)
            self.probe(server)

    def note_port_closed(self, server: Server) -> None:
        """The host of *server* says that nobody listens; that can be forged, so the probe decides."""
        if server.state in (ServerState.UP, ServerState.REFUSING):
            server.state = ServerState.SUSPECT
            self.on_change()
            self.probe(server)

    def watch_anew(self, channel: Channel) -> None:
        """libuv watches a socket no more that had an error, and says nothing: its answers would never be read."""
        if self._loop is not None and channel.socket.fileno() >= 0:
            self._loop.remove_reader(channel.socket)
            self._loop.add_reader(channel.socket, self._on_readable, channel)

    def note_probe(self, server: Server, *, answered: bool) -> None:
        """The probe of *server* is over."""
        server.probing = False
        if not answered and server.state is not ServerState.DOWN:
            server.state = ServerState.DOWN
            self._changed(server)

    def probe(self, server: Server) -> None:
        """Find out whether *server* answers anything, unless that is under way."""
        if not server.probing and server.channels:
            server.probing = True
            self._send_probe(server)

    def _changed(self, server: Server) -> None:
        self.on_change()
        was_down, self._all_down = self._all_down, all(one.state is ServerState.DOWN for one in self.servers)
        log = _log.info if server.state is ServerState.UP else _log.warning
        log("resolver changed", server=server.name, state=server.state.value)
        if self._all_down and not was_down:
            self._trial_at = self._clock() + TRIAL_EVERY_S
        if was_down and not self._all_down:
            self.on_recovery()

    def _beat(self) -> None:
        if self._loop is None:
            return
        now = self._clock()
        for server, up in zip(self.servers, self._up, strict=True):
            self._renew_channels(server, now)
            if server.state in (ServerState.DOWN, ServerState.SUSPECT):
                for channel in server.all_channels():  # an error may have been told to a `send`
                    self.watch_anew(channel)
                self.probe(server)
            up.set(server.state is ServerState.UP and not self.knows_nothing)
        if self.fruitless >= FRUITLESS_AFTER and not self._asking_known and not self._all_down:
            self._asking_known = True
            self._ask_known(self.choose())
        self.on_heartbeat()
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)

    def _renew_channels(self, server: Server, now: float) -> None:
        assert self._loop is not None
        if len(server.channels) == CHANNELS and now - server.channels[0].opened_at > CHANNEL_LIFE_S:
            server.retired.append(server.channels.pop(0))
        while len(server.channels) < CHANNELS:
            try:
                channel = Channel(server, now)
            except OSError:  # no way there, or no descriptor left, with which those that are open go on
                if not server.channels:
                    self.note_probe(server, answered=False)
                break
            # the first ones count as older, so that they are not all replaced at once
            channel.opened_at -= CHANNEL_LIFE_S * (CHANNELS - 1 - len(server.channels)) / CHANNELS
            server.channels.append(channel)
            self._loop.add_reader(channel.socket, self._on_readable, channel)
        for channel in list(server.retired):
            if not (channel.plain or channel.waiting) or now - channel.opened_at > CHANNEL_LIFE_S + RETIRED_LIFE_S:
                server.retired.remove(channel)
                self._close(channel)

    def _close(self, channel: Channel) -> None:
        if self._loop is not None:
            self._loop.remove_reader(channel.socket)
        channel.socket.close()
