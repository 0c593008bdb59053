"""Raw messages: who failed, by the report's own words; one answer for every line ending; bystanders left alone."""

from __future__ import annotations

from collections import defaultdict
from email.header import Header

import pytest

from tests.corpora_dir import corpora, tsv
from validator.feedback.classify import Classifier
from validator.feedback.mail.failure import MailKind, address_in_field
from validator.feedback.message import Judged, events_of_message, judge_message

DSN = """From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: list@sender.example
Subject: Undelivered Mail Returned to Sender
Return-Path: <>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

<{final}>{via}: host mx.far.example[192.0.2.7] said: 550 5.1.1 <{final}>:
    Recipient address rejected: User unknown (in reply to RCPT TO command)

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; {final}
{original}Action: {action}
Status: 5.1.1
Remote-MTA: dns; mx.far.example
Diagnostic-Code: smtp; 550 5.1.1 <{final}>: Recipient address rejected: User unknown

--b
Content-Type: message/rfc822

From: list@sender.example
To: bystander@elsewhere.example, {final}
Message-ID: <m-1@sender.example>
Subject: hello

text with stranger@elsewhere.example in it
--b--
"""


def _dsn(final: str = "ivan@far.example", original: str = "", action: str = "failed") -> bytes:
    named = f"Original-Recipient: rfc822; {original}\n" if original else ""
    return DSN.format(final=final, original=named, via="", action=action).encode()


@pytest.mark.parametrize(
    "date",
    [
        "soon",
        "Mon, 1 Jan 2024 00:00:00 +99999999999999999999",
        "Mon, 1 Jan 99999999999999999999 00:00:00 +0000",
        "Fri, 31 Dec 9999 23:59:59 -1200",
    ],
)
def test_a_date_that_is_none_costs_the_message_its_date_only(classifier: Classifier, date: str) -> None:
    raw = f"Date: {date}\n".encode() + _dsn()
    [event] = events_of_message(raw, judge_message(raw, classifier))
    assert (event.address, event.occurred_at) == ("ivan@far.example", None)


def test_a_delivery_report_blames_its_recipient_and_nobody_else(classifier: Classifier) -> None:
    judged = judge_message(_dsn(), classifier)
    assert judged.kind is MailKind.BOUNCE
    assert [outcome.recipient for outcome in judged.outcomes] == ["ivan@far.example"]
    assert judged.outcomes[0].classification.reason == "mailbox_not_found"
    assert judged.message_id == "m-1@sender.example"


def test_a_forwarded_message_blames_the_address_that_was_written_to(classifier: Classifier) -> None:
    raw = _dsn("new@far.example", original="old@near.example")
    judged = judge_message(raw, classifier)
    assert _addresses(judged) == [("new@far.example", "old@near.example", "new@far.example")]
    assert [(event.address, event.kind) for event in events_of_message(raw, judged)] == [("old@near.example", "bounce")]


def test_a_report_whose_words_do_not_name_the_final_address_is_about_the_original_one(classifier: Classifier) -> None:
    for words in (
        "Your message could not be delivered.",
        "Mail to old@near.example failed, sent on to new@far.example.",
    ):
        raw = _dsn("new@far.example", original="old@near.example").decode()
        head, _, rest = raw.partition("<new@far.example>: host")
        raw = head + words + "\n\n--b\n" + rest.partition("--b\n")[2]
        judged = judge_message(raw.encode(), classifier)
        assert _addresses(judged) == [("old@near.example", "old@near.example", "new@far.example")]


EXIM = b"""From: Mail Delivery System <Mailer-Daemon@out.example>
To: list@sender.example
Subject: Mail delivery failed: returning message to sender
Auto-Submitted: auto-replied

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  new@far.example
    (ultimately generated from old@near.example)
    host mx.far.example [192.0.2.4]
    SMTP error from remote mail server after RCPT TO:<new@far.example>:
    550 5.1.1 unknown user
"""


def test_words_beside_an_address_tell_where_it_was_sent_on_from(classifier: Classifier) -> None:
    postfix = _dsn("new@far.example").replace(
        b"<new@far.example>: host", b"<new@far.example> (expanded from <old@near.example>): host"
    )
    for raw in (EXIM, postfix):
        judged = judge_message(raw, classifier)
        assert _addresses(judged) == [("new@far.example", "old@near.example", "new@far.example")]
        assert judged.outcomes[0].classification.reason == "mailbox_not_found"
        assert [event.address for event in events_of_message(raw, judged)] == ["old@near.example"]


