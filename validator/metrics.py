"""Every metric, declared once. Labels come only from enums and route templates, never from input.

Children of labelled metrics are bound once by the code that uses them (`labels()` costs more than the increment). What
counts at every check goes through a `Tally`, which costs a tenth of the library's locked increment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry(auto_describe=True)
"""The service's own registry; process and platform collectors are added by `server`."""


class Tally:
    """Counts for a child of a counter: an addition per event, handed on by `flush`."""

    __slots__ = ("_child", "count")

    def __init__(self, child: Counter) -> None:
        self._child = child
        self.count = 0

    def flush(self) -> None:
        """Hand on."""
        if self.count:
            self._child.inc(self.count)
            self.count = 0


class TimeTally:
    """Durations for a child of a histogram, counted by bucket and handed on by `flush`."""

    __slots__ = ("_bounds", "_child", "_counts", "_sum")

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self._bounds = child._upper_bounds
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def flush(self) -> None:
        """Hand on."""
        if not self._sum:
            return
        self._child._sum.inc(self._sum)
        self._sum = 0.0
        for bucket, count in zip(self._child._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._counts = [0] * len(self._bounds)


_tallies: dict[Counter, Tally] = {}
_time_tallies: dict[Histogram, TimeTally] = {}


def tally(child: Counter) -> Tally:
    """The one tally of a child."""
    return _tallies.setdefault(child, Tally(child))


def time_tally(child: Histogram) -> TimeTally:
    """The one tally of a child."""
    return _time_tallies.setdefault(child, TimeTally(child))


def flush() -> None:
    """Hand on what was counted since the last time; called twice a second and before each exposition."""
    for counted in _tallies.values():
        counted.flush()
    for timed in _time_tallies.values():
        timed.flush()


class _FlushFirst(Collector):
    """Registered before every metric, so that reading the registry sees everything."""

    def collect(self) -> Iterable[Metric]:
        """Nothing of its own."""
        flush()
        return ()


REGISTRY.register(_FlushFirst())

FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# --- http -----------------------------------------------------------------------------------------------------------
HTTP_REQUESTS = Counter("validator_http_requests_total", "Requests answered.", ("route", "status"), registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "validator_http_request_seconds", "Time to answer a request.", ("route",), buckets=FAST_BUCKETS, registry=REGISTRY
)
HTTP_IN_FLIGHT = Gauge(
    "validator_http_in_flight_requests", "Requests being answered now.", multiprocess_mode="livesum", registry=REGISTRY
)

HTTP_CONNECTIONS = Gauge(
    "validator_http_connections", "Connections that are open.", multiprocess_mode="livesum", registry=REGISTRY
)
HTTP_CLOSED = Counter(
    "validator_http_connections_closed_total",
    "Connections closed by the service: header, body, unread, evicted, refused.",
    ("why",),
    registry=REGISTRY,
)
HTTP_SHED = Counter(
    "validator_http_requests_shed_total",
    "Requests answered 503 at once: in_flight, too_slow.",
    ("why",),
    registry=REGISTRY,
)
RATE_LIMITED = Counter(
    "validator_rate_limited_total", "Requests over a limit: key, address, failure, rows.", ("kind",), registry=REGISTRY
)
REDIS_AWAY = Counter(
    "validator_rate_limit_redis_failures_total",
    "Times that Redis could not count a limit; each process counts by itself for some seconds then.",
    registry=REGISTRY,
)
AUTH_FAILURES = Counter(
    "validator_auth_failures_total",
    "Requests refused for their key: missing, wrong, scope.",
    ("why",),
    registry=REGISTRY,
)
LOOP_LAG = Gauge(
    "validator_event_loop_lag_seconds",
    "How late the last timer of the event loop was.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)

# --- operation ------------------------------------------------------------------------------------------------------
READY = Gauge(
    "validator_ready_workers",
    "Workers that serve: started and not draining.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
BUILD = Gauge(
    "validator_build_info",
    "Always 1; the version is a label.",
    ("version",),
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
DATA_DATE = Gauge(
    "validator_reference_data_timestamp_seconds",
    "Date of the newest reference table, as a Unix time.",
    multiprocess_mode="livemax",  # the supervisor has the gauge too, and never sets it
    registry=REGISTRY,
)
STARTED = Gauge(
    "validator_start_timestamp_seconds",
    "When the process, or the youngest of the workers, began to serve, as a Unix time.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
RELOADS = Counter(
    "validator_reloads_total", "Reloads of settings and data: done, failed.", ("outcome",), registry=REGISTRY
)

LOG_LOST = Counter("validator_log_writes_lost_total", "Log lines that could not be written.", registry=REGISTRY)

# --- checks ---------------------------------------------------------------------------------------------------------
CHECKS = Counter(
    "validator_checks_total", "Checks answered, by status and first reason.", ("status", "reason"), registry=REGISTRY
)
REPAIRS = Counter("validator_repairs_total", "Repairs applied, by family of rule.", ("family",), registry=REGISTRY)
SUGGESTIONS = Counter("validator_suggestions_total", "Checks answered with a suggestion.", registry=REGISTRY)

# --- dns ------------------------------------------------------------------------------------------------------------
DNS_QUERIES = Counter(
    "validator_dns_queries_total",
    "Questions asked, by record type and what came of them (records, no_data, no_name, or the fault).",
    ("type", "outcome"),
    registry=REGISTRY,
)
DNS_QUERY_SECONDS = Histogram(
    "validator_dns_query_seconds",
    "Time from a question to its answer, of one question in sixteen.",
    buckets=FAST_BUCKETS,
    registry=REGISTRY,
)
DNS_ROUTES = Counter(
    "validator_dns_routes_total",
    "Domains looked up beyond the cache, by outcome (deliverable, no_mail, unknown).",
    ("outcome",),
    registry=REGISTRY,
)
DNS_CACHE = Counter(
    "validator_dns_cache_total",
    "Domains asked for, by how the cache served them: hit, miss, joined, stale, failed, refused.",
    ("result",),
    registry=REGISTRY,
)
DNS_CACHED_DOMAINS = Gauge(
    "validator_dns_cached_domains", "Domains in the cache.", multiprocess_mode="livesum", registry=REGISTRY
)
DNS_IN_FLIGHT = Gauge(
    "validator_dns_in_flight_queries", "Questions under way.", multiprocess_mode="livesum", registry=REGISTRY
)
DNS_RETRIES = Counter(
    "validator_dns_retries_total",
    "Questions repeated, by cause: timeout, servfail, edns, case, server, alias, unsent.",
    ("cause",),
    registry=REGISTRY,
)
DNS_STRAYS = Counter(
    "validator_dns_stray_datagrams_total",
    "Datagrams that answer no question of ours; many of them mean a forger.",
    registry=REGISTRY,
)
DNS_TCP = Counter(
    "validator_dns_tcp_total",
    "Questions asked again over TCP, by what came of them.",
    ("outcome",),
    registry=REGISTRY,
)
DNS_SERVER_UP = Gauge(
    "validator_dns_server_up",
    "1 while a resolver answers, by its place in the configuration.",
    ("server",),
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
DNS_REWRITING = Gauge(
    "validator_dns_rewriting",
    "1 while a resolver gives addresses to names that cannot exist.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)

# --- blacklist ------------------------------------------------------------------------------------------------------
BLACKLIST_CHANGES = Counter(
    "validator_blacklist_changes_total", "Entries added and changed one by one.", ("change",), registry=REGISTRY
)
BLACKLIST_IMPORTS = Counter(
    "validator_blacklist_imports_total", "Imports that came to an end, by outcome.", ("outcome",), registry=REGISTRY
)
BLACKLIST_IMPORT_LINES = Counter(
    "validator_blacklist_import_lines_total", "Lines of finished imports, by outcome.", ("outcome",), registry=REGISTRY
)
STORE_UNAVAILABLE = Counter(
    "validator_store_unavailable_total", "Times that the store could not be used.", ("access",), registry=REGISTRY
)

# --- feedback -------------------------------------------------------------------------------------------------------
FEEDBACK_EVENTS = Counter(
    "validator_feedback_events_total", "Events received, by kind and outcome.", ("kind", "outcome"), registry=REGISTRY
)
FEEDBACK_JUDGED = Counter(
    "validator_feedback_judged_total",
    "New bounces and deferrals, by reason and what it says of the address.",
    ("reason", "disposition"),
    registry=REGISTRY,
)
FEEDBACK_CHANGES = Counter(
    "validator_feedback_changes_total",
    "Addresses blacklisted or lifted because of events.",
    ("change",),
    registry=REGISTRY,
)
FEEDBACK_REFUSED = Counter(
    "validator_feedback_refused_total", "Webhooks that could not be verified.", ("provider",), registry=REGISTRY
)
FEEDBACK_NOTICES = Counter(
    "validator_feedback_notices_total", "Attempts to send a notice, by outcome.", ("outcome",), registry=REGISTRY
)

# --- lists ----------------------------------------------------------------------------------------------------------
LIST_ROWS = Counter(
    "validator_list_rows_total", "Rows of batches and streams answered.", ("outcome",), registry=REGISTRY
)
LIST_STREAMS_ENDED = Counter(
    "validator_list_streams_ended_total", "Streams that ended, by how they did.", ("end",), registry=REGISTRY
)

# --- from zero ------------------------------------------------------------------------------------------------------
# `increase()` and `rate()` miss the first event of a series that begins with it, so what is alerted on begins with 0.
for _counter, _values in (
    (HTTP_SHED, ("in_flight", "too_slow")),
    (AUTH_FAILURES, ("missing", "wrong", "scope")),
    (RELOADS, ("done", "failed")),
    (FEEDBACK_CHANGES, ("blacklisted", "lifted")),
    (FEEDBACK_NOTICES, ("sent", "failed", "dead")),
    (STORE_UNAVAILABLE, ("lookup", "transaction")),
):
    for _value in _values:
        _counter.labels(_value)
