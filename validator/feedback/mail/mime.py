"""A raw message, read into the few parts that a bounce is recognised by.

Pure and tolerant: any bytes give a `Mail`. Line endings are made equal first, so LF, CRLF and CR give one answer.
Everything is bounded before it is looked at, so that the cost grows with the length of a message and no faster: the
library's parser alone takes minutes for a megabyte of semicolons in one header or for a thousand nested parts.
"""

from __future__ import annotations

import base64
import codecs
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
MAX_NESTING = 40
"""Multiparts and enclosed messages that are looked at; the message ends, for us, where the next one is announced."""
MAX_LINE = 1_000
"""Characters of a line that are looked at (RFC 5322 section 2.1.1 allows 998)."""
MAX_HEADER = 16_384
"""Characters of one header that are looked at."""
MAX_HEADERS = 1_000
"""Headers of one part that are looked at."""
_MAX_PARAMETERS = 1_000
_MAX_ENCODED = 1_000

_LINE_END = re.compile(rb"\r++\n?")
_NESTED = re.compile(rb"multipart/|message/(?:rfc822|global|partial|external-body)", re.IGNORECASE)
_OPENED = re.compile(r"<(script|style)\b|<!--", re.IGNORECASE)
_CLOSED = {"script": re.compile(r"</script>", re.IGNORECASE), "style": re.compile(r"</style>", re.IGNORECASE)}
_COMMENT_END = re.compile(r"-->")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<(?:br|p|div|tr|li|td|h\d)\b[^<>]{0,2000}>", re.IGNORECASE)
_REPORT_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_HEADER_TYPES = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global"})
_NOT_TEXT = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"})
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


class _Bounded(Message):
    """A message whose headers are cut while they are read, before anything asks for their parameters."""

    def set_raw(self, name: str, value: str) -> None:
        """Keep the beginning of a header, and the first `MAX_HEADERS` of them."""
        if len(self) < MAX_HEADERS:
            limit = _MAX_PARAMETERS if name[:8].lower() == "content-" else MAX_HEADER
            super().set_raw(name, value[:limit])


def read_mail(raw: bytes) -> Mail:
    """Read the first `MAX_BYTES` of a raw message; never raises, and costs the same per byte however long it is."""
    plain = _LINE_END.sub(_as_lf, raw[:MAX_BYTES]).lstrip(b"\n")
    for number, match in enumerate(_NESTED.finditer(plain)):
        if number == MAX_NESTING:
            plain = plain[: match.start()]
            break
    return digest(email.message_from_bytes(plain, _Bounded))


def _as_lf(match: re.Match[bytes]) -> bytes:
    """Any number of CR before an LF is one end of a line; without it, each is one."""
    found = match.group()
    return b"\n" if found.endswith(b"\n") else b"\n" * len(found)


def lines_of(text: str) -> list[str]:
    """The lines of a text, none longer than anything may look at."""
    return [line[:MAX_LINE] for line in text.split("\n")]


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
            inner = _payload_of(part)
            if enclosed is None and isinstance(inner, list) and inner and isinstance(inner[0], Message):
                enclosed = inner[0]
                original = original or enclosed
            elif isinstance(inner, str):
                original = original or email.message_from_string(inner, _Bounded)
        elif kind in _HEADER_TYPES:
            original = original or email.message_from_string(_part_text(part).lstrip(), _Bounded)
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
            for piece, charset in decode_header(text[:_MAX_ENCODED]):
                pieces.append(piece if isinstance(piece, str) else _decode(piece, charset))
        except (ValueError, LookupError):
            pieces = [text[:_MAX_ENCODED]]
        text = "".join([*pieces, text[_MAX_ENCODED:]])
    return " ".join(text.split())


