"""Writes a question and reads a plain answer, by hand; anything unusual is left to `parse`, which uses dnspython.

Pure. "Plain" is: one question, NOERROR with records of the asked type for the asked name, or NOERROR/NXDOMAIN with an
SOA and no record; besides them NS, A, AAAA and an empty OPT. For these `read_plain` gives exactly the answer that
`parse.read_message` gives (a property that the tests hold it to), about sixty times faster; else it gives None.
"""

from __future__ import annotations

import re
from struct import Struct
from struct import error as StructError  # noqa: N812

from validator.mx.answer import Answer, AnswerKind, MailExchanger, RecordType
from validator.mx.special import canonical_address

HEADER_OCTETS = 12
EDNS_PAYLOAD_OCTETS = 1232
"""Largest UDP answer asked for; fits every path without fragments (DNS flag day 2020)."""

_HEADER_PLAIN = bytes.fromhex("0100 0001 0000 0000 0000")
_HEADER_EDNS = bytes.fromhex("0100 0001 0000 0000 0001")
_OPT = b"\0" + Struct("!HHIH").pack(41, EDNS_PAYLOAD_OCTETS, 0, 0)
_COUNTS = Struct("!HHHHHH")
_RECORD = Struct("!HHIH")
_U16 = Struct("!H")
_U32 = Struct("!I")
_SOA_NUMBERS = 20
_MAX_TTL_S = 0x7FFFFFFF
_MAX_POINTERS = 16
_IN = 1
_NS, _SOA, _OPT_TYPE = 2, 6, 41
_A, _AAAA, _MX = int(RecordType.A), int(RecordType.AAAA), int(RecordType.MX)
_LABEL = re.compile(rb"[A-Za-z0-9_-]+")
_CASE_BITS = bytes(0x20 if chr(octet).isascii() and chr(octet).isalpha() else 0 for octet in range(256))


def encode_question(name: str, rtype: int) -> bytes:
    """The question section for a lower-case ASCII name without final dot; labels and length must already fit."""
    labels = name.encode("ascii").split(b".") if name else []
    return b"".join([bytes((len(label),)) + label for label in labels]) + b"\0" + rtype.to_bytes(2, "big") + b"\0\1"


def mix_case(question: bytes, random_bits: int) -> bytes:
    """The same question with letters of the name in random case (0x20): a forger has to guess it.

    *random_bits* needs 8 bits per octet of the question, of which one in eight is used.
    """
    letters = int.from_bytes(question[:-4].translate(_CASE_BITS), "big")
    size = len(question) - 4
    # a length octet is at most 63 and could look like a digit or '?', never like a letter
    return (int.from_bytes(question[:-4], "big") ^ (letters & random_bits)).to_bytes(size, "big") + question[-4:]


def encode_query(msg_id: int, question: bytes, *, edns: bool) -> bytes:
    """A whole query: recursion desired, one question."""
    if edns:
        return msg_id.to_bytes(2, "big") + _HEADER_EDNS + question + _OPT
    return msg_id.to_bytes(2, "big") + _HEADER_PLAIN + question


def read_plain(data: bytes, name: str, rtype: int, question_octets: int) -> Answer | None:
    """The answer in *data*, or None when it is not plain.

    The caller has matched id, QR bit and question; `question_octets` is the length of the question section.
    """
    try:
        return _read_plain(data, name, rtype, question_octets)
    except (IndexError, ValueError, StructError):
        return None


def _read_plain(data: bytes, name: str, rtype: int, question_octets: int) -> Answer | None:
    _, flags, questions, answers, authorities, additionals = _COUNTS.unpack_from(data)
    rcode = flags & 0x000F
    if questions != 1 or flags & 0xFA00 != 0x8000 or rcode not in (0, 3) or (rcode and answers):
        return None
    at = HEADER_OCTETS + question_octets
    records: list[MailExchanger] | list[str] = []
    least = _MAX_TTL_S
    for _ in range(answers):
        if data[at] == 0xC0 and data[at + 1] == HEADER_OCTETS:
            at += 2
        else:
            owner, at = _read_name(data, at)
            if owner != name:
                return None
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        end = at + length
        if found != rtype or rclass != _IN or ttl > _MAX_TTL_S:
            return None
        least = min(least, ttl)
        if found == _MX:
            target, after = _read_name(data, at + 2)
            if after != end:
                return None
            records.append((_U16.unpack_from(data, at)[0], target))  # type: ignore[arg-type]
        elif (found == _A and length == 4) or (found == _AAAA and length == 16):
            records.append(canonical_address(data[at:end]))  # type: ignore[arg-type]
        else:
            return None
        at = end
    soa_bound: int | None = None
    for _ in range(authorities):
        at = _skip_name(data, at)
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        end = at + length
        if rclass != _IN or ttl > _MAX_TTL_S:
            return None
        if found == _NS and answers:
            if _skip_name(data, at) != end:
                return None
        elif found == _SOA and not answers and soa_bound is None:
            after = _skip_name(data, _skip_name(data, at))
            if after + _SOA_NUMBERS != end:
                return None
            soa_bound = min(ttl, _U32.unpack_from(data, after + 16)[0])
        else:
            return None
        at = end
    if _skip_additional(data, at, additionals) != len(data):
        return None
    if answers:
        kept = tuple(dict.fromkeys(records)) if len(records) > 1 else tuple(records)
        return Answer(AnswerKind.RECORDS, kept, least)  # type: ignore[arg-type]
    if soa_bound is None:
        return None
    return Answer(AnswerKind.NO_NAME if rcode else AnswerKind.NO_DATA, (), soa_bound)


def _skip_additional(data: bytes, at: int, count: int) -> int:
    """The offset after the additional section, of which nothing is believed; ValueError when it is not plain."""
    edns_seen = False
    for _ in range(count):
        owner_at = at
        at = _skip_name(data, at)
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10 + length
        if found == _OPT_TYPE:
            if edns_seen or data[owner_at] or length or ttl & 0xFFFF0000:
                raise ValueError("not a plain OPT")
            edns_seen = True
        elif rclass != _IN or ttl > _MAX_TTL_S or (found, length) not in ((_A, 4), (_AAAA, 16)):
            raise ValueError("not a plain record")
    return at


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    """A name as lower-case text and the offset after it; ValueError when it is not made of host-name characters.

    Pointers go strictly backwards, and what they point at ends before the part that points: the walk ends.
    """
    labels: list[bytes] = []
    after = 0
    part, limit, octets, hops = at, len(data), 1, 0
    while at < limit:
        length = data[at]
        if length == 0:
            return b".".join(labels).decode("ascii").lower(), after or at + 1
        if length < 0x40:
            label = data[at + 1 : at + 1 + length]
            at += 1 + length
            octets += 1 + length
            if at > limit or octets > 255 or _LABEL.fullmatch(label) is None:
                break
            labels.append(label)
        else:
            target = (length & 0x3F) << 8 | data[at + 1]
            hops += 1
            if length < 0xC0 or at + 1 >= limit or target >= part or hops > _MAX_POINTERS:
                break
            after = after or at + 2
            limit = part
            part = at = target
    raise ValueError("not a plain name")


def _skip_name(data: bytes, at: int) -> int:
    """The offset after a name of any characters; IndexError or ValueError when it is not well-formed."""
    after = 0
    part, limit, octets, hops = at, len(data), 1, 0
    while at < limit:
        length = data[at]
        if length == 0:
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
            limit = part
            part = at = target
    raise ValueError("not a name")
