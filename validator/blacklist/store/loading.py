"""Bulk load, block by block: a staging table, one sorted upsert, one commit with the progress in it.

The statements are the same on both databases; how rows reach the staging table is in a file per dialect. All of it is
synchronous and runs in a thread of its own, on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from validator.blacklist.entry import MAX_LISTS, Cause, outweighs
from validator.blacklist.store.block import Block, Counts, Part
from validator.blacklist.store.codes import ActionCode, CauseCode, StateCode

BLOCK_ROWS: Final = 50_000
"""Entries per transaction: other writers wait for one block at most."""

KEPT = ("below", "cause", "state", "source", "note", "actor", "created", "last_event", "expires", "batch_id")
"""Columns of an entry that may change, and that its history therefore keeps."""
_ADDED, _CHANGED, _FOUND, _REVIVED = (
    int(ActionCode.ADDED),
    int(ActionCode.CHANGED),
    int(ActionCode.FOUND_AGAIN),
    int(ActionCode.REVIVED),
)
_UNDONE = int(StateCode.UNDONE)


def _weight(column: str) -> str:
    """Causes by weight as an SQL expression, from the one rule in `entry.outweighs`."""
    weights = {cause: sum(outweighs(cause, other) for other in Cause) for cause in Cause}
    cases = " ".join(f"WHEN {int(CauseCode[cause.name])} THEN {weight}" for cause, weight in weights.items())
    return f"CASE {column} {cases} END"


_SAME = "e.kind = s.kind AND e.key = s.key AND e.list_id = s.list_id"
_PLANNED = "p.entry_id = e.id AND s.id = p.stage_id"
_OVER = "(s.expires IS NOT NULL AND s.expires <= :now)"
_HEAVIER = (
    f"(NOT {_OVER} AND ((e.expires IS NOT NULL AND e.expires <= :now)"
    f" OR {_weight('s.cause')} > {_weight('e.cause')}"
    " OR (s.cause = e.cause AND e.expires IS NOT NULL AND (s.expires IS NULL OR s.expires > e.expires))))"
    " OR (:replace = 1 AND (s.cause <> e.cause OR s.expires IS DISTINCT FROM e.expires))"
)
"""A row whose own time is over blocks nobody, so whatever its cause it takes no block away unless told to replace."""
_SEEN_ERASED = (
    "UPDATE stage SET key = erased_key, value = NULL, note = NULL WHERE erased_key IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM blacklist_entry e"
    " WHERE e.kind = stage.kind AND e.key = stage.erased_key AND e.list_id = stage.list_id)"
)
"""What a file notes of an erased address may name it: such a note is not kept."""
_PLAN = f"""
INSERT INTO plan (stage_id, entry_id, action, heavier)
SELECT s.id, e.id,
       CASE WHEN e.state = {_UNDONE} THEN {_ADDED}
            WHEN s.state >= 2 THEN 0
            WHEN e.state = 2 THEN CASE WHEN :revive = 1 THEN {_REVIVED} ELSE 0 END
            WHEN e.state = 1 AND s.state = 0 THEN {_FOUND}
            WHEN ({_HEAVIER}) OR s.last_event > COALESCE(e.last_event, -1) OR (s.below AND NOT e.below) THEN {_CHANGED}
            ELSE 0 END,
       CASE WHEN e.state < 2 AND ({_HEAVIER}) THEN 1 ELSE 0 END
  FROM stage s JOIN blacklist_entry e ON {_SAME}
 WHERE e.id <= :newest OR e.batch_id IS DISTINCT FROM :batch"""  # noqa: S608
_REMEMBER_EXPIRY = """
INSERT INTO blacklist_history (entry_id, at, actor, action, revision)
SELECT e.id, e.expires, 'validator', 8, e.revision FROM plan p JOIN blacklist_entry e ON e.id = p.entry_id
 WHERE p.action > 0 AND e.state < 2 AND e.expires <= :now"""
_REMEMBER = f"""
INSERT INTO blacklist_history
       (entry_id, at, actor, action, batch_id, revision, {", ".join(f"was_{name}" for name in KEPT)}, was_revision)
