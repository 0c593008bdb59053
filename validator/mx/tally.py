"""Counts what questions came to: plain numbers on the way, metrics once a second.

A counter and a histogram of the metrics library would cost as much as reading the answer.
"""

from __future__ import annotations

from validator.metrics import DNS_IN_FLIGHT, DNS_QUERIES, DNS_QUERY_SECONDS, DNS_RETRIES
from validator.mx.answer import Answer, AnswerKind, RecordType

_CAUSES = ("timeout", "servfail", "edns", "case", "server", "alias", "unsent")
RETRIED = {cause: DNS_RETRIES.labels(cause) for cause in _CAUSES}
"""Counters of questions that were repeated, by cause."""
_SAMPLED = 16


class Tally:
    """The counts of one client."""

    def __init__(self) -> None:
        self.found = [0] * (max(RecordType) + 1)
        """Answers with records, by type; counted in place by whoever reads many."""
        self.unsent = 0
        """Datagrams that the system would not take."""
        self._counts: dict[tuple[int, str], int] = {}
        self._unsampled = 0

    def add(self, rtype: int, answer: Answer) -> None:
        """One question has been answered, one way or another."""
        key = (int(rtype), (answer.fault or answer.kind).value)
        self._counts[key] = self._counts.get(key, 0) + 1

    def sample(self, answers: int, took_s: float) -> None:
        """So many answers came, the last of them after *took_s*; one in sixteen goes into the histogram."""
        self._unsampled += answers
        if self._unsampled >= _SAMPLED:
            self._unsampled = 0
            DNS_QUERY_SECONDS.observe(took_s)

    def export(self, in_flight: int) -> None:
        """Bring the metrics up to date."""
        counts, self._counts = self._counts, {}
        for rtype, count in enumerate(self.found):
            if count:
                self.found[rtype] = 0  # in place: readers hold the list
                key = (rtype, AnswerKind.RECORDS.value)
                counts[key] = counts.get(key, 0) + count
        for (rtype, outcome), count in counts.items():
            DNS_QUERIES.labels(RecordType(rtype).name, outcome).inc(count)
        unsent, self.unsent = self.unsent, 0
        RETRIED["unsent"].inc(unsent)
        DNS_IN_FLIGHT.set(in_flight)
