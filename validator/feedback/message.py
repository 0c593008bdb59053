"""A raw message that came back -> who, why. Pure; the parts of the reading are in `mail/`."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from validator.feedback.classify import Classification, Classifier
from validator.feedback.event import EventKind, Reported, judge
from validator.feedback.mail.arf import Complaint, complaints_in
from validator.feedback.mail.dsn import failures_in_reports, failures_in_text, only_informs
from validator.feedback.mail.failure import Failure, MailKind
from validator.feedback.mail.freetext import failure_of_addressee, failures_in_words
from validator.feedback.mail.kind import is_auto_reply, looks_like_bounce, quotes_a_report
from validator.feedback.mail.mime import Mail, digest, header_text, read_mail
from validator.feedback.mail.notification import notification_in
from validator.feedback.reasons import Disposition, FailureReason
from validator.feedback.reply import Stage, parse_reply, stage_in

_QUOTED = re.compile(
    r"(?:other server returned was|remote server was|the response was|remote host said|responded as follows)"
    r"[: ]+\[?(.{3,})",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a message says about one recipient, judged."""

    recipient: str
    """The address that the message tells its reader about; empty when it names nobody."""
    classification: Classification
    """Why."""
    action: str
    """RFC 3464 action, or empty."""
    text: str
    """The words that were judged, white space folded."""
    original_recipient: str = ""
    """The address that we wrote to, when a forwarder or an alias sent the message on from there."""
    final_recipient: str = ""
    """Where it was sent on to, when that is known."""
    feedback_type: str = ""
    """RFC 5965 feedback type of a complaint."""
    stage: Stage = Stage.UNKNOWN
    """The SMTP command that was answered."""
    host: str = ""
    """The server that answered."""

    @property
    def written_to(self) -> str:
        """The address that we wrote to: what the failure counts against."""
        return self.original_recipient or self.recipient

    def document(self) -> dict[str, Any]:
        """The wire form."""
        addresses = {
            "recipient": self.recipient or None,
            "original_recipient": self.written_to or None,
            "final_recipient": self.final_recipient or None,
        }
        return self.classification.document() | addresses


@dataclass(frozen=True, slots=True)
class Judged:
    """A whole message, judged."""

    kind: MailKind
    """What it is."""
    outcomes: tuple[Outcome, ...]
    """One per recipient; for an auto-reply one without a recipient."""
    message_id: str
    """Message-ID of the returned message, or empty."""
    date: str = ""
    """Date header of the message itself."""


def judge_message(raw: bytes, classifier: Classifier) -> Judged:
    """Read and judge a raw message of any kind; never raises."""
    mail = read_mail(raw)
    complaints = complaints_in(mail)
    if complaints:
        reports = all(complaint.reason is FailureReason.SENDER_AUTH_FAILED for complaint in complaints)
        kind = MailKind.REPORT if reports else MailKind.COMPLAINT
        return Judged(
            kind,
            tuple(_complained(complaint, classifier) for complaint in complaints),
            _message_id(mail),
            mail.header("Date"),
        )
    if notified := notification_in(mail):
        found = tuple(_notified(item, classifier) for item in notified)
        kind = MailKind.COMPLAINT if notified[0].kind is EventKind.COMPLAINT else MailKind.BOUNCE
        return Judged(kind, found, notified[0].message_id, mail.header("Date"))
    failures = find_failures(mail)
    if failures:
        known: Known = {}
        outcomes = tuple(judge_failure(failure, classifier, known) for failure in failures)
        return Judged(MailKind.BOUNCE, outcomes, _message_id(mail), mail.header("Date"))
    if is_auto_reply(mail):
        because = classifier.verdict(
            FailureReason.AUTO_REPLY, rule="mail.auto_reply", confidence=0.9, because="its headers and subject"
        )
        return Judged(MailKind.AUTO_REPLY, (Outcome("", because, "", ""),), "")
    return Judged(MailKind.OTHER, (), "")


_HEADER_LINES = re.compile(
    rb"\A(?:From [^\r\n]*(?:\r\n|\r|\n))?(?:[A-Za-z][A-Za-z0-9-]{1,60}:[ \t][^\r\n]*(?:\r\n|\r|\n)[ \t]?){2}"
)


def is_raw_message(raw: bytes) -> bool:
    """Whether bytes begin like a message: two header lines."""
    return bool(_HEADER_LINES.match(raw.lstrip()))


def find_failures(mail: Mail) -> list[Failure]:
    """Who failed, by the most formal evidence that the message has; empty when it is no bounce."""
    failures = failures_in_reports(mail) if mail.reports else []
    if not failures and quotes_a_report(mail):
        failures = failures_in_text(mail.text)
    failures = [failure for failure in failures if failure.recipient]
    if failures or only_informs(mail):
        return failures
    if is_auto_reply(mail) and not mail.header("X-Failed-Recipients"):
        return []
    if not looks_like_bounce(mail) and not mail.reports:
        return []
    failures = failures_in_words(mail)
    if not failures and mail.enclosed is not None:
        inner = digest(mail.enclosed)
        if inner.reports and looks_like_bounce(inner):
            return [failure for failure in failures_in_reports(inner) if failure.recipient]
    return failures or failure_of_addressee(mail)


Known = dict[tuple[object, ...], tuple[Classification, str, Stage]]
"""What was judged already in a message: everything that is said of a recipient but its addresses -> `_judge`."""


def judge_failure(failure: Failure, classifier: Classifier, known: Known) -> Outcome:
    """Judge a failure; one that differs from an earlier one in its addresses only is judged as that was, by *known*."""
    said = (failure.texts, failure.code, failure.status, failure.stage, failure.host, failure.action)
    if said not in known:
        known[said] = _judge(failure, classifier)
    classification, text, stage = known[said]
    return Outcome(
        failure.recipient,
        classification,
        failure.action,
        text,
        failure.original_recipient,
        failure.final_recipient,
        stage=stage,
        host=failure.host,
    )