def test_one_dead_member_does_not_make_a_list_dead(classifier: Classifier) -> None:
    block = "\nOriginal-Recipient: rfc822; team@near.example\nFinal-Recipient: rfc822; {}\nAction: {}\nStatus: {}\n"
    members = block.format("gone@far.example", "failed", "5.1.1") + block.format("ok@far.example", "delivered", "2.0.0")
    raw = _dsn().decode().replace("\nFinal-Recipient: rfc822; ivan@far.example\nAction: failed\n", members).encode()
    judged = judge_message(raw, classifier)
    assert len(judged.outcomes) == 2
    assert [(event.address, event.kind) for event in events_of_message(raw, judged)] == [
        ("team@near.example", "delivery")
    ]


def _addresses(judged: Judged) -> list[tuple[str, str, str]]:
    return [(outcome.recipient, outcome.written_to, outcome.final_recipient) for outcome in judged.outcomes]


def test_a_plus_that_a_server_left_encoded_is_no_other_mailbox(classifier: Classifier) -> None:
    raw = _dsn(final="anna+news@far.example", original="anna+2Bnews@far.example")
    [outcome] = judge_message(raw, classifier).outcomes
    assert (outcome.written_to, outcome.final_recipient) == ("anna+news@far.example", "")
    [outcome] = judge_message(_dsn(final="anna+news@far.example", original="b+2Bc@far.example"), classifier).outcomes
    assert outcome.written_to == "b+2Bc@far.example"


@pytest.mark.parametrize("kind", ["message/delivery-status", "message/global-delivery-status"])
def test_a_report_may_speak_in_bytes_that_are_not_ascii(classifier: Classifier, kind: str) -> None:
    raw = _dsn().replace(b"message/delivery-status", kind.encode()).replace(b"Status: 5.1.1", b"Status: 5.0.0")
    head, _, tail = raw.partition(b"Diagnostic-Code: smtp; 550 5.1.1 <ivan@far.example>:")
    _, _, tail = tail.partition(b"\n")
    raw = head + "Diagnostic-Code: smtp; 550 почтовый ящик переполнен\n".encode() + tail
    raw = raw.replace(b"host mx.far.example[192.0.2.7] said: 550 5.1.1 <ivan@far.example>:\n    ", b"")
    raw = raw.replace(b"Recipient address rejected: User unknown (in reply to RCPT TO command)", b"refused")
    [outcome] = judge_message(raw, classifier).outcomes
    assert (outcome.recipient, outcome.classification.reason) == ("ivan@far.example", "mailbox_full")


@pytest.mark.parametrize("action", ["relayed", "expanded"])
def test_an_action_that_is_no_failure_blames_nobody(classifier: Classifier, action: str) -> None:
    assert all(not outcome.recipient for outcome in judge_message(_dsn(action=action), classifier).outcomes)


def test_line_endings_do_not_matter(classifier: Classifier) -> None:
    raw = _dsn()
    want = judge_message(raw, classifier)
    for ending in (b"\r\n", b"\r", b"\r\r\n"):
        assert judge_message(raw.replace(b"\n", ending), classifier) == want


