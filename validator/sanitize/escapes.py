"""Escapes that a form, a file or a program left in a text: entities, percent, backslash, quoted-printable. Pure.

Resolved where one reading is left. What is left over is known as the rest of an escape, so that taking off its sign
does not make its letters a part of somebody's name (`=20anna` is not `20anna`).
"""

from __future__ import annotations

import html
import re

_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,24});|&#[0-9]{2,7}(?![0-9;])|&nbsp|(?<![A-Za-z0-9])&(?:[lg]t|quot)"
)
"""As browsers do, some stand without their semicolon too."""
_PERCENT = re.compile(r"%(?:[01][0-9A-Fa-f]|20|22|27|28|29|2[BbCcDdEe]|3[AaBbCcEe]|40|5[Ff]|7[Ff])")
_PERCENT_AGAIN = re.compile(rf"%25(?={_PERCENT.pattern[1:]}|[89A-Fa-f][0-9A-Fa-f]%25)")
"""A percent sign that was escaped itself: `%2540`."""
_PERCENT_UTF8 = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")
_UNIT = re.compile(r"(?:%u|\\u)([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|_x(000[9ADad])_")
"""JavaScript, JSON, Python, and the control characters of spreadsheets."""
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""Colours and the like of a terminal (ECMA-48 5.4)."""
_BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf"
"""The UTF-8 mark at the beginning of a file, read as Latin-1."""
_SURROGATES = range(0xD800, 0xE000)
_END = re.compile(r"(?:\s*\\[nrt])+\s*$")
_BACKSLASHED = re.compile(r"(?:\\[nrt])+(?=[^\W_])")
_REST = re.compile(r"=[0-9A-F]{2}|%(?=[0-9A-Fa-f]{2})(?![a-f]{2})..|&#[0-9]+;?|%u[0-9A-Fa-f]{4}|(?:\\[nrt])+(?=[^\W_])")
_ENDLESS = re.compile(r"&#[xX][0-9A-Fa-f]+(?!;)")
"""Without its semicolon nobody knows which letters behind it are its own."""


def unescape(text: str) -> str:
    """HTML entities, percent and backslash escapes resolved, at most twice (`&amp;commat;`)."""
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    for _ in range(2):
        plain = text.removeprefix(_BYTE_ORDER_MARK)
        if "&" in plain:
            plain = _ENTITY.sub(lambda match: html.unescape(match[0].rstrip(";") + ";"), plain)
        if "%" in plain:
            plain = _PERCENT_UTF8.sub(_as_utf8, _PERCENT_AGAIN.sub("%", plain))
            plain = _PERCENT.sub(lambda match: chr(int(match[0][1:], 16)), plain)
        if "\\" in plain or "%u" in plain or "_x" in plain:
            plain = _END.sub("", _UNIT.sub(_as_unit, plain))
        if plain == text:
            break
        text = plain
    return text


def begins_with_escape(text: str) -> bool:
    r"""A backslash that may be half of `\n`, `\r` or `\t`: the letter behind it may be none of the name."""
    return _BACKSLASHED.match(text) is not None


def without_rests(local: str) -> str | None:
    """*local* without what is left of escapes, empty when their end cannot be told; None when it holds none."""
    if _ENDLESS.search(local):
        return ""
    bare = _REST.sub("", local)
    return bare if bare != local else None


def _as_utf8(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("%", "")).decode()
    except UnicodeDecodeError:
        return match[0]


def _as_unit(match: re.Match[str]) -> str:
    code = int(match[1] or match[2] or match[3], 16)
    return match[0] if code in _SURROGATES else chr(code)
