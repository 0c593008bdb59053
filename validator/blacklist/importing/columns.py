"""Headers that other systems write, and what their words mean. Pure.

Recognised: SendGrid, Mailgun, Amazon SES, Postmark, Mandrill, SparkPost, Bitrix24-style and our own export.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from validator.blacklist.entry import Cause


class Column(StrEnum):
    """What a column of a file holds."""

    VALUE = "value"
    """The address, domain, host or network."""
    KIND = "kind"
    """What the value is."""
    BELOW = "below"
    """Whether subdomains count."""
    LIST = "list"
    """The named list."""
    CAUSE = "cause"
    """Why, in one word."""
    TEXT = "text"
    """Why, as a provider put it."""
    DETAIL = "detail"
    """Why, as a mail host put it: the better text where a file has both."""
    CODE = "code"
    """SMTP reply code or enhanced status."""
    NOTE = "note"
    """For people."""
    SOURCE = "source"
    """Where the entry first came from."""
    CREATED = "created"
    """Since when."""
    LAST_EVENT = "last_event"
    """The last failure behind it."""
    BOUNCED = "bounced"
    """When it failed: since when, and the last event, where the file says neither."""
    INACTIVE = "inactive"
    """Whether the provider sends there no more."""
    EXPIRES = "expires"
    """When it stops blocking."""
    STATE = "state"
    """Of our own export."""


_NAMES: dict[Column, tuple[str, ...]] = {
    Column.VALUE: (
        "value", "email", "emailaddress", "address", "mail", "recipient", "recipientemail", "subscriber", "contact",
        "почта", "электроннаяпочта", "адрес", "адресэлектроннойпочты", "емейл", "имейл", "получатель",
        "домен", "domain", "элпочта", "пошта", "електроннапошта", "электронныйадрес", "emailадрес", "адресemail",
        "электроннаяпочтаклиента", "адресаелектронноипошти", "имейладрес", "mailaddress", "useremail", "customeremail",
        "emailid", "primaryemail", "emailadresse", "mailadresse", "empfanger", "adresseemail", "adressemail",
        "courriel", "adressecourriel", "correo", "correoelectronico", "direcciondecorreo",
        "direcciondecorreoelectronico",
        "direcciondeemail", "indirizzoemail", "indirizzomail", "indirizzodipostaelettronica", "enderecodeemail",
        "enderecoeletronico", "enderecoemail", "adresemail", "adrespocztyelektronicznej", "emailadres", "epost",
        "epostadress", "epostadresse", "emailovaadresa", "eposta", "epostaadresi", "邮箱", "邮箱地址", "电子邮箱",
        "电子邮件", "邮件地址", "メールアドレス", "メール", "이메일", "이메일주소",
    ),
    Column.KIND: ("kind",),
    Column.BELOW: ("below", "subdomains"),
    Column.LIST: ("list", "listname", "scope", "stream", "messagestream"),
    Column.CAUSE: ("cause", "type", "suppressionreason", "bouncetype", "category", "тип", "typ", "tipo"),
    Column.TEXT: (
        "reason", "error", "description", "message", "bouncereason", "причина", "ошибка", "описание",
        "grund", "fehler", "motif", "raison", "erreur", "motivo", "razon", "powod", "przyczyna", "duvod", "neden",
        "原因", "理由",
    ),
    Column.DETAIL: ("detail", "details", "diagnosticcode", "smtpresponse", "serverresponse", "ответсервера"),
    Column.BOUNCED: ("bouncedat", "bouncetime", "bouncedate", "lastbounce", "failedat"),
    Column.INACTIVE: ("inactive",),
    Column.CODE: ("code", "status", "statuscode", "smtpcode", "enhancedcode", "код", "статус"),
    Column.NOTE: (
        "note", "notes", "comment", "комментарий", "примечание", "коментар", "unsubreason", "bemerkung",
        "anmerkung", "notiz", "kommentar", "commentaire", "comentario", "nota", "uwagi", "备注",
    ),
    Column.SOURCE: ("source", "origin"),
    Column.CREATED: (
        "created", "createdat", "creationdate", "date", "timestamp", "added", "addedat", "createdate", "suppressedat",
        "дата", "датасоздания", "датадобавления", "создан", "добавлен",
        "datum", "fecha", "data", "tarih", "日期", "日付", "datecreation", "dateajout", "erstelltam", "unsubtime",
        "cleantime", "unsubscribedat", "optouttime", "optoutdate", "complainedat",
    ),
    Column.LAST_EVENT: (
        "lastevent", "lasteventat", "lastupdatetime", "lastupdate", "lastupdated", "updated", "updatedat",
        "датаизменения", "дataобновления",
    ),
    Column.EXPIRES: ("expires", "expiresat", "expiry", "expiration", "keepuntil", "действуетдо"),
    Column.STATE: ("state",),
}  # fmt: skip
_TOLD_BY = {
    "unsubtime": Cause.UNSUBSCRIBE,
    "unsubscribedat": Cause.UNSUBSCRIBE,
    "optouttime": Cause.UNSUBSCRIBE,
    "optoutdate": Cause.UNSUBSCRIBE,
    "tag": Cause.UNSUBSCRIBE,
    "tags": Cause.UNSUBSCRIBE,
    "complainedat": Cause.COMPLAINT,
    "cleantime": Cause.PROVIDER_LIST,
}
"""Columns that only lists for one cause have, as Mailchimp's; a tag beside an `address` is Mailgun's."""
_BY_NAME = {name: column for column, names in _NAMES.items() for name in names}
_POSTAL = frozenset({"address", "адрес"})
_DOUBTFUL = _POSTAL | {"contact", "subscriber"}
"""Names that may mean a street or a person, where another column is called `email`."""
_OF_ENTRIES = frozenset({"value", "domain", "домен"})
"""Names of columns that hold more than addresses."""
_DELIMITERS = (",", ";", "\t", "|")

_WORDS = {
    "bounce": Cause.PROVIDER_LIST,
    "bounced": Cause.PROVIDER_LIST,
    "hard": Cause.PROVIDER_LIST,
    "hardbounce": Cause.PROVIDER_LIST,
    "permanent": Cause.PROVIDER_LIST,
    "suppressed": Cause.PROVIDER_LIST,
    "bouncerule": Cause.PROVIDER_LIST,
    "spam": Cause.COMPLAINT,
    "spamcomplaint": Cause.COMPLAINT,
    "spamreport": Cause.COMPLAINT,
    "complained": Cause.COMPLAINT,
    "abuse": Cause.COMPLAINT,
    "жалоба": Cause.COMPLAINT,
    "unsub": Cause.UNSUBSCRIBE,
    "unsubscribed": Cause.UNSUBSCRIBE,
    "listunsubscribe": Cause.UNSUBSCRIBE,
    "unsubscribelink": Cause.UNSUBSCRIBE,
    "отписка": Cause.UNSUBSCRIBE,
    "отписался": Cause.UNSUBSCRIBE,
    "manualsuppression": Cause.MANUAL,
    "manuallyadded": Cause.MANUAL,
    "soft": Cause.REPEATED_SOFT_BOUNCE,
    "softbounce": Cause.REPEATED_SOFT_BOUNCE,
    "мягкий": Cause.REPEATED_SOFT_BOUNCE,
    "жесткий": Cause.PROVIDER_LIST,
    "жёсткий": Cause.PROVIDER_LIST,
    "отписан": Cause.UNSUBSCRIBE,
    "отписалась": Cause.UNSUBSCRIBE,
    "bademailaddress": Cause.PROVIDER_LIST,
    "manuallydeactivated": Cause.MANUAL,
    "unsubscribe": Cause.UNSUBSCRIBE,
    "unsubscribes": Cause.UNSUBSCRIBE,
    "unsubscription": Cause.UNSUBSCRIBE,
    "optout": Cause.UNSUBSCRIBE,
    "optedout": Cause.UNSUBSCRIBE,
    "complaints": Cause.COMPLAINT,
    "spamcomplaints": Cause.COMPLAINT,
    "reportedspam": Cause.COMPLAINT,
    "reportedasspam": Cause.COMPLAINT,
    "markedasspam": Cause.COMPLAINT,
    "feedbackloop": Cause.COMPLAINT,
}
_FOREIGN_WORDS = {
    Cause.COMPLAINT: (
        "спам", "жалобы", "пожаловался", "пожаловалась", "скарга", "beschwerde", "spambeschwerde", "plainte",
        "plaintespam", "plaintepourspam", "queja", "quejadespam", "reclamo", "segnalazionespam", "reclamacao",
        "denunciadespam", "skarga", "sikayet", "投诉", "苦情",
    ),
    Cause.UNSUBSCRIBE: (
        "отписалсяотрассылки", "отпискаотрассылки", "відписка", "відписався", "відписалася", "abmeldung", "abgemeldet",
        "desinscription", "desinscrit", "desinscrite", "desabonnement", "desabonne", "baja", "dadodebaja",
        "disiscritto", "disiscritta", "disiscrizione", "descadastro", "descadastrado", "wypisany", "wypisana",
        "rezygnacja", "退订", "配信停止",
    ),
}  # fmt: skip
_WORDS |= {word: cause for cause, words in _FOREIGN_WORDS.items() for word in words}
_COMPLAINED = re.compile(r"(?:жалоба|скарга|пожаловал\w*)\s+(?:на|получател|одержувач|отправ)", re.IGNORECASE)
"""A sentence of a Russian or Ukrainian system about a complaint: the words about spam in it are no filter's."""
_NOT_THE_RECIPIENT = frozenset(
    {
        "spamnotification", "blocked", "block", "dmarcpolicy", "transient", "dnserror", "autoresponder", "subscribe",
        "addresschange", "openrelaytest", "virusnotification", "challengeverification", "unconfirmed", "smtpapierror",
        "inbounderror", "templaterenderingfailed", "undetermined", "deferred", "delayed", "delivered", "opened",
        "заблокировано", "временная",
    }
)  # fmt: skip
"""Words for what is the sender's, for now, or no failure at all."""
_CODES = {"605": Cause.PROVIDER_LIST, "606": Cause.UNSUBSCRIBE, "607": Cause.COMPLAINT}
"""Mailgun's own codes: it did not even try, since the address bounced, unsubscribed or complained before."""
_OWN_WORDS = {cause.value.replace("_", ""): cause for cause in Cause}
_NOT_LETTERS = re.compile(r"[\W_]+")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def recognise(cells: Sequence[str]) -> dict[Column, int] | None:
    """Which column holds what, when *cells* are a header; None when they are not."""
    found: dict[Column, int] = {}
    for position, cell in enumerate(cells):
        if "@" in cell:
            return None
        column = column_of(cell)
        if column is not None:
            found.setdefault(column, position)
    if Column.VALUE in found and _plain(cells[found[Column.VALUE]]) in _DOUBTFUL:
        better = address_column(cells)
        found[Column.VALUE] = found[Column.VALUE] if better is None else better
    return found if Column.VALUE in found else None


