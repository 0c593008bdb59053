"""Every metric, declared once. Labels come only from enums and route templates, never from input.

Children of labelled metrics are bound once by the code that uses them (`labels()` costs more than the increment).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)
"""The service's own registry; process and platform collectors are added by `server`."""

FAST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

# --- http -----------------------------------------------------------------------------------------------------------
HTTP_REQUESTS = Counter("validator_http_requests_total", "Requests answered.", ("route", "status"), registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "validator_http_request_seconds", "Time to answer a request.", ("route",), buckets=FAST_BUCKETS, registry=REGISTRY
)
HTTP_IN_FLIGHT = Gauge(
    "validator_http_in_flight_requests", "Requests being answered now.", multiprocess_mode="livesum", registry=REGISTRY
)

# --- checks ---------------------------------------------------------------------------------------------------------
CHECKS = Counter(
    "validator_checks_total", "Checks answered, by status and first reason.", ("status", "reason"), registry=REGISTRY
)
REPAIRS = Counter("validator_repairs_total", "Repairs applied, by family of rule.", ("family",), registry=REGISTRY)
SUGGESTIONS = Counter("validator_suggestions_total", "Checks answered with a suggestion.", registry=REGISTRY)

# --- dns ------------------------------------------------------------------------------------------------------------

# --- blacklist ------------------------------------------------------------------------------------------------------

# --- feedback -------------------------------------------------------------------------------------------------------
