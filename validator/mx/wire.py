"""Writes a question and reads a plain answer, by hand; anything unusual is left to `parse`, which uses dnspython.

Pure. "Plain" is: one question, NOERROR with records of the asked type for the asked name, or NOERROR/NXDOMAIN with an
SOA and no record; besides them NS, A, AAAA and an empty OPT. For these `read_plain` gives exactly the answer that
`parse.read_message` gives (a property that the tests hold it to), about sixty times faster; else it gives None.
"""

from __future__ import annotations

import re
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812

from validator.mx.answer import Answer, AnswerKind, MailExchanger, RecordType
from validator.mx.special import canonical_address, text_of_v4

HEADER_OCTETS = 12
EDNS_PAYLOAD_OCTETS = 1232
"""Largest UDP answer asked for; fits every path without fragments (DNS flag day 2020)."""

HEADER_PLAIN = bytes.fromhex("0100 0001 0000 0000 0000")
"""What follows the id of a question without EDNS: recursion desired, one question."""
HEADER_EDNS = bytes.fromhex("0100 0001 0000 0000 0001")
"""The same with the OPT record that ends the message."""
OPT = b"\0" + Struct("!HHIH").pack(41, EDNS_PAYLOAD_OCTETS, 0, 0)
"""That record (RFC 6891)."""
_COUNTS = Struct("!HHHHHH")
_RECORD = Struct("!HHIH")
_OWNED = Struct("!6sIHH")
_ASKED_NAME = 0xC000 | HEADER_OCTETS
_HEADS = {int(rtype): Struct("!HHH").pack(_ASKED_NAME, rtype, 1) for rtype in RecordType}
_U32 = Struct("!I")
_SOA_NUMBERS = 20
_MAX_TTL_S = 0x7FFFFFFF
_MAX_POINTERS = 16
_MOST_OCTETS = 255  # of the labels before a pointer, the pointer, and the text of the rest: 255 octets for the name
_ROOT = b"\0"
_RECORDS = AnswerKind.RECORDS
_new = tuple.__new__
_IN = 1
_A_OCTETS, _AAAA_OCTETS = 4, 16
_NS, _SOA, _OPT_TYPE = 2, 6, 41
_A, _AAAA, _MX = int(RecordType.A), int(RecordType.AAAA), int(RecordType.MX)
_NAME = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LENGTHS = [chr(length) for length in range(64)]
_ENDS = {rtype: f"\0\0{chr(rtype)}\0\1" for rtype in range(128)}
_PLAIN_OPT = b"\0\0\x29"
_PLAIN_OPTS = frozenset(
    _PLAIN_OPT + payload.to_bytes(2, "big") + bytes(6) for payload in (512, 1220, 1232, 1400, 1410, 1452, 1472, 4096)
)
"""The end of nearly every answer; the payload is what the server itself would take."""
_ONE_RECORD = {
    bytes((high, low)) + counts: bool(counts[-1])
    for high in (0x80, 0x81, 0x84, 0x85)  # QR, and any of AA and RD
    for low in range(0, 256, 16)  # any of RA, Z, AD and CD; NOERROR
    for counts in (bytes.fromhex("0001 0001 0000 0000"), bytes.fromhex("0001 0001 0000 0001"))
}
"""What follows the id of an answer with one record and nothing else, by whether an OPT record ends it."""


def encode_question(name: str, rtype: int) -> bytes:
    """The question section for a lower-case ASCII name without final dot; labels and length must already fit."""
    text = ""
    if name:
        for label in name.split("."):
            text += _LENGTHS[len(label)] + label
    return (text + _ENDS[rtype]).encode("ascii")


def encode_query(key: bytes, question: bytes, edns: bool) -> bytes:
    """A whole query: *key* is the id, two octets; recursion desired, one question."""
    if edns:
        return key + HEADER_EDNS + question + OPT
    return key + HEADER_PLAIN + question


