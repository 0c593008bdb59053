"""Where the commands that answer on standard output say what went wrong on the way: on standard error."""

from __future__ import annotations

import logging
import sys


def log_to_stderr() -> None:
    """Warnings and worse to standard error, for people; structlog's own choice is standard output, among the answers.

    For what opens a store or a resolver, which imports structlog anyway.
    """
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
