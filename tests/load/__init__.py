"""Load and faults; the short form runs with the suite, the long one with `python3 dev.py soak`.

The short form asserts what does not depend on how busy the machine is; the long one also the figures.
"""

import os

SOAK = bool(os.environ.get("VALIDATOR_SOAK"))
"""The long form was asked for."""


def told(name: str, text: str) -> None:
    """A figure for docs/reliability.md."""
    print(f"\n{name}: {text}", flush=True)