def read_plain(data: bytes, name: str, rtype: int, question_octets: int) -> Answer | None:
    """The answer in *data*, or None when it is not plain.

    The caller has matched id, QR bit and question; `question_octets` is the length of the question section.
    """
    at = HEADER_OCTETS + question_octets
    try:
        ends_with_opt = _ONE_RECORD.get(data[2:12])
        if ends_with_opt is not None:
            # one record for the asked name and nothing else: most answers, and so they cost half
            head, ttl, length, preference = _OWNED.unpack_from(data, at)
            begin = at + 12
            end = begin + length
            if (
                head == _HEADS.get(rtype)
                and ttl <= _MAX_TTL_S
                and (data[end:] in _PLAIN_OPTS if ends_with_opt else end == len(data))
            ):
                record: object = None
                if rtype == _MX:
                    host = _read_target(data, begin + 2, end, name)
                    record = None if host is None else (preference, host)
                elif rtype == _A and length == _A_OCTETS:
                    record = text_of_v4(data[begin:end])
                elif rtype == _AAAA and length == _AAAA_OCTETS:
                    record = canonical_address(data[begin:end])
                if record is not None:
                    # what Answer(...) does, at a third of the price
                    return _new(Answer, (_RECORDS, (record,), ttl, None, 0))
        _, flags, questions, answers, authorities, additionals = _COUNTS.unpack_from(data)
        if questions != 1 or flags & 0xFA00 != 0x8000:
            return None
        names = {HEADER_OCTETS: question_octets - 4}
        if flags & 0x000F == 0 and answers:
            answer, at = _read_records(data, at, answers, name, rtype, names)
            if authorities:
                at = _skip_servers(data, at, authorities, names)
        elif flags & 0x000F in (0, 3) and not answers and authorities == 1:
            bound, at = _read_soa(data, at, names)
            answer = Answer(AnswerKind.NO_NAME if flags & 0x000F else AnswerKind.NO_DATA, (), bound)
        else:
            return None
        return answer if _skip_additional(data, at, additionals, names) == len(data) else None
    except (IndexError, ValueError, StructError):
        return None


def _read_target(data: bytes, at: int, end: int, name: str) -> str | None:
    """The host of an MX record when it is written out or ends like the asked name; None when it is not so simple.

    The text of a name and its octets run in step: what a pointer at octet 12 + n stands for is `name[n:]`.
    """
    if data[end - 1] == 0:
        return _whole_name(data[at:end])
    cut = (data[end - 2] << 8 | data[end - 1]) - _ASKED_NAME
    left = len(name) - cut
    if end - at < 2 or not 0 < left <= len(name) or end - at + left > _MOST_OCTETS or (cut and name[cut - 1] != "."):
        return None
    if end - at == 2:
        return name[cut:]
    return f"{_whole_name(data[at : end - 2] + _ROOT)}.{name[cut:]}"


def _read_records(data: bytes, at: int, count: int, name: str, rtype: int, names: dict[int, int]) -> tuple[Answer, int]:
    """The answer section, all of it records of the asked type for the asked name; ValueError when it is not.

    *names* are offsets of names that have been read and their octets; those of mail hosts are added.
    """
    records: list[MailExchanger] | list[str] = []
    least = _MAX_TTL_S
    for _ in range(count):
        if data[at] == 0xC0 and data[at + 1] == HEADER_OCTETS:
            at += 2
        else:
            owner, at = _read_name(data, at, name)
            if owner != name:
                raise ValueError("another owner")
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        end = at + length
        if found != rtype or rclass != _IN or ttl > _MAX_TTL_S or end > len(data):
            raise ValueError("not a plain record")
        least = min(least, ttl)
        if found == _MX:
            if data[end - 1] == 0:
                target = _whole_name(data[at + 2 : end])
            else:
                target, after = _read_name(data, at + 2, name)
                if after != end:
                    raise ValueError("another length")
            names[at + 2] = len(target) + 2 if target else 1
            records.append((data[at] << 8 | data[at + 1], target))  # type: ignore[arg-type]
        elif (found == _A and length == 4) or (found == _AAAA and length == 16):
            records.append(canonical_address(data[at:end]))  # type: ignore[arg-type]
        else:
            raise ValueError("another type or length")
        at = end
    if count > 1:
        records = list(dict.fromkeys(records))  # type: ignore[assignment]
    # what Answer(...) does, at a third of the price
    return _new(Answer, (_RECORDS, tuple(records), least, None, 0)), at


@lru_cache(maxsize=8_192)
def _whole_name(octets: bytes) -> str:
    """A name without pointers, as most domains that share a provider's host have it: read once for all of them."""
    name, after = _read_name(octets, 0, "")
    if after != len(octets):
        raise ValueError("another length")
    return name