SELECT e.id, :now, :actor, p.action, :batch, e.revision + 1, {", ".join(f"e.{name}" for name in KEPT)}, e.revision
  FROM plan p JOIN blacklist_entry e ON e.id = p.entry_id WHERE p.action > 0 ORDER BY e.id"""  # noqa: S608
_RENEW = f"""
UPDATE blacklist_entry AS e
   SET value = s.value, below = s.below, cause = s.cause, state = s.state, source = s.source, note = s.note,
       actor = NULL, created = s.created, last_event = s.last_event, expires = s.expires, batch_id = :batch,
       revision = e.revision + 1
  FROM plan p, stage s
 WHERE {_PLANNED} AND p.action IN ({_ADDED}, {_REVIVED})"""  # noqa: S608
_ADD_TO = f"""
UPDATE blacklist_entry AS e
   SET state = CASE WHEN s.state = 0 THEN 0 ELSE e.state END,
       cause = CASE WHEN p.heavier = 1 THEN s.cause ELSE e.cause END,
       expires = CASE WHEN p.heavier = 1 THEN s.expires ELSE e.expires END,
       note = CASE WHEN p.heavier = 1 THEN COALESCE(s.note, e.note) ELSE e.note END,
       source = CASE WHEN p.heavier = 1 THEN COALESCE(s.source, :source) ELSE e.source END,
       last_event = CASE WHEN s.last_event > COALESCE(e.last_event, -1) THEN s.last_event ELSE e.last_event END,
       below = (e.below OR s.below), revision = e.revision + 1
  FROM plan p, stage s
 WHERE {_PLANNED} AND p.action IN ({_CHANGED}, {_FOUND})"""  # noqa: S608
_ENTER = """
INSERT INTO blacklist_entry (kind, key, list_id, value, below, cause, state, source, note, created, last_event, expires,
                             batch_id, revision)
