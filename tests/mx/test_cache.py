"""What is remembered shares what is equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from validator.mx.cache import SHARED_S, Moments


def test_times_are_shared_and_no_answer_lives_longer_for_it() -> None:
    moments = Moments()
    first, end = moments.of(100.0, 300)
    assert (first, end) == (100.0, 400.0)
    for now, ttl_s in ((100.1, 300.0), (100.2, 300.9)):
        again = moments.of(now, ttl_s)
        assert again[0] is first
        assert again[1] is end
    assert moments.of(100.3, 300.0) == (100.3, 400.3)
    assert moments.of(99.0, 60.0) == (99.0, 159.0)  # a clock that was put back


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 90_000))))
def test_shared_times_are_near_the_true_ones(steps: list[tuple[float, float]]) -> None:
    moments, now = Moments(), 1_000.0
    for step, ttl_s in steps:
        now += step
        found_at, end = moments.of(now, ttl_s)
        assert now - SHARED_S <= found_at <= now
        assert now + ttl_s - SHARED_S - 1 <= end <= now + ttl_s + 1e-9  # of rounding
