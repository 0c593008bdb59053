"""How hard generated tests try: with `VALIDATOR_EFFORT=nightly` every one of them tries 25 times as many examples."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("VALIDATOR_EFFORT", "ci")
"""`ci` or `nightly`."""
TIMES = {"ci": 1, "nightly": 25}[PROFILE]


def examples(number: int) -> int:
    """How many examples a test that tries *number* in CI is to try."""
    return number * TIMES


for _name, _number in (("ci", 100), ("nightly", 2_500)):
    settings.register_profile(_name, deadline=None, max_examples=_number, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(PROFILE)