SELECT kind, key, list_id, value, below, cause, state, source, note, created, last_event, expires, :batch, 0
  FROM stage s ORDER BY s.kind, s.key, s.list_id, s.id ON CONFLICT DO NOTHING"""
_ONLY_FIRST = "DELETE FROM stage WHERE id NOT IN (SELECT MIN(id) FROM stage GROUP BY kind, key, list_id)"
_ONLY_HEAVIEST = f"""
DELETE FROM stage WHERE id NOT IN (SELECT id FROM (SELECT s.id, ROW_NUMBER() OVER (
       PARTITION BY s.kind, s.key, s.list_id
       ORDER BY CASE WHEN s.state >= 2 THEN 1 ELSE 0 END, CASE WHEN {_OVER} THEN 1 ELSE 0 END,
                {_weight("s.cause")} DESC,
                CASE WHEN s.expires IS NULL THEN 0 ELSE 1 END, s.expires DESC, s.id) AS place FROM stage s) ranked
 WHERE place = 1)"""  # noqa: S608
_COVER_BELOW = """
UPDATE stage SET below = (1 = 1) WHERE NOT below AND EXISTS (SELECT 1 FROM stage o
 WHERE o.kind = stage.kind AND o.key = stage.key AND o.list_id = stage.list_id AND o.below)"""
_OUTWEIGH_OWN = f"""
UPDATE blacklist_entry AS e
   SET cause = CASE WHEN {_HEAVIER} THEN s.cause ELSE e.cause END,
       expires = CASE WHEN {_HEAVIER} THEN s.expires ELSE e.expires END,
       note = CASE WHEN {_HEAVIER} THEN COALESCE(s.note, e.note) ELSE e.note END,
       source = CASE WHEN {_HEAVIER} THEN COALESCE(s.source, e.source) ELSE e.source END,
       below = (e.below OR s.below)
  FROM stage s
 WHERE {_SAME} AND e.id > :newest AND e.batch_id = :batch AND e.state < 2 AND s.state < 2
   AND (({_HEAVIER}) OR (s.below AND NOT e.below))"""  # noqa: S608
"""The heaviest of several rows for one key decides, also when the first of them was just entered."""
_ANY = 2**62
_ERASURES = "SELECT erasures FROM blacklist_meta"
_NEWEST = "SELECT COALESCE(MAX(id), 0) FROM blacklist_entry"
_COUNT_PLAN = """
SELECT p.action, e.state, CASE WHEN e.batch_id = :batch AND e.revision = 0 THEN 1 ELSE 0 END, COUNT(*)
  FROM plan p JOIN blacklist_entry e ON e.id = p.entry_id GROUP BY 1, 2, 3"""
_MAKE_LIST = """
INSERT INTO blacklist_list (name, note, actor, created) SELECT :name, '', :actor, :now
 WHERE (SELECT COUNT(*) FROM blacklist_list) < :most ON CONFLICT DO NOTHING"""
_LIST = "SELECT id FROM blacklist_list WHERE name = :name"
_OWNER = "SELECT b.status, b.owner FROM blacklist_batch b WHERE b.id = :batch"
_PROGRESS = """
UPDATE blacklist_batch SET lines_done = :lines, bytes_done = :bytes, counts = :counts, heartbeat = :now
 WHERE id = :batch AND status = 'running' AND owner = :owner"""
_FAULT = "INSERT INTO blacklist_fault (batch_id, line, code, detail) VALUES (:batch, :line, :code, :detail)"


class Link(Protocol):
    """A synchronous connection of one dialect, with the temporary tables `stage`, `plan` and `seen`."""

    def run(self, statement: str, values: Mapping[str, object] | None = None) -> int:
        """Run one statement with `:name` parameters; answers the number of rows."""

    def run_many(self, statement: str, values: Sequence[Mapping[str, object]]) -> None:
        """Run one statement for each set of parameters."""

    def rows(self, statement: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """The rows of one query."""

    def stage(self, parts: Sequence[Part]) -> None:
        """Fill `stage` with these rows, numbered in their order; empties `stage` and `plan` first."""

    def transaction(self) -> AbstractContextManager[None]:
        """Commit at the end, roll back when the body raises; foreign errors become `StorageUnavailable`."""

    def locking(self, alias: str) -> str:
        """What to append to a SELECT that must keep other writers from the rows of *alias*."""

    def close(self) -> None:
        """Close the connection."""


class Superseded(Exception):
    """The import is not this process's to continue any more."""


class ErasedMeanwhile(Exception):
    """Somebody was erased, and the block does not say by which hashes to look for its addresses."""


def list_id(link: Link, name: str, *, make: bool, now: int, actor: str) -> int | None:
    """The number of a named list, if *make* made when it is not there; None when there are too many already.

    Tried only then: on PostgreSQL each try uses a number up, also one that makes nothing, and there are 32,767.
    """
    found = link.rows(_LIST, {"name": name})
    if not found and make:
        with link.transaction():
            link.run(_MAKE_LIST, {"name": name, "actor": actor, "now": now, "most": MAX_LISTS})
        found = link.rows(_LIST, {"name": name})
    return int(found[0][0]) if found else None


