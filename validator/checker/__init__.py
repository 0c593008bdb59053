"""The check itself: stages in order (`pipeline`), what is known of a domain (`facts`), the decision (`judge`, pure)."""

from validator.checker.facts import BlacklistReader, DomainFacts, MailResolver
from validator.checker.judge import decide, first_failed
from validator.checker.pipeline import CheckOptions, CheckPipeline

__all__ = [
    "BlacklistReader",
    "CheckOptions",
    "CheckPipeline",
    "DomainFacts",
    "MailResolver",
    "decide",
    "first_failed",
]
