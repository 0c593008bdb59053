"""A reply of a mail server, read into the parts that rules look at: code, enhanced status, stage, plain wording.

Pure. Addresses are taken out of the wording, so that no rule can depend on whose mailbox it was.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

MAX_TEXT = 4096
"""Characters of a reply that are looked at; the rest of a longer one is ignored."""


class Stage(StrEnum):
    """The SMTP command that was answered."""

    CONNECT = "connect"
    """The greeting, before any command."""
    HELO = "helo"
    """EHLO, HELO, STARTTLS or AUTH."""
    MAIL = "mail"
    """MAIL FROM: about the sender."""
    RCPT = "rcpt"
    """RCPT TO: about the recipient."""
    DATA = "data"
    """DATA, or the end of the message."""
    UNKNOWN = "unknown"
    """Nobody said."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, ready for the rules."""

    text: str
    """As received, white space folded."""
    words: str
    """Lower case, addresses as `<@>`, typographic quotes straightened, accents and continuation codes removed."""
    code: int | None
    """Three-digit reply code, 200 to 599."""
    status: str
    """Enhanced status code (RFC 3463) such as `5.1.1`; empty when there is none that says anything (`x.0.0`)."""
    permanent: bool | None
    """True for 5xx, false for 4xx and 2xx, None when neither code nor status says."""
    host: str
    """Lower-case name of the server that answered, or empty."""
    stage: Stage
    """The command that was answered."""


_SPACE = re.compile(r"\s+")
_ADDRESS = re.compile(r"<?(?:[^\s<>()\[\]:;,\"'|@]{1,64}+@){1,4}(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}>?", re.IGNORECASE)
_CONTINUED = re.compile(r"(?:(?<=\s)|^)[245]\d\d-(?:[245]\.\d{1,3}\.\d{1,3}(?=\s|$))?")
_REPEATED = re.compile(r"(?<=\S)\s[245]\d\d\s[245]\.\d{1,3}\.\d{1,3}(?=\s+(?:https?:|[a-z]))")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,2})\.(\d{1,3})(?![\d.]*\.?\d)")
_STATUS_FIELD = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?![\d.])", re.ASCII)
_CODE_FIRST = re.compile(r"^\W{0,3}(?:smtp;\s*)?([2345]\d\d)(?=[\s:,#-]|$)", re.IGNORECASE)
_CODE_INSIDE = re.compile(
    r"(?:said|returned|was|following|replied|response|responsecode|with|failure|error|reason|code|<<<|\]|:)"
    r"[:\s'\"(\[]{1,4}([45]\d\d)(?=[\s:,#-]|$)",
    re.IGNORECASE,
)
_CODE_STATUS = re.compile(r"(?<![\d.])([45]\d\d)[\s-]#?[45]\.\d{1,2}\.\d{1,3}")
_CODE_ANY = re.compile(r"(?<![\d.:#=/-])(55[0-6]|45[0-2]|421|571|541|542|50[0-4])(?=[\s-]|$)")
_QUOTES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "`": "'", "\u2013": "-", "\u00a0": " "}
)

_STAGE_WORDS: tuple[tuple[str, Stage], ...] = (
    ("in reply to rcpt to", Stage.RCPT),
    ("after rcpt to", Stage.RCPT),
    ("after rcpt command", Stage.RCPT),
    ("following rcpt", Stage.RCPT),
    ("our rcpt to", Stage.RCPT),
    ("[rcpt_to]", Stage.RCPT),
    ("does not like recipient", Stage.RCPT),
    (">>> rcpt to", Stage.RCPT),
    ("sent <<< rcpt to", Stage.RCPT),
    ("response to rcpt to", Stage.RCPT),
    ("recipient verify", Stage.RCPT),
    ("in reply to mail from", Stage.MAIL),
    ("after mail from", Stage.MAIL),
    ("following mail", Stage.MAIL),
    ("our mail from", Stage.MAIL),
    ("[mail_from]", Stage.MAIL),
    ("after mail command", Stage.MAIL),
    ("does not like sender", Stage.MAIL),
    (">>> mail from", Stage.MAIL),
    ("in reply to end of data", Stage.DATA),
    ("in reply to data", Stage.DATA),
    ("after end of data", Stage.DATA),
    ("after data", Stage.DATA),
    ("following data", Stage.DATA),
    ("after sending data block", Stage.DATA),
    ("[data]", Stage.DATA),
    ("failed on data command", Stage.DATA),
    ("failed after i sent the message", Stage.DATA),
    (">>> data", Stage.DATA),
    ("in reply to ehlo", Stage.HELO),
    ("in reply to helo", Stage.HELO),
    ("after ehlo", Stage.HELO),
    ("after helo", Stage.HELO),
    ("after starttls", Stage.HELO),
    ("my name was rejected", Stage.HELO),
    ("in reply to auth", Stage.HELO),
    (">>> ehlo", Stage.HELO),
    (">>> helo", Stage.HELO),
    ("refused to talk to me", Stage.CONNECT),
    ("after initial connection", Stage.CONNECT),
    ("greeting failed", Stage.CONNECT),
)
_HOST = re.compile(
    r"(?:host|by|mta|server|from|to|talking to|with)\s+<?([a-z0-9][a-z0-9.-]+\.[a-z]{2,})\.?>?\s?(?:\[|\(|said|:|,|\s)"
)


