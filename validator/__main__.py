"""`python -m validator`, and the command `validator`."""

from __future__ import annotations

import gc
import os
import sys
from io import TextIOWrapper

from validator.absent import absent


def run() -> None:
    """Entry point. What is imported stays: looking for garbage among it would take a third of the start."""
    gc.disable()
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_standard_files()
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: not every terminal has every letter
    with absent("rich"):  # and pygments: structlog takes them along for consoles, we log JSON. A tenth of the start
        import structlog  # noqa: F401 - whoever imports it next finds it
    if sys.argv[1:] == ["serve"]:  # no option to read: to describe and parse a command line would take its time
        from validator.cli.exits import end_with
        from validator.cli.starting import start

        end_with(start)
        return
    from validator.cli.main import run as command

    command()


def _open_standard_files() -> None:
    """What was closed by whoever started us goes nowhere; else a socket would get its number, and our words."""
    while os.open(os.devnull, os.O_RDWR) < 2:
        pass
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - for as long as the process lives


if __name__ == "__main__":
    run()
