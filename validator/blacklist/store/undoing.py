"""The undo of a batch, block by block: changes are given back, additions become as if they had never been."""

from __future__ import annotations

from collections.abc import Mapping

from validator.blacklist.store.codes import StateCode
from validator.blacklist.store.loading import BLOCK_ROWS, KEPT, Link

_UNDONE = int(StateCode.UNDONE)

_CHANGES = f"""
SELECT id FROM blacklist_history WHERE batch_id = :batch AND id < :high AND was_revision IS NOT NULL
 ORDER BY id DESC LIMIT {BLOCK_ROWS}"""  # noqa: S608
_ADDITIONS = f"""
SELECT id FROM blacklist_entry WHERE batch_id = :batch AND id > :above ORDER BY id LIMIT {BLOCK_ROWS}"""  # noqa: S608
_UNDO_ADDITIONS = f"""
UPDATE blacklist_entry SET state = {_UNDONE}
 WHERE batch_id = :batch AND id > :above AND id <= :last AND revision = 0"""  # noqa: S608
_UNDO_REMEMBER = f"""
INSERT INTO blacklist_history
       (entry_id, at, actor, action, revision, {", ".join(f"was_{name}" for name in KEPT)}, was_revision)
SELECT e.id, :now, :actor, 11, h.was_revision, {", ".join(f"e.{name}" for name in KEPT)}, e.revision
  FROM blacklist_history h JOIN blacklist_entry e ON e.id = h.entry_id AND e.revision = h.revision
 WHERE h.batch_id = :batch AND h.id > :low AND h.id < :high AND h.was_revision IS NOT NULL"""  # noqa: S608
_UNDO_CHANGES = f"""
UPDATE blacklist_entry AS e
   SET {", ".join(f"{name} = h.was_{name}" for name in KEPT)}, revision = h.was_revision
  FROM blacklist_history h
 WHERE h.batch_id = :batch AND h.id > :low AND h.id < :high AND h.was_revision IS NOT NULL
   AND e.id = h.entry_id AND e.revision = h.revision"""  # noqa: S608


def undo_changes(link: Link, values: Mapping[str, object], high: int) -> int | None:
    """Give up to a block of entries back what they were before a batch, latest change first.

    *high* is a row of the history, only older ones are looked at; answers the next *high*, None at the end. An entry
    that was changed since by somebody else is left alone. To be called in a transaction.
    """
    page = link.rows(_CHANGES, {**values, "high": high})
    if not page:
        return None
    low = page[-1][0] - 1
    bounds = {**values, "high": high, "low": low}
    while True:  # an entry that the batch changed twice takes two rounds
        link.run(_UNDO_REMEMBER, bounds)
        if not link.run(_UNDO_CHANGES, bounds):
            return int(low) + 1


def undo_additions(link: Link, values: Mapping[str, object], above: int) -> int | None:
    """Make up to a block of entries that a batch entered as if they had never been there.

    Answers the row to go on after, None at the end. To be called in a transaction.
    """
    page = link.rows(_ADDITIONS, {**values, "above": above})
    if not page:
        return None
    last = int(page[-1][0])
    link.run(_UNDO_ADDITIONS, {**values, "above": above, "last": last})
    return last