def _read_soa(data: bytes, at: int, names: dict[int, int]) -> tuple[int, int]:
    """One SOA record: how long "there is nothing" holds, and the offset after it; ValueError when it is none."""
    at = _skip_name(data, at, names)
    found, rclass, ttl, length = _RECORD.unpack_from(data, at)
    at += 10
    numbers = _skip_name(data, _skip_name(data, at, names), names)
    if found != _SOA or rclass != _IN or ttl > _MAX_TTL_S or numbers + _SOA_NUMBERS != at + length:
        raise ValueError("not a plain SOA")
    return min(ttl, _U32.unpack_from(data, numbers + 16)[0]), at + length


def _skip_servers(data: bytes, at: int, count: int, names: dict[int, int]) -> int:
    """The offset after an authority section of name servers; ValueError when it holds anything else."""
    for _ in range(count):
        at = _skip_name(data, at, names)
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        if found != _NS or rclass != _IN or ttl > _MAX_TTL_S or _skip_name(data, at, names) != at + length:
            raise ValueError("not a plain NS")
        at += length
    return at


def _skip_additional(data: bytes, at: int, count: int, names: dict[int, int]) -> int:
    """The offset after the additional section, of which nothing is believed; ValueError when it is not plain."""
    if count == 1 and len(data) == at + 11 and data[at : at + 3] == _PLAIN_OPT and data[at + 5 : at + 7] == b"\0\0":
        return at + 11 if data[at + 9 :] == b"\0\0" else at
    edns_seen = False
    for _ in range(count):
        owner_at = at
        at = at + 2 if data[at] == 0xC0 and data[at + 1] in names else _skip_name(data, at, names)
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10 + length
        if found == _OPT_TYPE:
            if edns_seen or data[owner_at] or length or ttl & 0xFFFF0000:
                raise ValueError("not a plain OPT")
            edns_seen = True
        elif rclass != _IN or ttl > _MAX_TTL_S or (found, length) not in ((_A, 4), (_AAAA, 16)):
            raise ValueError("not a plain record")
    return at


def _read_name(data: bytes, at: int, asked: str) -> tuple[str, int]:
    """A name as lower-case text and the offset after it; ValueError when it is not made of host-name characters.

    Pointers go strictly backwards, and what they point at ends before the part that points: the walk ends. A pointer
    at the question stands for *asked*.
    """
    labels: list[bytes] = []
    after = 0
    part, limit, octets, hops = at, len(data), 1, 0
    while at < limit:
        length = data[at]
        if length == 0:
            return _text(labels), after or at + 1
        if length < 0x40:
            labels.append(data[at + 1 : at + 1 + length])
            at += 1 + length
            octets += 1 + length
            if at > limit or octets > 255:
                break
        else:
            target = (length & 0x3F) << 8 | data[at + 1]
            hops += 1
            if length < 0xC0 or at + 1 >= limit or target >= part or hops > _MAX_POINTERS:
                break
            after = after or at + 2
            if target == HEADER_OCTETS:
                if octets + len(asked) + 1 > 255:
                    break
                return (f"{_text(labels)}.{asked}" if labels else asked), after
            limit = part
            part = at = target
    raise ValueError("not a plain name")


def _text(labels: list[bytes]) -> str:
    """Labels as lower-case text; ValueError when a character is none of a host name's, or a dot in a label."""
    if len(labels) == 1 and labels[0].isalnum():
        return labels[0].decode("ascii").lower()
    if not labels:
        return ""
    name = b".".join(labels)
    if _NAME.fullmatch(name) is None or name.count(b".") != len(labels) - 1:
        raise ValueError("not a plain name")
    return name.decode("ascii").lower()


def _skip_name(data: bytes, at: int, names: dict[int, int]) -> int:
    """The offset after a name of any characters; IndexError or ValueError when it is not well-formed.

    *names* are offsets of names that have been read and their octets; this one is added, so that each part of a message
    is walked once however many records point at it.
    """
    after = 0
    begin, part, limit, octets, hops = at, at, len(data), 1, 0
    while at < limit:
        length = data[at]
        if length == 0:
            names[begin] = octets
            return after or at + 1
        if length < 0x40:
            at += 1 + length
            octets += 1 + length
            if octets > 255:
                break
        else:
            target = (length & 0x3F) << 8 | data[at + 1]
            hops += 1
            if length < 0xC0 or at + 1 >= limit or target >= part or hops > _MAX_POINTERS:
                break
            after = after or at + 2
            known = names.get(target)
            if known is not None:
                octets += known - 1
                if octets > 255:
                    break
                names[begin] = octets
                return after
            if octets == 1:
                begin = target  # a pointer and nothing before it: what it points at is the name
            limit = part
            part = at = target
    raise ValueError("not a name")