QMAIL = b"""From: MAILER-DAEMON@out.example
To: list@sender.example
Subject: failure notice
Return-Path: <>

Hi. This is the qmail-send program at out.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<anna@far.example>:
192.0.2.9 does not like recipient.
Remote host said: 550 no such user here
Giving up on 192.0.2.9.

<olga@far.example>:
Sorry, I couldn't find any host by that name. (#5.1.2)

--- Below this line is a copy of the message.

To: stranger@elsewhere.example
hello
"""
JAMES = b"""From: postmaster@out.example
To: list@sender.example
Subject: [BOUNCE]

Hi. This is the James mail server at out.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.  Below
I include the list of recipients and the reason why I was unable to deliver
your message.

Failed recipient(s):
anna@far.example

Error message:
550 5.2.2 mailbox over quota

The original message is attached.
"""
NOTES = b"""From: Postmaster@out.example
To: list@sender.example
Subject: Delivery Failure

------- Failure Reasons  --------

User not listed in public Name & Address Book
anna@far.example

------- Returned Message --------

To: anna@far.example
"""
ONE_AND_ONE = b"""From: mailer-daemon@kundenserver.example
To: list@sender.example
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. The following addresses failed:

anna@far.example
SMTP error from remote server for RCPT TO command, host: mx.far.example (192.0.2.4) reason: 550 5.1.1
 User unknown

For questions please contact help@kundenserver.example

--- The header of the original message is following. ---

To: stranger@elsewhere.example
"""


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        (QMAIL, {"anna@far.example": "mailbox_not_found", "olga@far.example": "domain_not_found"}),
        (JAMES, {"anna@far.example": "mailbox_full"}),
        (NOTES, {"anna@far.example": "mailbox_not_found"}),
        (ONE_AND_ONE, {"anna@far.example": "mailbox_not_found"}),
    ],
)
def test_bounces_in_plain_words_name_their_recipients(classifier: Classifier, raw: bytes, want: dict[str, str]) -> None:
    judged = judge_message(raw, classifier)
    assert {outcome.recipient: outcome.classification.reason.value for outcome in judged.outcomes} == want


FOREIGN = [
    ("Не удается доставить: привет", "Не удалось выполнить доставку следующим получателям:", "anna@far.example"),
    ("Niet bestelbaar: dag", "De bezorging is mislukt:", "anna@far.example"),
    ("退信通知", "您的邮件被退回", "收件人：anna@far.example"),
    ("Nelze doručit: ahoj", "Zprávu nelze doručit:", "<anna@far.example>: 550 5.1.1 gone"),
    ("Unzustellbar: hallo", "Zustellung fehlgeschlagen an:", "anna@far.example"),
    ("Non remis : salut", "Échec de la remise :", "anna@far.example"),
    ("Message non distribuable", "Votre message n'a pas pu être remis à :", "<anna@far.example>: boîte pleine"),
    ("Zwrot wiadomości", "Nie można dostarczyć wiadomości do odbiorców:", "anna@far.example"),
    ("Не вдалося доставити: вітаю", "Листа не вдалося доставити:", "anna@far.example"),
    ("**Message you sent blocked by our filter**", "was not taken", "Your message to: anna@far.example"),
]


@pytest.mark.parametrize(("subject", "announced", "line"), FOREIGN)
def test_bounces_in_other_languages_name_their_recipients(
    classifier: Classifier, subject: str, announced: str, line: str
) -> None:
    encoded = Header(subject, "utf-8").encode()
    raw = f"From: postmaster@far.example\nSubject: {encoded}\nReturn-Path: <>\n{_UTF8}\n{announced}\n\n{line}\n"
    assert [outcome.recipient for outcome in judge_message(raw.encode(), classifier).outcomes] == ["anna@far.example"]


_UTF8 = "Content-Type: text/plain; charset=utf-8\n"


ARF = """From: fbl@provider.example
To: abuse@sender.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Test/1
Version: 1
Original-Rcpt-To: <anna@far.example>

--b
Content-Type: message/rfc822

To: anna@far.example
From: list@sender.example
Subject: news

news
--b--
"""


@pytest.mark.parametrize(
    ("kind", "reason", "disposition"),
    [
        ("abuse", "complaint", "complaint"),
        ("fraud", "complaint", "complaint"),
        ("opt-out", "unsubscribe", "complaint"),
        ("auth-failure", "sender_auth_failed", "sender"),
        ("virus", "content_malware", "sender"),
        ("not-spam", "delivered", "none"),
    ],
)
def test_a_feedback_report_is_a_complaint_only_when_its_type_is(
    classifier: Classifier, kind: str, reason: str, disposition: str
) -> None:
    outcome = judge_message(ARF.format(kind=kind).encode(), classifier).outcomes[0]
    assert outcome.recipient == "anna@far.example"
    assert (outcome.classification.reason, outcome.classification.disposition) == (reason, disposition)


