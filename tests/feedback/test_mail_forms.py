"""Forms of reports and complaints that the standards allow and few senders use."""

from __future__ import annotations

import base64

import pytest

from tests.feedback.test_message import ARF
from validator.feedback.classify import Classifier
from validator.feedback.mail.failure import MailKind
from validator.feedback.message import events_of_message, judge_message

FIELDS = b"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; anna@far.example\nAction: failed\nStatus: 5.1.1\n"


def _reported(raw: str, classifier: Classifier) -> list[tuple[str, str]]:
    judged = judge_message(raw.encode(), classifier)
    return [(event.kind.value, event.address) for event in events_of_message(raw.encode(), judged)]


@pytest.mark.parametrize("kind", ["abuse (spam)", "(a comment) Abuse", " ABUSE "])
def test_a_comment_beside_the_type_hides_no_complaint(classifier: Classifier, kind: str) -> None:
    assert _reported(ARF.format(kind=kind), classifier) == [("complaint", "anna@far.example")]


def test_a_complaint_that_hides_whose_it_is_blames_the_only_addressee_or_nobody(classifier: Classifier) -> None:
    hidden = ARF.format(kind="abuse").replace(
        "Original-Rcpt-To: <anna@far.example>", "Original-Rcpt-To: redacted@far.example"
    )
    assert _reported(hidden, classifier) == [("complaint", "anna@far.example")]
    several = hidden.replace("\nTo: anna@far.example", "\nTo: anna@far.example, ivan@far.example")
    assert _reported(several, classifier) == []
    assert judge_message(several.encode(), classifier).kind is MailKind.COMPLAINT


@pytest.mark.parametrize("media_type", ["message/delivery-status", "message/global-delivery-status"])
def test_a_report_in_base64_is_read(classifier: Classifier, media_type: str) -> None:
    packed = base64.encodebytes(FIELDS).decode()
    raw = (
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail Returned to Sender\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n--b\n\nIt failed.\n\n--b\n'
        f"Content-Type: {media_type}\nContent-Transfer-Encoding: base64\n\n{packed}\n--b--\n"
    )
    assert _reported(raw, classifier) == [("bounce", "anna@far.example")]
    [outcome] = judge_message(raw.encode(), classifier).outcomes
    assert outcome.classification.reason == "mailbox_not_found"
    broken = raw.replace(packed, packed[:-3] + "\n")
    judge_message(broken.encode(), classifier)


def test_requests_of_apple_and_complaints_of_hotmail_name_their_person(classifier: Classifier) -> None:
    apple = "From: list@sender.example, Anna <anna@far.example>\nX-Apple-Unsubscribe: true\nSubject: Unsubscribe\n\nx\n"
    assert _reported(apple, classifier) == [("unsubscribe", "anna@far.example")]
    hotmail = "From: staff@hotmail.example\nX-HmXmrOriginalRecipient: anna@far.example\nSubject: complaint\n\nx\n"
    assert _reported(hotmail, classifier) == [("complaint", "anna@far.example")]


def test_a_complaint_whose_parts_are_out_of_place_is_read_from_its_text(classifier: Classifier) -> None:
    fields = "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: anna@far.example\n"
    head = "From: fbl@isp.example\nSubject: complaint\n\nA complaint.\n\n"
    assert _reported(head + fields, classifier) == [("complaint", "anna@far.example")]
    assert _reported(head + fields.replace("User-Agent: x/1\n", ""), classifier) == []


@pytest.mark.parametrize(
    "subject",
    ["Automatyczna odpowiedź: oferta", "Автоматична відповідь: новини", "Otomatik yanıt: x", "Automatisk svar: x"],
)
def test_an_answer_of_a_robot_is_told_by_its_subject_in_many_languages(classifier: Classifier, subject: str) -> None:
    raw = f"From: Anna <anna@far.example>\nTo: list@sender.example\nSubject: {subject}\n\nx\n"
    assert judge_message(raw.encode(), classifier).kind is MailKind.AUTO_REPLY
