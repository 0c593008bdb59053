"""The same question over TCP, for answers that do not fit a datagram (RFC 7766)."""

from __future__ import annotations

import asyncio

from validator.mx.answer import Answer, Fault, failed
from validator.mx.wire import HEADER_OCTETS, encode_query, read_plain


async def ask_over_tcp(
    address: tuple[str, int], key: bytes, name: str, rtype: int, question: bytes, timeout_s: float
) -> Answer:
    """One question on one connection, with *key* as its id; whatever goes wrong is TRUNCATED."""
    query = encode_query(key, question, True)
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(len(query).to_bytes(2, "big") + query)
            length = int.from_bytes(await reader.readexactly(2), "big")
            data = await reader.readexactly(length)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return failed(Fault.TRUNCATED)
    finally:
        if writer is not None:
            writer.transport.abort()
    if not _is_ours(data, key, question):
        return failed(Fault.MALFORMED)
    plain = read_plain(data, name, rtype, len(question))
    if plain is not None:
        return plain
    from validator.mx.parse import read_message

    return read_message(data, name, rtype)


def _is_ours(data: bytes, key: bytes, question: bytes) -> bool:
    if len(data) < HEADER_OCTETS or data[:2] != key or not data[2] & 0x80 or data[2] & 0x78:
        return False
    asked = data[HEADER_OCTETS : HEADER_OCTETS + len(question)]
    return data[4:6] == b"\0\1" and asked.lower() == question.lower()
