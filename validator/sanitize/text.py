"""White space, invisible characters and wrappers: what surrounds an address when it is pasted. Pure.

Every function takes text of at most `MAX_INPUT_CHARS` characters and returns text; none raises, none guesses at names.
"""

from __future__ import annotations

import re
import unicodedata

from validator.sanitize.escapes import begins_with_escape
from validator.sanitize.hosts import BRACKETED_DOT, JOINERS, SPACED_DOT, joiner_stays

_FILLERS = frozenset("\u2800\u3164\uffa0\u115f\u1160\u034f\u17b4\u17b5")
"""Characters of other categories that show nothing."""
_INVISIBLE = frozenset({"Cf", "Cc", "Co"})
_WHITE = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")
_PICTURES = frozenset({"So", "Sk"})
_TRADE_MARKS = str.maketrans("", "", "™℠№℡℻℀℁℅℆")
"""Signs that NFKC would turn into letters of the name (`№` into No)."""
_ACCENTS_ALONE = str.maketrans(
    "", "", "\u00a8\u00af\u00b8\u02d8\u02d9\u02da\u02db\u02dc\u02dd\u037a\u0384\u0385\u2017\u203e"
)
"""What a dead key leaves when no letter followed; NFKC would make a space of each."""
_LIST_MARK = re.compile(r"\s*[\u2460-\u249b\u24f5-\u24ff\u2776-\u2793]+\s*(?=[^\W\d])")
"""A number in a circle, in brackets or with its full stop, as lists begin with."""
_QUOTES = str.maketrans({**dict.fromkeys("“”„‟«»″〝〞「」『』《》〈〉", '"'), **dict.fromkeys("‘’‚‛‹›′ʼ´", "'")})
_BRACKETS = str.maketrans("【】〔〕〖〗〘〙〚〛⟦⟧⟨⟩⦅⦆⟪⟫❨❩❪❫❬❭❮❯❰❱❲❳❴❵", "[]()[]()[][]<>()<>()()<><><>(){}")
"""Of other shapes, which NFKC leaves."""

_DASH = re.compile(r"(?<=\w)[\u2010\u2012\u2013\u2212](?=\w)")
"""What a word processor makes of a hyphen (NFKC makes U+2011 the first of these)."""
_FULL_STOP = re.compile(r"(?<=\w)\u3002(?=\w)")
"""What the key of the dot types on Chinese and Japanese keyboards."""
_PARTED = re.compile(
    r"\s*(?P<before>[\w.+-]+)[^\S\t\n\v\f\r\x85\u2028\u2029]*[\t\n\v\f\r\x85\u2028\u2029]\s*(?P<behind>[\w.+-]{3,}@[^@]+)"
)