def plain_text(markup: str) -> str:
    """The text of an HTML part, one line per block."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", _without_code(markup))))


def _without_code(markup: str) -> str:
    """Markup without scripts, styles and comments; one that never ends is left to be text."""
    kept: list[str] = []
    start = 0
    unending: set[str] = set()
    for opened in _OPENED.finditer(markup):
        kind = (opened.group(1) or "").lower()
        if opened.start() < start or kind in unending:
            continue
        closed = _CLOSED.get(kind, _COMMENT_END).search(markup, opened.end())
        if closed is None:
            unending.add(kind)
            continue
        kept.append(markup[start : opened.start()])
        start = closed.end()
    return "".join([*kept, markup[start:]])


def unfolded(value: str) -> str:
    """A field value on one line."""
    return " ".join(value.split())


def _outer_parts(message: Message, depth: int) -> Iterator[Message]:
    """Leaf parts outside any returned message, in order; reports and enclosed messages count as leaves."""
    payload = _payload_of(message)
    if message.get_content_maintype() == "multipart" and isinstance(payload, list) and depth < MAX_DEPTH:
        for part in payload:
            if isinstance(part, Message):
                yield from _outer_parts(part, depth + 1)
    else:
        yield message


def _report_blocks(part: Message) -> tuple[Fields, ...]:
    payload = _payload_of(part)
    if isinstance(payload, list) and header_text(part, "Content-Transfer-Encoding").lower() == "base64":
        return field_blocks(_unpacked("".join(_part_text(block) for block in payload if isinstance(block, Message))))
    if isinstance(payload, list):
        blocks = [
            tuple((name.lower(), _raw_field(str(value))) for name, value in block.raw_items())
            for block in payload
            if isinstance(block, Message)
        ]
        for block in payload:
            if isinstance(block, Message) and ":" in (stray := _part_text(block)):
                blocks += field_blocks(stray)
        return tuple(block for block in blocks if block)
    return field_blocks(_part_text(part))


def _unpacked(packed: str) -> str:
    """The fields of a report in base64 (RFC 6533 section 3 allows it); empty when they cannot be read."""
    try:
        return _decode(base64.b64decode(packed), None)
    except ValueError:
        return ""


def _raw_field(value: str) -> str:
    """A field on one line; bytes that are not ASCII, which a report may hold, are UTF-8 or else Latin-1."""
    return unfolded(_decode(value.encode("utf-8", "surrogateescape"), None))


_FIELD = re.compile(r"^[> \t]*+([A-Za-z][A-Za-z0-9-]{1,60}):[ \t]*+(.*)$")


def field_blocks(text: str) -> tuple[Fields, ...]:
    """Blocks of `Name: value` lines in a text, blank lines between blocks, indented lines continued."""
    blocks: list[Fields] = []
    block: list[tuple[str, list[str]]] = []

    def close() -> None:
        if block:
            blocks.append(tuple((name, " ".join(part for part in lines if part)) for name, lines in block))
        block.clear()

    for line in lines_of(text):
        if not line.strip("> \t"):
            close()
        elif block and line[0] in " \t":
            block[-1][1].append(line.strip())
        elif match := _FIELD.match(line):
            block.append((match.group(1).lower(), [match.group(2).strip()]))
    close()
    return tuple(blocks)


def _payload_of(part: Message) -> object:
    """What a part holds: text, parts, or nothing when its own charset parameter is nonsense; never raises."""
    try:
        return part.get_payload()
    except (LookupError, ValueError, TypeError):
        return ""


def _part_text(part: Message) -> str:
    try:
        payload = part.get_payload(decode=True)
    except (LookupError, ValueError, TypeError):
        return ""
    if isinstance(payload, bytes):
        return _decode(payload, part.get_content_charset())
    inner = _payload_of(part)
    return inner if isinstance(inner, str) else ""


def _decode(raw: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8"):
        try:
            if name and codecs.lookup(name).name not in _NOT_TEXT:
                return raw.decode(name)
        except (LookupError, UnicodeDecodeError, ValueError):
            continue
    return raw.decode("latin-1")
