"""Writes a question and reads a plain answer, by hand; anything unusual is left to `parse`, which uses dnspython.

Pure. "Plain" is: one question, NOERROR with records of the asked type for the asked name, or NOERROR/NXDOMAIN with an
SOA and no record; besides them NS, A, AAAA and an empty OPT. For these `read_plain` gives exactly the answer that
`parse.read_message` gives (a property that the tests hold it to), about sixty times faster; else it gives None.
"""

from __future__ import annotations

import os
import random
import re
from functools import lru_cache
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
_U32 = Struct("!I")
_SOA_NUMBERS = 20
_MAX_TTL_S = 0x7FFFFFFF
_MAX_POINTERS = 16
_RECORDS = AnswerKind.RECORDS
_new = tuple.__new__
_IN = 1
_NS, _SOA, _OPT_TYPE = 2, 6, 41
_A, _AAAA, _MX = int(RecordType.A), int(RecordType.AAAA), int(RecordType.MX)
_NAME = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LENGTHS = [chr(length) for length in range(64)]
_PLAIN_OPT = b"\0\0\x29"
_CASE_BITS = 10


def encode_question(name: str, rtype: int) -> bytes:
    """The question section for a lower-case ASCII name without final dot; labels and length must already fit."""
    text = ""
    if name:
        for label in name.split("."):
            text += _LENGTHS[len(label)] + label
    return f"{text}\0\0{chr(rtype)}\0\1".encode("ascii")


class CaseMixer:
    """Writes questions in random letter case (0x20): a forger has to guess it besides id and port.

    Each letter of the alphabet is upper or lower throughout one question, which costs a tenth of a microsecond and
    adds about as many bits as the name has different letters.
    """

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))  # noqa: S311  seeded by the system, its output is never seen whole
        self._tables = [_case_table(self._random.getrandbits(26)) for _ in range(1 << _CASE_BITS)]

    def mix(self, question: bytes) -> bytes:
        """The same question, its letters in a case that cannot be foreseen; other octets are never letters."""
        return question.translate(self._tables[self._random.getrandbits(_CASE_BITS)])


def _case_table(bits: int) -> bytes:
    """A translation that turns the lower-case letters that *bits* names into capitals."""
    chosen = bytes(97 + place for place in range(26) if bits >> place & 1)
    return bytes.maketrans(chosen, chosen.upper())


def encode_query(msg_id: int, question: bytes, edns: bool) -> bytes:
    """A whole query: recursion desired, one question."""
    if edns:
        return msg_id.to_bytes(2, "big") + _HEADER_EDNS + question + _OPT
    return msg_id.to_bytes(2, "big") + _HEADER_PLAIN + question


def read_plain(data: bytes, name: str, rtype: int, question_octets: int) -> Answer | None:
    """The answer in *data*, or None when it is not plain.

    The caller has matched id, QR bit and question; `question_octets` is the length of the question section.
    """
    try:
        _, flags, questions, answers, authorities, additionals = _COUNTS.unpack_from(data)
        if questions != 1 or flags & 0xFA00 != 0x8000:
            return None
        at = HEADER_OCTETS + question_octets
        if flags & 0x000F == 0 and answers:
            answer, at = _read_records(data, at, answers, name, rtype)
            if authorities:
                at = _skip_servers(data, at, authorities)
        elif flags & 0x000F in (0, 3) and not answers and authorities == 1:
            bound, at = _read_soa(data, at)
            answer = Answer(AnswerKind.NO_NAME if flags & 0x000F else AnswerKind.NO_DATA, (), bound)
        else:
            return None
        return answer if _skip_additional(data, at, additionals) == len(data) else None
    except (IndexError, ValueError, StructError):
        return None


def _read_records(data: bytes, at: int, count: int, name: str, rtype: int) -> tuple[Answer, int]:
    """The answer section, all of it records of the asked type for the asked name; ValueError when it is not."""
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
        if found != rtype or rclass != _IN or ttl > _MAX_TTL_S:
            raise ValueError("not a plain record")
        least = min(least, ttl)
        if found == _MX:
            if data[end - 1] == 0 and end <= len(data):
                target = _whole_name(data[at + 2 : end])
            else:
                target, after = _read_name(data, at + 2, name)
                if after != end:
                    raise ValueError("another length")
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


def _read_soa(data: bytes, at: int) -> tuple[int, int]:
    """One SOA record: how long "there is nothing" holds, and the offset after it; ValueError when it is none."""
    at = _skip_name(data, at)
    found, rclass, ttl, length = _RECORD.unpack_from(data, at)
    at += 10
    numbers = _skip_name(data, _skip_name(data, at))
    if found != _SOA or rclass != _IN or ttl > _MAX_TTL_S or numbers + _SOA_NUMBERS != at + length:
        raise ValueError("not a plain SOA")
    return min(ttl, _U32.unpack_from(data, numbers + 16)[0]), at + length


def _skip_servers(data: bytes, at: int, count: int) -> int:
    """The offset after an authority section of name servers; ValueError when it holds anything else."""
    for _ in range(count):
        at = _skip_name(data, at)
        found, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        if found != _NS or rclass != _IN or ttl > _MAX_TTL_S or _skip_name(data, at) != at + length:
            raise ValueError("not a plain NS")
        at += length
    return at


def _skip_additional(data: bytes, at: int, count: int) -> int:
    """The offset after the additional section, of which nothing is believed; ValueError when it is not plain."""
    if count == 1 and len(data) == at + 11 and data[at : at + 3] == _PLAIN_OPT and data[at + 5 : at + 7] == b"\0\0":
        return at + 11 if data[at + 9 :] == b"\0\0" else at
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
