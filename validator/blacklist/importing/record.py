"""The named fields of one record -> an entry or a fault: what another system's words say of their recipient. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from validator.blacklist.entry import MAX_NOTE_CHARS, WISHES, Cause, Kind, RuleFault, State
from validator.blacklist.importing.columns import Column, cause_of, cause_of_code, is_not_the_recipient
from validator.blacklist.importing.dates import date_of, end_of, is_never
from validator.blacklist.importing.row import NOT_THE_RECIPIENT, Defaults, Fault, Row
from validator.blacklist.keys import list_name, parse_rule

ANGLE = re.compile(r"<\s*+([^<>\s@]++@[^<>\s]++)\s*+>")
"""An address in angle brackets, as after a name."""
_FOR_NOW = re.compile(r"\s*4(?:\d\d\b|\.\d)")
_SOFT = frozenset({Cause.MAILBOX_FULL, Cause.RECIPIENT_FILTERED, Cause.REPEATED_SOFT_BOUNCE})
_DATES = (Column.CREATED, Column.LAST_EVENT, Column.BOUNCED)
_TRUE = frozenset({"1", "true", "yes", "t", "y"})


class Records:
    """Judges records; knows nothing of lines and delimiters."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self.told: Cause | None = None
        """What the header says of all its lines; words of a line's own come first."""

    def entered(self, number: int, fields: Mapping[Column, str]) -> Iterator[Row | Fault]:
        """What the fields of the record that begins on line *number* come to; a row may have warnings before it."""
        raw = fields.get(Column.VALUE)
        if raw is None:
            yield Fault(number, "no_value", "no column or field of this line holds an address")
            return
        kind = _member(Kind, fields.get(Column.KIND, "")) or self._defaults.kind
        # what we wrote ourselves is exact: `'joe@x.org` is not joe
        value = raw if Column.STATE in fields else _bare(raw)
        rule = parse_rule(value, kind, below=fields.get(Column.BELOW, "").lower() in _TRUE)
        if isinstance(rule, RuleFault):
            yield Fault(number, rule.code, rule.message)
            return
        lists = list_name(fields[Column.LIST]) if Column.LIST in fields else self._defaults.list
        if lists is None:
            yield Fault(number, "list", "the name of the list cannot be used")
            return
        expires = self._defaults.expires
        if Column.EXPIRES in fields:
            expires = end_of(fields[Column.EXPIRES])
            if expires is None and not is_never(fields[Column.EXPIRES]):
                yield Fault(number, "expires", "a time of expiry that cannot be read")
                return
        cause, word = self._cause(fields)
        if cause is None:
            yield Fault(number, NOT_THE_RECIPIENT, "the failure does not speak against the address")
            return
        if cause in _SOFT and expires is None and self._is_foreign(fields):
            yield Fault(number, NOT_THE_RECIPIENT, "a soft failure without a time of expiry would block for ever")
            return
        if word is not None:
            yield Fault(number, "unknown_cause", "entered; its word for the cause is not known and stands in the note")
        dates = {column: date_of(fields[column]) for column in _DATES if column in fields}
        unread = [column.value for column, found in dates.items() if found is None]
        if unread:
            yield Fault(number, "unreadable_date", f"entered without a date that cannot be read: {', '.join(unread)}")
        bounced = dates.get(Column.BOUNCED)
        yield Row(
            number,
            rule,
            lists,
            cause,
            _member(State, fields.get(Column.STATE, "")) or State.ACTIVE,
            fields.get(Column.SOURCE, "")[:MAX_NOTE_CHARS] or None if Column.STATE in fields else None,
            self._note(fields, word),
            dates.get(Column.CREATED) or bounced or dates.get(Column.LAST_EVENT),
            dates.get(Column.LAST_EVENT) or bounced,
            expires,
        )

    def _is_foreign(self, fields: Mapping[Column, str]) -> bool:
        """Whether the cause is another system's word: not given for the import, not from our own export."""
        defaults = self._defaults
        return defaults.judge and defaults.cause is None and Column.STATE not in fields

    def _note(self, fields: Mapping[Column, str], word: str | None) -> str | None:
        texts = (fields.get(column) for column in (Column.NOTE, Column.DETAIL, Column.TEXT))
        note = next((text for text in texts if text), self._defaults.note)
        if word is not None:
            note = f"{note} ({word})" if note else word
        return note.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()[:MAX_NOTE_CHARS] or None

    def _cause(self, fields: Mapping[Column, str]) -> tuple[Cause | None, str | None]:
        """The cause of a record, None when it does not speak against the address; and a word that is not known."""
        if self._defaults.cause is not None:
            return self._defaults.cause, None
        words = [fields[column] for column in (Column.CAUSE, Column.TEXT) if column in fields]
        if self._defaults.judge and any(is_not_the_recipient(word) for word in words):
            return None, None
        found = next((cause for word in words if (cause := cause_of(word)) is not None), None)
        if found is None and Column.CODE in fields:
            found = cause_of_code(fields[Column.CODE])
        if found is Cause.REPEATED_SOFT_BOUNCE and fields.get(Column.INACTIVE, "").lower() in _TRUE:
            found = Cause.PROVIDER_LIST  # soft or not, the provider has given the address up
        found = self._by_source(fields, found)
        word = fields.get(Column.CAUSE) if found is None else None
        if found is None and self.told is not None:
            return self.told, word
        if found in {None, Cause.PROVIDER_LIST}:
            found = self._judged(fields, found)
        return found, word

    @staticmethod
    def _by_source(fields: Mapping[Column, str], found: Cause | None) -> Cause | None:
        """What another system's column on who or what brought an address there adds to its words.

        SparkPost says `Spam Complaint` or `List Unsubscribe` nowhere else. What Postmark calls manual is an
        unsubscription where the recipient did it.
        """
        source = None if Column.STATE in fields else fields.get(Column.SOURCE)
        if source is None or found not in {None, Cause.MANUAL}:
            return found
        if found is Cause.MANUAL:
            by_person = source.lower() == "recipient" and Column.CAUSE in fields
            return Cause.UNSUBSCRIBE if by_person else found
        told = cause_of(source)
        return told if told in WISHES or told is Cause.PROVIDER_LIST else None

    def _judged(self, fields: Mapping[Column, str], suspected: Cause | None) -> Cause | None:
        """What the text of a failure says, else what is *suspected*."""
        text = fields.get(Column.DETAIL) or fields.get(Column.TEXT)
        if text is not None and self._defaults.classify is not None and cause_of(text) is None:
            found = self._defaults.classify(" ".join(filter(None, (fields.get(Column.CODE), text))))
            return suspected if found is Cause.IMPORT and suspected is not None else found
        if suspected is None and self._defaults.judge and _FOR_NOW.match(fields.get(Column.CODE, "")):
            return None
        return suspected or Cause.IMPORT


def _bare(raw: str) -> str:
    named = ANGLE.search(raw)
    return named.group(1) if named else stripped(raw)


def stripped(token: str) -> str:
    """A value without the quotes, brackets and `mailto:` around it."""
    token = token.strip("\"'<>()[]")
    return token[7:] if token[:7].lower() == "mailto:" else token


_Word = TypeVar("_Word", Kind, State)


def _member(values: type[_Word], word: str) -> _Word | None:
    try:
        return values(word.strip().lower())
    except ValueError:
        return None
