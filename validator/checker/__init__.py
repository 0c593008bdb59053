"""The check: stages in order (`pipeline`, `window` for many), domains (`facts`), the decision (`judge`, pure)."""

from validator.checker.facts import BlacklistReader, DomainFacts, MailResolver
from validator.checker.judge import RouteVerdict, decide, first_failed
from validator.checker.pipeline import DEFAULT_OPTIONS, CheckOptions, CheckPipeline
from validator.checker.verdicts import Verdicts
from validator.checker.window import WindowPipeline

__all__ = [
    "DEFAULT_OPTIONS",
    "BlacklistReader",
    "CheckOptions",
    "CheckPipeline",
    "DomainFacts",
    "MailResolver",
    "RouteVerdict",
    "Verdicts",
    "WindowPipeline",
    "decide",
    "first_failed",
]
