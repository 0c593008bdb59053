"""Lists: rows in, rows out, in order, never whole in memory."""

from validator.bulk.judging import judge, judge_windows
from validator.bulk.rows import RowFault, RowOptions, Rows
from validator.bulk.summary import Summary

__all__ = ["RowFault", "RowOptions", "Rows", "Summary", "judge", "judge_windows"]