OUT_OF_OFFICE = b"""From: Anna <anna@far.example>
To: list@sender.example
Subject: Automatic reply: news
Auto-Submitted: auto-replied

I am out of the office; write to deputy@far.example. My mailbox is full.
"""
RECEIPT = b"""From: Anna <anna@far.example>
To: list@sender.example
Subject: Read: news
Return-Path: <>
Content-Type: multipart/report; report-type=disposition-notification; boundary="b"

--b
Content-Type: text/plain

Your message to anna@far.example was displayed; it was not delivered to olga@far.example: 550 5.1.1 user unknown.

--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; anna@far.example
Disposition: manual-action/MDN-sent-manually; displayed

--b--
"""
PERSON = b"""From: Anna <anna@far.example>
To: list@sender.example
Subject: Re: delivery failed?

Hello, mail to boris@far.example could not be delivered, he said: 550 5.1.1 user unknown.
"""
FORWARDED_AS_FILE = DSN.replace("From: MAILER-DAEMON@mx.example.net (Mail Delivery System)", "From: a@b.example")


def test_robots_and_people_suppress_nobody(classifier: Classifier) -> None:
    robot = judge_message(OUT_OF_OFFICE, classifier)
    assert robot.kind is MailKind.AUTO_REPLY
    assert [outcome.recipient for outcome in robot.outcomes] == [""]
    assert all(not outcome.recipient for outcome in judge_message(RECEIPT, classifier).outcomes)
    assert judge_message(PERSON, classifier).outcomes == ()
    for junk in (b"", b"\x00\xff", b"\r\n\r\n", b"From: x\n\n" + b"<" * 5000, b"Content-Type: multipart/report\n\n--"):
        assert judge_message(junk, classifier).outcomes == ()


def test_an_address_field_that_is_none_names_nobody() -> None:
    assert address_in_field("rfc822;|/usr/bin/prog a@b.example /home") == ""
    assert address_in_field("rfc822; <a@b.example>") == "a@b.example"
    assert address_in_field("utf-8; a@b.example") == "a@b.example"
    assert address_in_field(r"UTF-8; \x{43F}\x{435}\x{442}\x{440}@b.example") == "петр@b.example"
    assert address_in_field(r"rfc822; \x{43F}@b.example") == r"\x{43F}@b.example"
    assert "\n" not in address_in_field(r"utf-8; a\x{0A}\x{85}\x{2028}\x{D800}\x{FFFFFF}@b.example")
    assert address_in_field("rfc822;/var/mail/a") == ""


def test_the_public_bounces_are_read_exactly(classifier: Classifier) -> None:
    rows = defaultdict(list)
    for row in tsv("bounces", "expected.tsv"):
        rows[row["file"]].append(row)
    exact = judged_rows = right = disposed = hard_right = hard_said = hard_wanted = 0
    for file, wanted in rows.items():
        judged = judge_message(corpora("bounces", "eml", file).read_bytes(), classifier)
        said = {outcome.recipient.lower(): outcome.classification for outcome in judged.outcomes}
        named = {name for name in said if name}
        exact += named == {row["recipient"].lower() for row in wanted if row["recipient"]}
        for row in wanted:
            judged_rows += 1
            found = said.get(row["recipient"].lower()) or (next(iter(said.values())) if len(said) == 1 else None)
            right += found is not None and found.reason == row["reason"]
            disposed += found is not None and found.disposition == row["disposition"]
            hard = found is not None and found.disposition == "hard"
            hard_said += hard
            hard_wanted += row["disposition"] == "hard"
            hard_right += hard and row["disposition"] == "hard"
    assert exact / len(rows) >= 0.94
    assert right / judged_rows >= 0.92
    assert disposed / judged_rows >= 0.94
    assert hard_right / hard_said >= 0.97
    assert hard_right / hard_wanted >= 0.93


def test_what_is_no_bounce_suppresses_nobody(classifier: Classifier) -> None:
    for file in sorted(corpora("bounces", "not_bounces").iterdir()):
        judged = judge_message(file.read_bytes(), classifier)
        assert not [o for o in judged.outcomes if o.classification.disposition in {"hard", "complaint"}], file.name


def test_a_response_in_the_name_of_a_postmaster_blames_nobody(classifier: Classifier) -> None:
    raw = (
        b"From: postmaster@far.example\nAuto-Submitted: auto-replied\nReturn-Path: <>\n"
        b"Subject: email bounce notification\n\nautomatic bounce notification\n\nreject reason: Mailbox full\n"
        b"target mail address: anna@far.example\n"
    )
    judged = judge_message(raw, classifier)
    assert not events_of_message(raw, judged)