def address_column(names: Sequence[str]) -> int | None:
    """Which column holds email addresses by its name; one that may hold postal ones only where no other does."""
    plain = [_plain(name) for name in names]
    ours = [_BY_NAME.get(name) or _BY_NAME.get(_unaccented(name)) for name in plain]
    sure = (
        place
        for place, (name, column) in enumerate(zip(plain, ours, strict=True))
        if column is Column.VALUE and name not in _DOUBTFUL and name not in _OF_ENTRIES
    )
    perhaps = (place for place, name in enumerate(plain) if name in _POSTAL)
    return next(sure, next(perhaps, None))


def column_of(name: str) -> Column | None:
    """What a field of a JSON object holds."""
    plain = _plain(name)
    return _BY_NAME.get(plain) or _BY_NAME.get(_unaccented(plain))


def cause_of_header(cells: Sequence[str]) -> Cause | None:
    """The cause that all lines under this header share, where its columns say so."""
    names = {_plain(cell) for cell in cells}
    told = {
        cause
        for name, cause in _TOLD_BY.items()
        if name in names and (name not in {"tag", "tags"} or "address" in names)
    }
    return told.pop() if len(told) == 1 else None


def delimiter_of(line: str) -> str | None:
    """The delimiter of a header line, or None when it is no header; a single known name counts as one."""
    for delimiter in _DELIMITERS:
        cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
        if (len(cells) > 1 or delimiter == _DELIMITERS[0]) and recognise(cells) is not None:
            return delimiter
    return None