def _judge(failure: Failure, classifier: Classifier) -> tuple[Classification, str, Stage]:
    """Judge the most telling of the texts: the first that a wording decides, else the one judged most surely."""
    best: Classification | None = None
    said = failure.texts[0] if failure.texts else ""
    stage = failure.stage
    if stage is Stage.UNKNOWN:
        stage = next((said_at for said_at in map(stage_in, failure.texts) if said_at is not Stage.UNKNOWN), stage)
    for text in _with_quoted_first(failure.texts) or ("",):
        reply = parse_reply(text, code=failure.code, status=failure.status, host=failure.host, stage=stage)
        found = classifier.classify(reply)
        if found.reason is not FailureReason.UNKNOWN and "\u201c" in found.explanation:
            best, said = found, text
            break
        if best is None or found.confidence > best.confidence:
            best, said = found, text
    assert best is not None
    if failure.action in {"delivered", "deliverable"} or (failure.action == "" and failure.status.startswith("2.")):
        best = classifier.verdict(
            FailureReason.DELIVERED, rule="dsn.action", confidence=0.95, because=f"the action {failure.action}"
        )
    elif failure.action == "delayed" and "\u201c" not in best.explanation:
        best = classifier.verdict(
            FailureReason.DELIVERY_TIMEOUT, rule="dsn.action", confidence=0.6, because="the action delayed"
        )
    if not best.code and failure.code:
        best = replace(best, code=failure.code)
    return best, " ".join(said.split()), stage


def _with_quoted_first(texts: tuple[str, ...]) -> list[str]:
    """Each text, preceded by what it quotes from the other server, which says more than the wrapping."""
    found: list[str] = []
    for text in texts:
        if match := _QUOTED.search(text):
            found.append(match.group(1))
        found.append(text)
    return found


def _notified(item: Reported, classifier: Classifier) -> Outcome:
    event = judge(item, classifier, received_at=datetime.min.replace(tzinfo=UTC))
    return Outcome(item.address, event.classification, "", item.text)


def _complained(complaint: Complaint, classifier: Classifier) -> Outcome:
    judged = classifier.verdict(
        complaint.reason,
        rule=f"arf.{complaint.feedback_type or 'unsubscribe'}",
        confidence=0.95,
        because=f"a feedback report of type {complaint.feedback_type}",
    )
    return Outcome(complaint.recipient, judged, "", "", feedback_type=complaint.feedback_type)


def _message_id(mail: Mail) -> str:
    return header_text(mail.original, "Message-ID").strip("<>") if mail.original is not None else ""


_KIND_OF_REASON = {
    FailureReason.DELIVERED: EventKind.DELIVERY,
    FailureReason.COMPLAINT: EventKind.COMPLAINT,
    FailureReason.UNSUBSCRIBE: EventKind.UNSUBSCRIBE,
    FailureReason.AUTO_REPLY: EventKind.AUTO_REPLY,
}


_GRAVEST_LAST = (
    Disposition.NONE,
    Disposition.SENDER,
    Disposition.TRANSIENT,
    Disposition.UNKNOWN,
    Disposition.SOFT,
    Disposition.HARD,
    Disposition.COMPLAINT,
)


def events_of_message(raw: bytes, judged: Judged) -> list[Reported]:
    """The events that a judged message reports: one per address that we wrote to, about that address.

    Where an alias sent it on to several, what befell it is the mildest of what befell them: one dead member does not
    make a list dead. An auto-reply or a report that blames nobody has none. The same message has the same
    identifiers, whatever its line endings.
    """
    digest = hashlib.sha256(b"\n".join(raw.splitlines())).hexdigest()[:32]
    written = _moment_of(judged.date)
    events = []
    for outcome in _mildest(judged.outcomes):
        reason = outcome.classification.reason
        if judged.kind is not MailKind.BOUNCE and reason not in _KIND_OF_REASON:
            continue
        kind = _KIND_OF_REASON.get(reason, EventKind.BOUNCE)
        if judged.kind is MailKind.COMPLAINT and kind is EventKind.DELIVERY:
            kind = EventKind.IGNORED  # a not-spam report says nothing about delivery
        if kind is EventKind.BOUNCE and outcome.action == "delayed":
            kind = EventKind.DEFERRAL
        events.append(
            Reported(
                kind=kind,
                address=outcome.written_to,
                provider="message",
                event_id=digest,
                occurred_at=written,
                message_id=judged.message_id,
                text=outcome.text,
                code=outcome.classification.code,
                enhanced_status=outcome.classification.enhanced_status,
                remote_host=outcome.host,
                stage=outcome.stage,
                hint=reason,
                raw_type="/".join(
                    part
                    for part in (
                        judged.kind,
                        outcome.action or outcome.feedback_type,
                        "sent on" if outcome.final_recipient else "",
                    )
                    if part
                ),
            )
        )
    return events


def _moment_of(date: str) -> datetime | None:
    """The moment of a Date header, UTC when it does not say; None for what is no date or no year of ours."""
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        found = parsedate_to_datetime(date)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return None


def _mildest(outcomes: tuple[Outcome, ...]) -> list[Outcome]:
    """One outcome per address that we wrote to, in their order."""
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        name = outcome.written_to.lower()
        held = found.get(name)
        if name and (held is None or _gravity(outcome) < _gravity(held)):
            found[name] = outcome
    return list(found.values())


def _gravity(outcome: Outcome) -> int:
    return _GRAVEST_LAST.index(outcome.classification.disposition)
