"""Delivery status notifications (RFC 3464, RFC 6533), also those whose parts or fields are out of place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from validator.feedback.mail.failure import Failure, address_in_field, same_address
from validator.feedback.mail.mentions import Mentions
from validator.feedback.mail.mime import Fields, Mail, field_blocks
from validator.feedback.mail.transcript import Dialogue, transcript_words
from validator.feedback.reply import Stage

_ORIGINAL = ("original-recipient", "x-original-recipient")
_FINAL = ("final-recipient", "x-actual-recipient")
_RECIPIENT = frozenset({*_ORIGINAL, *_FINAL})
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\s*(?:\((.*)\))?")
_XTEXT = re.compile(r"\+([2-7][0-9A-F])")
_MAX_HUMAN = 16_384
"""Characters of the human-readable part that are read beside a report, once for each recipient."""
_SILENT = frozenset({"relayed", "expanded"})


@dataclass(slots=True)
class _Group:
    """Fields of one recipient while they are being collected."""

    fields: dict[str, str] = field(default_factory=dict)

    def has_recipient(self) -> bool:
        return not _RECIPIENT.isdisjoint(self.fields)


@dataclass(frozen=True, slots=True)
class _Beside:
    """The human-readable part beside a report, read once for all its recipients."""

    mentions: Mentions
    """Where it speaks of whom."""
    dialogue: Dialogue
    """The commands and answers in it."""
    session: str
    """What Sendmail calls the transcript of the session."""


def failures_in_reports(mail: Mail) -> list[Failure]:
    """One `Failure` per recipient of every delivery-status part, the human-readable part beside it."""
    blocks = [block for report in mail.reports for block in report]
    return _failures(blocks, mail.text)


def failures_in_text(text: str) -> list[Failure]:
    """The same from a text that has the fields in it, as forwarded or broken reports do; quoting marks are ignored."""
    if "final-recipient:" not in text.lower() and "original-recipient:" not in text.lower():
        return []
    return _failures(list(field_blocks(text)), text)


def only_informs(mail: Mail) -> bool:
    """Whether the reports say of every recipient only that the message went on."""
    groups = _groups(block for report in mail.reports for block in report)
    return bool(groups) and all(_action(group) in _SILENT for group in groups)


def _action(group: dict[str, str]) -> str:
    return group.get("action", "").split(" ")[0].strip(";.").lower()


def _failures(blocks: Iterable[Fields], human: str) -> list[Failure]:
    human = human[:_MAX_HUMAN]
    beside = _Beside(Mentions(human), Dialogue(human), transcript_words(human))
    failures: list[Failure] = []
    seen: set[tuple[str, str]] = set()
    for group in _groups(blocks):
        final = next((found for name in _FINAL if (found := address_in_field(group.get(name, "")))), "")
        original = next((found for name in _ORIGINAL if (found := address_in_field(group.get(name, "")))), "")
        action = _action(group)
        if action in _SILENT:
            continue
        if not final and not original:
            failures.append(_failure("", "", action, group, beside))
            continue
        key = (original.lower(), final.lower())
        if key in seen:
            continue
        seen.add(key)
        failures.append(_failure(original, final, action, group, beside))
    return failures


def _groups(blocks: Iterable[Fields]) -> list[dict[str, str]]:
    """Fields per recipient: a block with a recipient field, or a second such field of one kind, opens one."""
    groups: list[_Group] = []
    pending: dict[str, str] = {}
    for block in blocks:
        names = {name for name, _ in block}
        if _RECIPIENT.isdisjoint(names):
            if groups and not {"status", "action", "diagnostic-code"}.isdisjoint(names - groups[-1].fields.keys()):
                for name, value in block:
                    groups[-1].fields.setdefault(name, value)
            else:
                pending.update(
                    (name, value) for name, value in block if name in {"status", "action", "diagnostic-code"}
                )
            continue
        group = _Group(dict(pending))
        pending = {}
        groups.append(group)
        for name, value in block:
            if name in _RECIPIENT and name in group.fields:
                group = _Group()
                groups.append(group)
            if name not in group.fields:
                group.fields[name] = value
    return [group.fields for group in groups if group.has_recipient()]


def _from_xtext(address: str) -> str:
    """An address that a server put back as it stood in ORCPT: `a+2Bb@…` is `a+b@…` (RFC 3461 section 4)."""
    return _XTEXT.sub(lambda found: chr(int(found.group(1), 16)), address)


def _failure(original: str, final: str, action: str, fields: dict[str, str], beside: _Beside) -> Failure:
    named = final or original
    if final and original and same_address(final, _from_xtext(original)):
        original = final
    original = original or beside.mentions.sent_on_from(final)
    if final and original and not same_address(final, original):
        named = beside.mentions.first_of(final, original) or original
    status = _STATUS.search(fields.get("status", ""))
    comment = (status.group(2) or "") if status else ""
    diagnostic = fields.get("diagnostic-code", "")
    kind, _, words = diagnostic.partition(";")
    if not words or " " in kind.strip():
        words = diagnostic
    words = words.strip()
    host = fields.get("remote-mta", "").rpartition(";")[2].strip().lower()
    human = beside.mentions.words_about(final or original)
    spoken = beside.dialogue.answer_to(final or original, words)
    session = beside.session if not words and spoken is None else ""
    texts = [text for text in (words, session, human, spoken.text if spoken else "", comment) if text.strip(" .-")]
    return Failure(
        recipient=named,
        texts=tuple(dict.fromkeys(texts)),
        original_recipient=original if not same_address(original, named) else "",
        final_recipient=final if original and not same_address(final, original) else "",
        status=status.group(1) if status else "",
        stage=spoken.stage if spoken else Stage.UNKNOWN,
        host=host,
        action=action,
    )