def load(link: Link, block: Block, total: Counts, values: Mapping[str, object], encode: Any) -> None:
    """Enter one block and its progress in one transaction; *total* is brought up to date with it.

    *values* holds batch, owner, actor, source, now, revive and replace. Raises `Superseded`, `ErasedMeanwhile` and
    `StorageUnavailable`, and then has done nothing.
    """
    link.stage(block.parts)
    counts = Counts(**block.counts.document())
    with link.transaction():
        # first the row that every other worker on this import needs as well: the transactions cannot overlap
        state = link.rows(_OWNER + link.locking("b"), {"batch": values["batch"]})
        if not state or state[0] != ("running", values["owner"]):
            raise Superseded
        if block.erased:
            link.run(_SEEN_ERASED)
        elif link.rows(_ERASURES)[0][0]:
            raise ErasedMeanwhile
        [(newest,)] = link.rows(_NEWEST)
        entered = link.run(_ENTER, values)
        counts.added += entered
        if entered < block.size:  # something of it is there already, or stands in it twice
            counts.duplicates += _once_each(link, block, values)
            if not block.is_uniform:
                link.run(_OUTWEIGH_OWN, {**values, "newest": newest})
            if _plan(link, {**values, "newest": newest}, counts):
                link.run(_REMEMBER_EXPIRY, values)
                link.run(_REMEMBER, values)
                link.run(_RENEW, values)
                link.run(_ADD_TO, values)
        _write_rules(link, block)
        faults = [{"batch": values["batch"], "line": n, "code": c, "detail": d} for n, c, d in block.faults]
        if faults:
            link.run_many(_FAULT, faults)
        after = Counts(**total.document())
        after.add(counts)
        after.lines = block.lines
        progress = {"lines": block.lines, "bytes": block.bytes, "counts": encode(after.document())}
        if link.run(_PROGRESS, {**values, **progress}) != 1:
            raise Superseded
    total.add(counts)
    total.lines = block.lines


def _once_each(link: Link, block: Block, values: Mapping[str, object]) -> int:
    """Leave one staged row for each key, the one whose cause weighs most; answers how many went."""
    if block.is_uniform:
        return link.run(_ONLY_FIRST)
    if block.rules:
        link.run(_COVER_BELOW)
    return link.run(_ONLY_HEAVIEST, {"now": values["now"]})


def _plan(link: Link, values: Mapping[str, object], counts: Counts) -> bool:
    """Decide about entries that were there already, up to row `newest`; whether any of them changes."""
    link.run(_PLAN + link.locking("e"), values)
    changes = False
    for action, state, own, number in link.rows(_COUNT_PLAN, values):
        changes = changes or action > 0
        if action == _ADDED:
            counts.added += number
        elif action == _CHANGED:
            counts.changed += number
        elif action == _FOUND:
            counts.found_again += number
        elif action == _REVIVED:
            counts.revived += number
        elif own:
            counts.duplicates += number
        elif state == int(StateCode.REMOVED):
            counts.kept_removed += number
        else:
            counts.unchanged += number
    return changes


def _write_rules(link: Link, block: Block) -> None:
    for version, width in sorted(block.widths):
        link.run(
            "INSERT INTO blacklist_width (version, width) VALUES (:version, :width) ON CONFLICT DO NOTHING",
            {"version": version, "width": width},
        )
    if block.rules:
        link.run("UPDATE blacklist_meta SET rules_version = rules_version + 1")


def rehearse(link: Link, block: Block, total: Counts, values: Mapping[str, object]) -> None:
    """Count what `load` would do, changing nothing; what earlier blocks held is remembered in `seen`."""
    counts = Counts(**block.counts.document())
    link.stage(block.parts)
    with link.transaction():
        if block.erased:
            link.run(_SEEN_ERASED)
        _once_each(link, block, values)
        fresh = link.run("INSERT INTO seen SELECT kind, key, list_id FROM stage WHERE 1 = 1 ON CONFLICT DO NOTHING")
        counts.duplicates += block.size - fresh
        _plan(link, {**values, "newest": _ANY}, counts)
        [(matched,)] = link.rows("SELECT COUNT(*) FROM plan")
    counts.added += max(0, fresh - matched)
    total.add(counts)
    total.lines = block.lines


def chunks_of(link: Link, batch_id: int) -> Iterator[bytes]:
    """The stored body of an import, piece by piece, still compressed."""
    number = -1
    while True:
        rows = link.rows(
            "SELECT number, data FROM blacklist_chunk WHERE batch_id = :batch AND number > :number"
            " ORDER BY number LIMIT 1",
            {"batch": batch_id, "number": number},
        )
        if not rows:
            return
        number, data = rows[0]
        yield bytes(data)
