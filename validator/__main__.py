"""`python -m validator`, and the command `validator`."""

from __future__ import annotations

import gc


def run() -> None:
    """Entry point. What is imported stays: looking for garbage meanwhile would take a third of the start."""
    gc.disable()
    from validator.cli.main import run as command

    gc.enable()
    command()


if __name__ == "__main__":
    run()
