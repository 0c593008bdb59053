"""What replies mean: the owner's table on its exact texts, the order of evidence, the tables and their verifier."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora_dir import tsv
from tests.effort import examples
from validator.feedback.classify import Classifier
from validator.feedback.event import EventKind, Reported, judge
from validator.feedback.policy import Policy, decide
from validator.feedback.reasons import Action, Disposition, FailureReason
from validator.feedback.reply import Stage, parse_reply
from validator.feedback.rules import Phrase, Rule, Wording, dead_phrases, parse_phrase, rule_faults
from validator.reference import load_reference

OWNERS_TABLE = [
    ("No MX for example.com", "", "domain_no_mail"),
    ("5.1.1 User Unknown", "", "mailbox_not_found"),
    ("550 5.1.1 User Unknown", "", "mailbox_not_found"),
    ("Sorry, no mailbox here by that name", "", "mailbox_not_found"),
    ("Invalid Recipient", "", "mailbox_not_found"),
    ("Bounced", "", "mailbox_not_found"),
    ("The email account that you tried to reach is disabled", "", "mailbox_disabled"),
    ("connection refused", "", "connection_failed"),
    ("Not delivering to a previously bounced address", "", "already_suppressed"),
    ("Not delivering to previously bounced address", "", "already_suppressed"),
    ("Envelope blocked", "", "sender_rejected"),
    ("Sorry, message looks like SPAM to me", "", "content_spam"),
    ("Recipient address rejected: Access denied", "5.4.1", "mailbox_not_found"),
    ("550 5.4.1 Recipient address rejected: Access denied", "", "mailbox_not_found"),
    ("Recipient address rejected: Access denied", "", "policy_rejected"),
    ("554 5.7.1 Recipient address rejected: Access denied", "", "policy_rejected"),
    ("Complained", "", "complaint"),
    ("No useable credentials", "", "sender_account_error"),
    ("credentials out of date", "", "sender_account_error"),
    ("Mail service not enabled", "", "sender_account_error"),
    ("Recipient had no valid email address", "", "already_suppressed"),
    ('no valid "TO" address found', "", "already_suppressed"),
    ("Unknown error on recipient's side", "", "unknown"),
]


@pytest.mark.parametrize(("text", "status", "reason"), OWNERS_TABLE)
def test_every_text_of_the_owners_table_has_the_owners_reason(
    classifier: Classifier, text: str, status: str, reason: str
) -> None:
    assert classifier.classify_text(text, enhanced_status=status).reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 5.1.1 <a@example.com> has sent to too many recipients this hour", "rate_limited"),
        ("550 5.1.0 <bounce@mailer.example.com> sender rejected", "sender_rejected"),
        ("550 5.1.0 Sender address unknown", "sender_rejected"),
        ("550 5.7.27 Sender address has null MX", "sender_rejected"),
        ("556 5.1.10 Recipient address has null MX", "domain_no_mail"),
        ("450 4.1.1 <a@x.example>: rejected: unverified address: Address verification in progress", "greylisted"),
        (
            "450 4.1.1 <a@b.cd>: Recipient address rejected: unverified address: connect to a: Connection timed out",
            "delivery_timeout",
        ),
        (
            "450 4.1.1 <a@x.example>: Recipient address rejected: unverified address: host mx said: 550 user unknown",
            "mailbox_not_found",
        ),
        ("550 This account has been suspended due to inactivity", "mailbox_disabled"),
        ("550 Your account has been suspended due to a complaint", "sender_account_error"),
        ("454 4.7.0 Temporary authentication failure: account disabled", "sender_account_error"),
        ("550-Please turn on SMTP Authentication in your mail client.", "relay_denied"),
        ("552 5.2.2 Mailbox full", "mailbox_full"),
        ("452 4.2.2 Over quota", "mailbox_full"),
        ("550 5.7.1 Message rejected as spam by content filter", "content_spam"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "sender_ip_blocked"),
        (
            "450 4.2.0 <b@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example",
            "greylisted",
        ),
        ("554 5.7.1 <c@example.org>: Relay access denied", "relay_denied"),
        ("550 5.7.26 Unauthenticated email from example.com is not accepted due to DMARC policy", "sender_auth_failed"),
        ("552 5.3.4 Message size exceeds fixed limit", "message_too_large"),
        ("556 5.1.10 Domain does not accept mail (nullMX)", "domain_no_mail"),
        ("452 4.3.1 Insufficient system storage", "remote_system_full"),
        ("550 5.1.6 recipient no longer here, mailbox has moved", "mailbox_moved"),
        ("421 4.7.0 TLS handshake failed", "tls_failed"),
        ("501 5.5.4 Syntax error in parameters", "protocol_error"),
        ("550 5.1.2 Host unknown (Name server: host not found)", "domain_not_found"),
        ("554 5.6.0 Message contains a virus: Eicar-Test-Signature", "content_malware"),
    ],
)
def test_the_words_decide_before_the_code(classifier: Classifier, text: str, reason: str) -> None:
    assert classifier.classify_text(text).reason == reason


def test_user_unknown_is_hard_only_when_a_recipient_check_or_the_status_says_so(classifier: Classifier) -> None:
    bare = classifier.classify_text("550 User unknown")
    assert (bare.reason, bare.disposition) == (FailureReason.RECIPIENT_FILTERED, Disposition.SOFT)
    at_rcpt = classifier.classify_text("550 User unknown", stage=Stage.RCPT)
    assert at_rcpt.disposition is Disposition.HARD
    said = classifier.classify_text("host mx.example.org said: 550 User unknown (in reply to RCPT TO command)")
    assert said.disposition is Disposition.HARD
    assert classifier.classify_text("550 User unknown", enhanced_status="5.1.1").disposition is Disposition.HARD


def test_a_temporary_failure_to_find_a_domain_is_transient(classifier: Classifier) -> None:
    assert classifier.classify_text("No MX for example.com", enhanced_status="4.4.4").disposition == "transient"
    assert classifier.classify_text("550 5.1.2 Host unknown").disposition == "hard"


def test_an_address_in_the_reply_never_decides(classifier: Classifier) -> None:
    one = classifier.classify_text("550 5.7.0 <mailboxfull@quota.example>: rejected")
    other = classifier.classify_text("550 5.7.0 <x@y.example>: rejected")
    assert (one.reason, one.rule) == (other.reason, other.rule)


def test_each_answer_names_its_rule_and_explains(classifier: Classifier) -> None:
    known = {rule.id for rule in classifier.rules} | {"none", "code.2xx"}
    found = classifier.classify_text("552 5.2.2 Mailbox full")
    assert found.rule in known
    assert "mailbox full" in found.explanation
    assert found.blame == "recipient"


@given(st.text(max_size=300), st.one_of(st.none(), st.integers(200, 599)), st.sampled_from(["", "5.1.1", "x", "4.4.7"]))
@settings(max_examples=examples(150), deadline=None)
def test_no_text_makes_it_raise(text: str, code: int | None, status: str) -> None:
    found = _CLASSIFIER.classify_text(text, code=code, enhanced_status=status)
    assert 0 <= found.confidence <= 1


_CLASSIFIER = Classifier(load_reference())


@given(
    st.sampled_from([phrase for rule in _CLASSIFIER.rules if rule.wording for phrase in rule.wording.phrases]),
    st.sampled_from(["", "421 ", "450 4.2.1 ", "550 ", "550 5.1.1 ", "554 5.7.1 "]),
)
@settings(max_examples=examples(200), deadline=None)
def test_no_rule_gives_an_address_to_blame_for_the_senders_faults(phrase: Phrase, code: str) -> None:
    found = _CLASSIFIER.classify_text(code + " x ".join(phrase.pieces))
    facts = _CLASSIFIER.reasons[found.reason]
    if found.disposition in {Disposition.SENDER, Disposition.NONE}:
        assert facts.action is Action.NEVER
    if facts.action is Action.BLOCK:
        assert found.disposition in {Disposition.HARD, Disposition.COMPLAINT, Disposition.TRANSIENT}


def test_one_failure_blocks_only_when_it_is_hard_and_permanent_or_a_complaint(classifier: Classifier) -> None:
    policy = Policy(classifier.reasons)
    phrases = {phrase.text: phrase for rule in classifier.rules if rule.wording for phrase in rule.wording.phrases}
    asked = [("", EventKind.BOUNCE), ("450 4.2.1 ", EventKind.BOUNCE), ("550 5.1.1 ", EventKind.BOUNCE)]
    asked += [("550 ", EventKind.DEFERRAL)]
    said = [(code + " x ".join(phrase.pieces), kind) for code, kind in asked for phrase in phrases.values()]
    said += [
        (f"{status[0]}50 {status}", kind) for rule in classifier.rules for status in rule.statuses for _, kind in asked
    ]
    blocked = 0
    for words, kind in said:
        reported = Reported(kind, "a@b.example", "test", "1", text=words)
        event = replace(judge(reported, classifier, received_at=_NOW), confirmed=True)
        found = event.classification
        if decide([event], policy, _NOW).block is not None:
            blocked += 1
            hard = found.disposition is Disposition.HARD or found.reason in _CONFIRMED
            complaint = found.disposition is Disposition.COMPLAINT
            assert complaint or (hard and found.permanent is not False and kind is EventKind.BOUNCE), words
    assert blocked > 100


_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_CONFIRMED = {FailureReason.DOMAIN_NO_MAIL, FailureReason.DOMAIN_NOT_FOUND}
"""Hard by our own DNS, whatever the reply says."""


def test_the_shipped_rules_have_no_fault_and_no_dead_wording(classifier: Classifier) -> None:
    sets = {rule.wording.name: rule.wording for rule in classifier.rules if rule.wording}
    assert rule_faults(classifier.rules, sets) == []
    shared = {name for name in sets if sum(1 for r in classifier.rules if r.wording and r.wording.name == name) > 1}
    dead = dead_phrases(classifier.rules)
    assert [line for line in dead if not any(name.split(".")[0] in line for name in shared)] == []


def _rule(identifier: str, *phrases: str, stages: frozenset[Stage] = frozenset()) -> Rule:
    wording = Wording(identifier, [parse_phrase(text) for text in phrases]) if phrases else None
    return Rule(identifier, (), stages, (), (), wording, FailureReason.UNKNOWN, 0.5, "test")


def test_the_verifier_names_duplicates_and_unreachable_rules() -> None:
    rules = [_rule("a", "quota"), _rule("b", "over quota"), _rule("b", "spam"), _rule("c"), _rule("d", "x")]
    faults = rule_faults(rules, {})
    assert "rule b cannot be reached: a takes all of it" in faults
    assert "rule b stands twice" in faults
    assert "rule d cannot be reached: c takes all of it" in faults
    only_rcpt = _rule("e", stages=frozenset({Stage.RCPT}))
    assert rule_faults([only_rcpt, _rule("f", "x")], {}) == []


def test_a_reply_is_read_into_code_status_stage_and_host() -> None:
    reply = parse_reply(
        "host mx.example.org[192.0.2.5] said: 550-5.1.1 No such\n 550 5.1.1 user (in reply to RCPT TO command)"
    )
    assert (reply.code, reply.status, reply.stage, reply.host) == (550, "5.1.1", Stage.RCPT, "mx.example.org")
    assert parse_reply("see 192.5.1.1 and 10.4.2.2").status == ""
    assert parse_reply("5.0.0").status == ""


def test_the_public_replies_are_judged_well(classifier: Classifier) -> None:
    rows = right = disposed = 0
    for row in tsv("bounces", "replies.tsv"):
        found = classifier.classify_text(
            row["text"], code=int(row["reply_code"]) if row["reply_code"] else None, enhanced_status=row["status"]
        )
        rows += 1
        right += found.reason == row["reason"]
        disposed += found.disposition == row["disposition"]
    assert right / rows >= 0.90
    assert disposed / rows >= 0.93


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 5.1.8 Sender user unknown", "sender_rejected"),
        ("550 5.1.7 <a@example.com>: user unknown", "sender_rejected"),
        ("553 5.1.8 <a@example.com>... domain does not exist", "sender_rejected"),
        ("550 The sending domain does not exist", "sender_rejected"),
        ("550 MAIL FROM user unknown", "sender_rejected"),
        ("550 no mailbox for sender here", "sender_rejected"),
        (
            "550-Requested action not taken: mailbox unavailable\n550 invalid DNS MX or A/AAAA resource record",
            "sender_rejected",
        ),
        ("535 5.7.8 Error: authentication failed: user unknown", "sender_account_error"),
        ("450 4.7.1 <host.example>: Helo command rejected: Host not found", "sender_ip_blocked"),
        ("550 5.7.1 We do not accept mails from this sender here", "sender_rejected"),
        ("550 5.7.1 The recipient does not accept mails from this sender", "sender_rejected"),
        ("550 Your domain does not exist", "sender_rejected"),
        ("550 Absender-Domain existiert nicht", "sender_rejected"),
        ("550 Reply-To domain has no MX", "sender_rejected"),
        ("550 5.7.1 The domain that the message links to does not exist", "policy_rejected"),
        ("550 5.7.1 no MX record for the links in this message", "policy_rejected"),
        ("550 Your account is blocked, no mail can be sent from it", "sender_account_error"),
        ("553 Sender's account is inactive", "sender_account_error"),
        ("550 Delivery to this user is disabled for external senders", "policy_rejected"),
        ("550 This address no longer accepts mail from your server", "policy_rejected"),
        ("550 Our domain does not accept mail larger than 10 MB", "message_too_large"),
        ("550 too many nonexistent users, directory harvest attack (in reply to RCPT TO command)", "sender_ip_blocked"),
        ("550 too many unknown users from your IP", "sender_ip_blocked"),
        ("550 5.7.1 <b@example.org>: Recipient address rejected: Please see http://www.openspf.org/Why?s=mfrom",
         "sender_auth_failed"),
        ("550 5.7.515 Access denied, sending domain example.com does not meet the required authentication level.",
         "sender_auth_failed"),
    ],
)  # fmt: skip
def test_a_mailbox_or_domain_that_is_missing_on_the_senders_side_is_no_fault_of_the_recipient(
    classifier: Classifier, text: str, reason: str
) -> None:
    found = classifier.classify_text(text)
    assert (found.reason, found.disposition) == (reason, "sender")


@pytest.mark.parametrize(
    ("text", "reason", "disposition"),
    [
        ("450 Requested mail action not taken: mailbox unavailable (in reply to RCPT TO command)",
         "recipient_filtered", "soft"),
        ("550 Requested action not taken: mailbox unavailable (in reply to RCPT TO command)",
         "mailbox_not_found", "hard"),
        ("550 This system does not accept mail at the moment", "remote_system_error", "transient"),
        ("556 This system does not accept mail", "domain_no_mail", "hard"),
        ("550 5.7.27 This system does not accept mail", "domain_no_mail", "hard"),
    ],
)  # fmt: skip
def test_a_refusal_for_now_is_not_the_end_of_a_mailbox_or_domain(
    classifier: Classifier, text: str, reason: str, disposition: str
) -> None:
    found = classifier.classify_text(text)
    assert (found.reason, found.disposition) == (reason, disposition)


def test_an_alias_that_is_unknown_is_a_mailbox_and_no_domain(classifier: Classifier) -> None:
    found = classifier.classify_text("550 5.1.1 unknown or illegal alias: b@example.org")
    assert found.reason == "mailbox_not_found"


@pytest.mark.parametrize("text", ["Жалоба на спам", "Spam complaint"])
def test_the_name_of_a_complaint_is_one_although_it_speaks_of_spam(classifier: Classifier, text: str) -> None:
    assert classifier.classify_text(text).reason == "complaint"