def parse_reply(
    text: str, *, code: int | None = None, status: str = "", host: str = "", stage: Stage = Stage.UNKNOWN
) -> Reply:
    """Read *text*; what the caller knows already (`code`, `status`, `host`, `stage`) wins over what the text says.

    An enhanced status inside the text wins over a caller's that says nothing (`5.0.0`). Never raises.
    """
    folded = _SPACE.sub(" ", text[:MAX_TEXT].translate(_QUOTES)).strip()
    lower = folded.lower()
    if stage is Stage.UNKNOWN:
        stage = _stage_in(lower)
    code = code or _code_in(folded)
    status = _status_of(status)
    if _says_nothing(status):
        found = _status_in(folded)
        status = status if _says_nothing(found) and status else found
    if not host and (match := _HOST.search(lower)):
        host = match.group(1)
    return Reply(
        text=folded,
        words=_words(lower),
        code=code,
        status="" if _says_nothing(status) else status,
        permanent=_permanent(code, status),
        host=host.lower().rstrip("."),
        stage=stage,
    )


def stage_in(text: str) -> Stage:
    """The command that a text says was answered, or unknown."""
    return _stage_in(text.lower())


def stage_of_command(command: str) -> Stage:
    """The stage that an SMTP command line (`RCPT TO:<…>`, `DATA`) belongs to."""
    word = command.strip().upper()[:4]
    return {
        "RCPT": Stage.RCPT,
        "MAIL": Stage.MAIL,
        "DATA": Stage.DATA,
        "BDAT": Stage.DATA,
        ".": Stage.DATA,
        "EHLO": Stage.HELO,
        "HELO": Stage.HELO,
        "STAR": Stage.HELO,
        "AUTH": Stage.HELO,
    }.get(word, Stage.UNKNOWN)


def without_accents(text: str) -> str:
    """Text without the marks that some systems leave out: `boîte` and `boite`, `учётная` and `учетная` are one."""
    if text.isascii():
        return text
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def _words(lower: str) -> str:
    plain = _CONTINUED.sub(" ", lower)
    plain = _REPEATED.sub(" ", plain)
    return without_accents(_SPACE.sub(" ", _ADDRESS.sub("<@>", plain)).strip())


def _stage_in(lower: str) -> Stage:
    for phrase, stage in _STAGE_WORDS:
        if phrase in lower:
            return stage
    return Stage.UNKNOWN


def _code_in(text: str) -> int | None:
    for pattern in (_CODE_FIRST, _CODE_STATUS, _CODE_INSIDE, _CODE_ANY):
        if match := pattern.search(text):
            return int(match.group(1))
    return None


def _status_in(text: str) -> str:
    best = ""
    for match in _STATUS.finditer(text):
        found = ".".join(match.groups())
        if not _says_nothing(found):
            return found
        best = best or found
    return best


def _status_of(field: str) -> str:
    """The code of a field that should hold one: `5.1.1 (no such mailbox)` has it, `550` and `failed` have none."""
    match = _STATUS_FIELD.match(field.strip())
    return match.group(1) if match else ""


def _says_nothing(status: str) -> bool:
    return not status or status.endswith(".0.0")


def _permanent(code: int | None, status: str) -> bool | None:
    if status[:1] in {"5", "4", "2"} and not (code and status.endswith(".0.0")):
        return status[0] == "5"
    if code:
        return code >= 500
    return status.startswith("5") if status else None
