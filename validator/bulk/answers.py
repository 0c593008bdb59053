"""What is answered to the rows of a window: a verdict, or why there is none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from validator.bulk.rows import RowFault
from validator.checker import Verdicts
from validator.verdict import Verdict

Answer = Verdict | RowFault
"""Of one row."""
Answers = Verdicts[Answer]
"""Of one window, same order and length as its rows."""


def answers_of(texts: Sequence[str], answers: Sequence[Answer]) -> Answers:
    """Any sequence of answers to *texts* as one that can be counted and written together."""
    if isinstance(answers, Verdicts):
        return cast("Answers", answers)
    return Verdicts(texts, [None] * len(answers), dict(enumerate(answers)))