_SCHEME = re.compile(
    r"\s*[?&]?(?:(?:mailto|smtp|e-?mail|mail|https?|ftp|xmpp|to|cc|from|почта|имейл|адрес|эл\.? ?почта)\s*[:=]\s*(?://)?"
    r"|(?:e-?mail|mail|mailto|contact|kontakt|courriel|correo|почта|адрес|имейл|мейл)\s*[-–—]?\s+)(?!@)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"(?:\d{1,3}[.)]|[^\w@\"'<(\[{]+)\s+")
"""A leading token of signs, or a number, as in a list."""
_AT_WORD = re.compile(r"[-_. ]?at[-_. ]?", re.IGNORECASE)
_BRACKETED_AT = re.compile(
    r"(?P<frame>(?<=\w)[_-])?\s*[(\[{<]\s*(?:at|a|ät|@|собака|собачка|arroba)\s*[)\]}>]\s*(?(frame)(?P=frame))",
    re.IGNORECASE,
)
"""With its brackets, and what stands on both sides of them: `anna_(at)_acme.com`."""
_WRAPPED_AT = re.compile(r"\s*(?:\(\s*@\s*\)|\[\s*@\s*\]|\{\s*@\s*\})\s*")
"""`anna [@] acme.com`, against collectors of addresses."""
_SPACED_AT = re.compile(r"\s+(?:at|собака|собачка|arroba|\(at\))\s+", re.IGNORECASE)
_WORDS = re.compile(r"\w\s+\w")
_NAMED = re.compile(r"[^<>]*<\s*([^<>@]+@[^<>@]+?)\s*>[^<>@]*")
_NAMED_ROUND = re.compile(r"[^()@]*\(\s*([^()@\s]+@[^()@\s]+)\s*\)[^()@]*")
_NAMED_SQUARE = re.compile(r"[^\[\]@]*\[\s*(?:mailto:)?([^\[\]@\s]+@[^\[\]@\s]+)\s*\][^\[\]@]*")
"""As mail programs quote a sender: `Anna [mailto:anna@acme.com]`."""
_NOTATION = re.compile(
    r"\s*(?:[bBuUrRfFN]|[\w.-]+\s*[=:]\s*)(?P<quote>[\"'])(?P<text>[^\"']+@[^\"']+)(?P=quote)[\s,;)]*"
)
"""A string with its prefix or name, as programs write it: `b'anna@acme.com'`, `value="anna@acme.com"`."""
_LINK_TO = re.compile(r"<a\s[^<>]*\bhref\s*=\s*[\"']?\s*(mailto:[^\"'<>\s]+)[^<>]*>[^@]*", re.IGNORECASE)
_QUOTED_LOCAL = re.compile(r'\s*"[^"]*@[^"]*"\s*@.+')
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_COMMENT_AFTER = re.compile(r"(.*[^\s(])\s*\([^()@]*\)\s*")
_COMMENT_BEFORE = re.compile(r"\s*\((?!\d+\)\s*\d)[^()@]*\)\s*([^\s)@].*@.*)")
"""Not the code before a telephone number: `(916) 1234567`."""
_MANY_AT = re.compile(r"@(?:\s*@)+")
_LITERAL = re.compile(r".*@\[[^\]@]*\]\s*")

_LEADING = " \"'`*,;:<>()[]{}\\|"
_TRAILING = " \"'`*,;:<>()[]{}\\|.!?#$%^&~=+/-_@\u2013\u2014\u3001\u060c\u061b\u0964"


def normalise(text: str) -> str:
    """Compatibility forms resolved (NFKC), typographic quotes, brackets, hyphens, full stops in words made plain."""
    if text.isascii():
        return text
    text = _LIST_MARK.sub("", text, count=1) if _LIST_MARK.match(text) else text
    text = text.translate(_QUOTES).translate(_BRACKETS).translate(_TRADE_MARKS).translate(_ACCENTS_ALONE)
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return _FULL_STOP.sub(".", _DASH.sub("-", plain))


def drop_invisible(text: str) -> str:
    """Control, format, filler and picture characters dropped; every kind of white space becomes one space."""
    if text.isascii() and text.isprintable():
        return text
    kept = []
    for at, char in enumerate(text):
        if char in JOINERS and joiner_stays(text, at):
            kept.append(char)
            continue
        if char in _WHITE:
            kept.append(" ")
            continue
        if char.isascii():
            if char.isprintable():
                kept.append(char)
            continue
        category = unicodedata.category(char)
        if category[0] == "Z":
            kept.append(" ")
        elif category in _INVISIBLE or category in _PICTURES or char in _FILLERS or _is_selector(char):
            continue
        else:
            kept.append(char)
    return "".join(kept)


def behind_a_line(text: str) -> str | None:
    """The address that stands behind a tab or line end and a word or number: a cell or line of its own, else None.

    A space inside a name is a slip of the thumb; nobody strikes Tab or Enter inside one.
    """
    if text.isprintable():
        return None
    parted = _PARTED.fullmatch(text)
    if parted is None or _SCHEME.match(text):
        return None
    return parted["behind"] if len(parted["before"]) > 2 or parted["before"].isdigit() else None


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or "\u180b" <= char <= "\u180f"


def unwrap(text: str) -> str:
    """The address out of `Name <a@b>`, tags, comments, a scheme, quotes and brackets around the whole."""
    if _LITERAL.fullmatch(text) or _QUOTED_LOCAL.fullmatch(text):
        return text.strip()
    notation = _NOTATION.fullmatch(text)
    if notation is not None:
        text = notation["text"]
    link = _LINK_TO.fullmatch(text.strip())
    if link is not None:
        text = link[1]
    scheme = _SCHEME.match(text)
    if scheme is not None and "@" in text[scheme.end() :]:
        text = text[scheme.end() :]
        if scheme[0].lstrip()[:6].lower() == "mailto":
            text = text.partition("?")[0]
    named = _NAMED.fullmatch(text) or _NAMED_ROUND.fullmatch(text) or _NAMED_SQUARE.fullmatch(text)
    if named is not None:
        return strip_ends(_without_scheme(named[1]))
    if "<" in text and ">" in text:
        bare = _TAG.sub(" ", text)
        if all(part.strip() for part in bare.partition("@")):
            text = bare
    for comment in (_COMMENT_AFTER.fullmatch(text), _COMMENT_BEFORE.fullmatch(text)):
        if comment is not None and "@" in comment[1].strip(_TRAILING):
            text = comment[1]
    return strip_ends(text)


def _without_scheme(text: str) -> str:
    scheme = _SCHEME.match(text)
    return text[scheme.end() :] if scheme is not None else text


def strip_ends(text: str) -> str:
    """Without punctuation after the domain, and without what cannot begin an address.

    An apostrophe, asterisk or backtick in front may belong to a name: it goes only when it also stands at the end.
    """
    stripped = _BULLET.sub("", text.strip(), count=1) if _BULLET.match(text.strip()) else text.strip()
    while stripped.startswith("__") and stripped.endswith("__"):
        stripped = stripped[2:-2]
    paired = stripped[:1] in "'*`" and stripped[-1:] == stripped[:1]
    leading = _LEADING if paired else _LEADING.translate(str.maketrans("", "", "'*`|{}"))
    first = stripped[:1]
    if first == "(" and ")" in stripped.partition("@")[0]:
        leading = ""
    if first == '"' and '"' in stripped[1:].partition("@")[0]:
        leading = ""
    if begins_with_escape(stripped.lstrip(leading.replace("\\", ""))):
        leading = leading.replace("\\", "")
    stripped = stripped.lstrip(leading)
    trailing = _TRAILING if stripped.count("@") > 1 else _TRAILING.replace("@", "")
    end = len(stripped)
    while end and (stripped[end - 1] in trailing or is_ornament(stripped[end - 1])):
        end -= 1
    return stripped[:end]


def is_ornament(char: str) -> bool:
    """A sign of other keyboards or of a layout (`→ § ¿`): begins no name and ends no domain.

    No dash, which may stand for a hyphen.
    """
    return not char.isascii() and unicodedata.category(char) in {"Po", "Sm", "Sc"}


def restore_at(text: str) -> str:
    """`(at)`, `[at]`, ` at `, `(dot)` read as signs when there is no @; a run of @ made one."""
    if "@" in text:
        return _MANY_AT.sub("@", _WRAPPED_AT.sub("@", text))
    found = _BRACKETED_AT.subn("@", text)
    if found[1] != 1:
        found = _SPACED_AT.subn("@", text)
    if found[1] != 1:
        return text
    local, _, domain = found[0].partition("@")
    parts = [SPACED_DOT.sub(".", BRACKETED_DOT.sub(".", part)) for part in (local, domain)]
    return "@".join(parts)


def is_told(text: str) -> bool:
    """The sign of *text* is a word among words: `meet me at gmail.com`."""
    if "@" in text or _BRACKETED_AT.search(text):
        return False
    told = _SPACED_AT.search(text)
    return told is not None and _WORDS.search(text, 0, told.start()) is not None


def without_at_word(local: str) -> str:
    """*local* without an `at` that stands for the sign: `anna_at_` -> `anna`."""
    for at in range(max(len(local) - 4, 1), len(local)):
        if _AT_WORD.fullmatch(local[at:]) and not local[at].isalnum():
            return local[:at]
    return local


_SEPARATORS = re.compile(r"[\s,;/|<>()\"]+")


def several_addresses(text: str) -> tuple[str, ...]:
    """The addresses of a text that holds more than one @, in order and without repetitions; empty for none or one.

    A quoted local part with an @ in it is one (odd) address, and what stands in its quotes another person's.
    """
    if text.count("@") < 2 or _QUOTED_LOCAL.fullmatch(text):
        return ()
    found: dict[str, str] = {}
    for piece in _SEPARATORS.split(text):
        token = _without_scheme(piece.strip("'*.:\\=[]{}"))
        local, at, domain = token.rpartition("@")
        if at and local and domain and "@" not in local:
            found.setdefault(token.casefold(), token)
    return tuple(found.values())


def without_repetition(text: str) -> str:
    """`a@b.ca@b.c` and `a@b.c@b.c` once; anything else as it is."""
    half, odd = divmod(len(text), 2)
    if not odd and text[:half] == text[half:] and "@" in text:
        return text[:half]
    parts = text.split("@")
    if len(parts) > 2 and parts[0] and all(part.lower() == parts[1].lower() for part in parts[2:]):
        return f"{parts[0]}@{parts[1]}"
    return text