def _plain(name: str) -> str:
    return _NOT_LETTERS.sub("", name.lower())


def _unaccented(plain: str) -> str:
    """`désinscription` as `desinscription`; letters of other scripts that look composed, such as `й`, as they are."""
    parts = (unicodedata.normalize("NFD", char) for char in plain.replace("ł", "l"))
    return "".join(part[0] if part[0].isascii() else unicodedata.normalize("NFC", part) for part in parts)


@lru_cache(maxsize=4_096)
def cause_of(word: str) -> Cause | None:
    """The cause that one word of another system stands for."""
    plain = _plain(word)
    if _COMPLAINED.match(word.strip()):
        return Cause.COMPLAINT
    return _OWN_WORDS.get(plain) or _WORDS.get(plain) or _WORDS.get(_unaccented(plain))


def is_not_the_recipient(word: str) -> bool:
    """Whether one word of another system stands for what does not speak against the address."""
    return _plain(word) in _NOT_THE_RECIPIENT


def cause_of_code(code: str) -> Cause | None:
    """The cause that a code alone stands for."""
    return _CODES.get(code.strip()) or cause_of(code)


def armed(cell: str) -> str:
    """A cell as it was before an export made it harmless for spreadsheets."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins with `= + - @`, tab or CR gets an apostrophe.

    So does one that looks as if it had got one, else `armed` would take away what is its own.
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell
