"""A raw message, read into the few parts that a bounce is recognised by.

Pure and tolerant: any bytes give a `Mail`. Line endings are made equal first, so LF, CRLF and CR give one answer.
"""

from __future__ import annotations

import email
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message

MAX_BYTES = 1 << 20
"""Bytes of a message that are looked at; reports stand at its beginning."""
MAX_DEPTH = 12
"""Levels of nested parts that are followed."""

_LINE_END = re.compile(rb"\r+\n|\r")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<!--.*?-->|<[^<>]{0,2000}>", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|p|div|tr|li|td|h\d)\b[^<>]{0,2000}>", re.IGNORECASE)
_REPORT_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_HEADER_TYPES = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global"})
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """A message without what does not matter."""

    headers: Message
    """Its own headers; look up with `header`."""
    text: str
    """The human-readable parts outside any returned message, as plain text with LF."""
    reports: tuple[tuple[Fields, ...], ...]
    """Every delivery-status part: its blocks of fields, names in lower case, values unfolded."""
    feedback: tuple[Fields, ...]
    """Every feedback-report part (RFC 5965)."""
    original: Message | None
    """Headers of the returned message, when there is one."""
    enclosed: Message | None
    """The returned message as a message, when it was enclosed whole."""

    def header(self, name: str) -> str:
        """A header, decoded and unfolded, or empty; of several the first."""
        return header_text(self.headers, name)


def read_mail(raw: bytes) -> Mail:
    """Read the first `MAX_BYTES` of a raw message; never raises."""
    return digest(email.message_from_bytes(_LINE_END.sub(b"\n", raw[:MAX_BYTES]).lstrip(b"\n")))


def digest(message: Message) -> Mail:
    """Sort the parts of a parsed message."""
    plain: list[str] = []
    markup: list[str] = []
    reports: list[tuple[Fields, ...]] = []
    feedback: list[Fields] = []
    original: Message | None = None
    enclosed: Message | None = None
    for part in _outer_parts(message, 0):
        kind = part.get_content_type()
        if kind in _REPORT_TYPES:
            reports.append(_report_blocks(part))
        elif kind == "message/feedback-report":
            feedback.append(tuple(field for block in _report_blocks(part) for field in block))
        elif kind in _MESSAGE_TYPES:
            inner = part.get_payload()
            if enclosed is None and isinstance(inner, list) and inner and isinstance(inner[0], Message):
                enclosed = inner[0]
                original = original or enclosed
            elif isinstance(inner, str):
                original = original or email.message_from_string(inner)
        elif kind in _HEADER_TYPES:
            original = original or email.message_from_string(_part_text(part).lstrip())
        elif kind == "text/html":
            markup.append(_part_text(part))
        elif part.get_content_maintype() in {"text", "multipart"}:
            plain.append(_part_text(part))
    text = "\n\n".join(plain)
    if not text.strip() and markup:
        text = "\n".join(plain_text(part) for part in markup)
    return Mail(message, text, tuple(reports), tuple(feedback), original, enclosed)


def header_text(message: Message, name: str) -> str:
    """A header, decoded and unfolded, or empty; never raises."""
    wanted = name.lower()
    value = next((str(held) for key, held in message.raw_items() if key.lower() == wanted), None)
    if value is None:
        return ""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" in text:
        pieces = []
        try:
            for piece, charset in decode_header(text):
                pieces.append(piece if isinstance(piece, str) else _decode(piece, charset))
        except (ValueError, LookupError):
            pieces = [text]
        text = "".join(pieces)
    return " ".join(text.split())


def plain_text(markup: str) -> str:
    """The text of an HTML part, one line per block."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", markup)))


def unfolded(value: str) -> str:
    """A field value on one line."""
    return " ".join(value.split())


def _outer_parts(message: Message, depth: int) -> Iterator[Message]:
    """Leaf parts outside any returned message, in order; reports and enclosed messages count as leaves."""
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list) and depth < MAX_DEPTH:
        for part in payload:
            if isinstance(part, Message):
                yield from _outer_parts(part, depth + 1)
    else:
        yield message


def _report_blocks(part: Message) -> tuple[Fields, ...]:
    payload = part.get_payload()
    if isinstance(payload, list):
        blocks = [
            tuple((name.lower(), unfolded(str(value))) for name, value in block.items())
            for block in payload
            if isinstance(block, Message)
        ]
        strays = [block.get_payload() for block in payload if isinstance(block, Message)]
        for stray in strays:
            if isinstance(stray, str) and ":" in stray:
                blocks += field_blocks(stray)
        return tuple(block for block in blocks if block)
    return field_blocks(_part_text(part))


_FIELD = re.compile(r"^[> \t]*([A-Za-z][A-Za-z0-9-]{1,60}):[ \t]*(.*)$")


def field_blocks(text: str) -> tuple[Fields, ...]:
    """Blocks of `Name: value` lines in a text, blank lines between blocks, indented lines continued."""
    blocks: list[tuple[tuple[str, str], ...]] = []
    block: list[tuple[str, str]] = []
    for line in text.split("\n"):
        if not line.strip("> \t"):
            if block:
                blocks.append(tuple(block))
                block = []
        elif block and line[0] in " \t":
            name, value = block[-1]
            block[-1] = (name, f"{value} {line.strip()}".strip())
        elif match := _FIELD.match(line):
            block.append((match.group(1).lower(), match.group(2).strip()))
    if block:
        blocks.append(tuple(block))
    return tuple(blocks)


def _part_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return _decode(payload, part.get_content_charset())
    inner = part.get_payload()
    return inner if isinstance(inner, str) else ""


def _decode(raw: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            if name:
                return raw.decode(name)
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return raw.decode("latin-1")
