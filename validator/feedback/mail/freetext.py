"""Bounces in plain words (qmail, Exim, Exchange, Gmail, Yahoo, Domino, mobile carriers, …): who, and which words. Pure.

One reader for all of them: addresses count only where the text announces a failed recipient, never because they occur.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from validator.feedback.mail.failure import ADDRESS, Failure, address_in_field, same_address
from validator.feedback.mail.mentions import Mentions
from validator.feedback.mail.mime import Mail, header_text, lines_of
from validator.feedback.mail.transcript import Answer, Dialogue
from validator.feedback.reply import Stage, stage_of_command

MAX_LINES = 400
"""Lines of a bounce text that are looked at."""

_RETURNED = re.compile(
    r"^[ \t>]*+(?:[-=_*]++[ \t]*+){0,2}(?:(?:(?<=-)|(?<=- ))original m|"
    r"(?:below|above) (?:this line )?(?:is|follows) (?:a|the) copy|(?:this|included|enclosed|here|attached) is a copy"
    r"|(?:the )?(?:unsent|returned|undelivered|original) (?:message|mail)(?: headers?| info| header| text)?"
    r"(?: follows?| below| attached|:|[ \t]*+-*+[ \t]*+$)"
    r"|the headers? of the original|(?:original )?message headers?(?: follow| are|:)|original mail as follows"
    r"|(?:a )?copy of (?:the|your) (?:original )?message|your (?:original )?message follows"
    r"|received:[ \t]*(?:from|by|\(|$)|return-path:[ \t]*<|content-type: message/rfc822|dkim-signature:|arc-seal:"
    r"|begin original message|original message follows)",
    re.IGNORECASE,
)
_ECHO = re.compile(
    r"^[ \t>]*+(?:from|to|cc|subject|date|sent|message-?id|reply-to|original sender|sender|mail from|x-[a-z-]+"
    r"|original-envelope-id|arrival-date|reporting-mta|sender-mta|remote-mta|messagename)[ \t]*+:",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"contact|assistance|\bhelp\b|please (?:send|write|mail|reply|e-?mail)|send (?:e?mail|mail|a message) (?:to|with)"
    r"|(?:to|at) the (?:following )?address$|reply to|abuse|questions?|visit|support@|unsubscribe|administrator at",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(
    r"following (?:e-?mail )?(?:address|recipient|user|destination)|address(?:\(es\)|es)? failed|(?:could"
    r"|can) ?not be"
    r"|couldn't|can't be|undeliver|not (?:be )?deliver|unable to deliver|deliver(?:y|ing)[^.]{0,40}(?:fail"
    r"|error|problem)"
    r"|fail(?:ed|ure)|returned mail|return(?:ed|ing) (?:to|message)|errors?\b|rejected|did not reach|not reach|bounce"
    r"|delayed|не может быть (?:доставлено|отправлено)|недоставлен|zustell|non remis"
    r"|no se (?:ha podido|pudo|puede)|impossib|recapit|entreg|onbestelbaar"
    r"|niet (?:worden )?(?:afgeleverd|bezorgd)|kan inte levereras|dostarcz"
    r"|配信|送信でき|未能|невозможно|не уда(?:лось|[её]тся)|mislukt|niet bestelbaar|nelze doručit|nedoruč|leveres"
    r"|не вдалося|nu (?:a|au) putut fi livrat"
    r"|ei voitu|kézbesít|teslim edilemedi|remise|remis|退信|退回|投递|반송|배달|전송|affected|problems",
    re.IGNORECASE,
)
_LONE = re.compile(
    rf"^[ \t>*-]*+(?:to:[ \t]*+)?[\"'<(\[]{{0,2}}({ADDRESS})[\"'>)\]]{{0,2}}(?:<mailto:[^>]*+>)?[ \t]*+"
    r"(?:\([^()]*+\)|on [\w/].*+|;[ \t]*+action:.*+|:)?[ \t]*+$",
    re.IGNORECASE,
)
_LED = re.compile(
    rf"^[ \t>*-]*+[\"'<]?({ADDRESS})[\"'>]?[ \t]*+(?:\((?:expanded|generated)[^)]*+\))?[ \t]*+"
    r"(?::|\.\.\.|,|(?<=[ \t])-|(?=\[)|(?=\()|(?<=[ \t])(?=[A-Z][a-z]++[ ,][^@]*(?:\d{3}|error))"
    r"|(?<=[ \t])(?=delivery ))[ \t]*+(\S.*+)$",
    re.IGNORECASE,
)
_CODED = re.compile(
    rf"^[ \t>]*+(?:[45]\d\d[ -](?:[45]\.\d++\.\d++[ \t]++)?)?<({ADDRESS})>[ \t]*+\.\.\.[ \t]*+(\S.*+)$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?:deliver(?:ing|y of|ed)? (?:of )?(?:your |a |the |this )?(?:e-?mail|message"
    r"|mail)? ?(?:was )?(?:not )?(?:delivered )?to"
    r"|(?:could|can|was|were|is) ?(?:not|n't) (?:be )?(?:delivered|sent|deliverable) to|couldn't be delivered to"
    r"|unable to (?:send|deliver)(?: (?:your |the )?(?:message|mail))? (?:to|for)|undeliverable(?: mail)? (?:to|for)"
    r"|(?:did|could) not reach the following recipient|(?:rejected|failed|invalid|unknown|final|original"
    r"|intended) recipient"
    r"|recipient(?:'s)?(?: e-?mail)?(?: address)?[ \t]*[:=]|[ \t]address[ \t]*[:=]|rcpt to[ \t]*:"
    r"|(?:unknown|invalid|no such) (?:host|user|address|mailbox)[ \t]*:|(?:host|user) unknown[ \t]*:"
    r"|target (?:mail )?address[ \t]*[:=]|exceeds allowed size[ \t]*:|delivery failed(?: \d+ attempts)?[ \t]*:"
    r"|mailing list|duplicated message-id in|mailbox for|(?:mail|message) (?:for|to)|could not be sent to"
    r"|(?:收件人|收件者|受信者|宛先|получатель|адресат|empfänger|destinataire|destinat[aá]rio)(?: ?\(to\))?[ \t]*"
    r"[:：]"
    r"|e-?mail to|(?:error|problem) (?:sending|delivering)[^@]{0,40}to|failed(?: permanently)?[ \t]*:|user[ \t]*:)"
    rf"[ \t]*(?:the (?:following )?(?:address|recipient|user"
    rf"|group)[ \t]*:?[ \t]*)?[ \t:\"'<(\[]{{0,6}}(?<![A-Za-z0-9._%+-])({ADDRESS})",
    re.IGNORECASE,
)
_SAID = re.compile(r">: (?:host \S+ said|[45]\d\d[ -])", re.IGNORECASE)
_ADDRESSED = re.compile(rf"(?:to|delivered-to):[^@]{{0,200}}?<?({ADDRESS})>?[ \t]*+$", re.IGNORECASE)
_COMMAND_BELOW = re.compile(r"^-++ ?smtp command[ \t]*+\n\s*+([A-Za-z]++)", re.IGNORECASE | re.MULTILINE)
_ROBOT = re.compile(r"^(?:mailer-?daemon|postmaster|mail-?daemon|mdaemon|no-?reply|noreply|root|abuse)@", re.IGNORECASE)


@dataclass(slots=True)
class _Anchor:
    """A place in the text that names a failed recipient."""

    line: int
    recipient: str
    rest: str


@dataclass(slots=True)
class _Named:
    """What the text says about one recipient, collected."""

    recipient: str
    lines: list[str]
    answer: Answer | None = None


def spoken_part(text: str) -> str:
    """The text before the returned message."""
    lines = lines_of(text)[:MAX_LINES]
    for number, line in enumerate(lines):
        if _RETURNED.match(line) and any(earlier.strip() for earlier in lines[:number]):
            return "\n".join(lines[:number])
    return "\n".join(lines)


class _Spoken:
    """The words of a bounce, read once for all the recipients that they name."""

    def __init__(self, text: str, anchors: list[_Anchor], lines: list[str]) -> None:
        self.dialogue = Dialogue(text)
        self.mentions = Mentions(text)
        self.stage = _stage_below(text)
        self.whole = _folded(lines)
        self.before = _folded(lines[: anchors[0].line]) if anchors else self.whole


def failures_in_words(mail: Mail) -> list[Failure]:
    """One `Failure` per recipient that the words announce, or `X-Failed-Recipients`; empty when nobody is named."""
    text = spoken_part(mail.text)
    lines = text.split("\n")
    anchors = _anchors(lines, mail.header("Subject"))
    if len({anchor.recipient.lower() for anchor in anchors}) > 1:
        sender = address_in_field(mail.header("To")).lower()
        anchors = [a for a in anchors if a.recipient.lower() != sender and not _ROBOT.match(a.recipient)] or anchors
    spoken = _Spoken(text, anchors, lines)
    named: dict[str, _Named] = {}
    for index, anchor in enumerate(anchors):
        key = anchor.recipient.lower()
        stop = anchors[index + 1].line if index + 1 < len(anchors) else len(lines)
        entry = named.setdefault(key, _Named(anchor.recipient, []))
        before = anchors[index - 1].line if index else -1
        if answer := spoken.dialogue.answer_to(key, "", between=(before, anchor.line)):
            entry.answer = entry.answer or answer
        entry.lines += [anchor.rest, *lines[anchor.line + 1 : stop]]
    declared = [found for found in map(address_in_field, mail.header("X-Failed-Recipients").split(",")) if found]
    recipients = [entry.recipient for entry in named.values()]
    if len(declared) > len(recipients):
        recipients = list({name.lower(): name for name in declared}.values())
    return [
        _failure(recipient, named.get(recipient.lower()), spoken, alone=len(recipients) == 1)
        for recipient in recipients
    ]


def failure_of_addressee(mail: Mail) -> list[Failure]:
    """The recipient of the returned message, when the bounce names nobody and that message went to exactly one."""
    text = spoken_part(mail.text)
    found = _only_addressee(mail, address_in_field(mail.header("To")).lower())
    return [_failure(found, None, _Spoken(text, [], text.split("\n")), alone=True)] if found else []


def _failure(recipient: str, named: _Named | None, spoken: _Spoken, *, alone: bool) -> Failure:
    answer = named.answer if named else None
    if answer is None and alone:
        answer = spoken.dialogue.answer_to(recipient, "")
    texts = [answer.text if answer else "", _folded(named.lines) if named else ""]
    if alone:
        texts.append(spoken.whole)
    elif not any(texts):
        texts.append(spoken.before)
    stage = answer.stage if answer else Stage.UNKNOWN
    original = spoken.mentions.sent_on_from(recipient)
    sent_on = bool(original) and not same_address(original, recipient)
    return Failure(
        recipient=recipient,
        texts=tuple(dict.fromkeys(text for text in texts if text)),
        original_recipient=original if sent_on else "",
        final_recipient=recipient if sent_on else "",
        stage=stage if stage is not Stage.UNKNOWN else spoken.stage,
    )


def _anchors(lines: list[str], subject: str) -> list[_Anchor]:
    anchors: list[_Anchor] = []
    announced = bool(_ANNOUNCED.search(subject))
    before = ""
    for number, line in enumerate(lines):
        if "@" in line and not (_ECHO.match(line) and not line.lower().lstrip(" \t>").startswith("to:")):
            found = _anchor(number, line, before, announced)
            if found and not (line.lower().lstrip(" \t>").startswith("to:") and not announced):
                anchors.append(found)
        if line.strip():
            announced = announced or bool(_ANNOUNCED.search(line))
            before = line
    return anchors


def _anchor(number: int, line: str, before: str, announced: bool) -> _Anchor | None:
    if line.lower().lstrip(" \t>").startswith(("to:", "cc:")):
        return None
    if match := _CODED.match(line):
        return _Anchor(number, match.group(1), line.strip(" \t>"))
    if announced and (match := _LONE.match(line)) and not _ASIDE.search(before):
        return _Anchor(number, match.group(1), "")
    if (match := _LED.match(line)) and (announced or _SAID.search(line)) and not _ASIDE.search(before):
        return _Anchor(number, match.group(1), match.group(2))
    if (match := _NAMED.search(line)) and not _ASIDE.search(line[: match.start()] + before[-40:]):
        rest = line[match.end() :].lstrip(">:\"') ")
        return _Anchor(number, match.group(1).rstrip("."), rest or line[: match.start()] + line[match.start() :])
    return None


def _only_addressee(mail: Mail, sender: str) -> str:
    if mail.original is None:
        found = {match.group(1) for line in lines_of(mail.text) if (match := _ADDRESSED.match(line))}
    else:
        field = header_text(mail.original, "X-Envelope-To") or header_text(mail.original, "To")
        found = set(re.findall(ADDRESS, field))
    found = {address for address in found if address.lower() != sender and not _ROBOT.match(address)}
    return found.pop() if len(found) == 1 else ""


def _stage_below(text: str) -> Stage:
    match = _COMMAND_BELOW.search(text)
    return stage_of_command(match.group(1)) if match else Stage.UNKNOWN


def _folded(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())[:3000]
