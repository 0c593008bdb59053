"""What each provider's own categories mean: nobody pays for the sender's faults, and nobody for somebody else."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from validator.errors import NotReadable, WebhookRejected
from validator.feedback import gate as gate_module
from validator.feedback.classify import Classifier
from validator.feedback.event import Event, judge
from validator.feedback.gate import WebhookGate
from validator.feedback.policy import Policy
from validator.feedback.reasons import Action
from validator.feedback.webhooks.reading import Batch
from validator.feedback.webhooks.registry import PROVIDERS, read_batch, read_document
from validator.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANNA = "anna@far.example"
IVAN = "ivan@far.example"


def batch_of(provider: str, body: object) -> Batch:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_batch(PROVIDERS[provider], read_document(PROVIDERS[provider], raw))


def judged(provider: str, body: object, classifier: Classifier) -> list[Event]:
    return [judge(item, classifier, received_at=NOW) for item in batch_of(provider, body).reported]


def amazon(kind: str, **parts: object) -> dict[str, object]:
    return {"eventType": kind, "mail": {"messageId": "m-1", "destination": [ANNA]}, **parts}


def amazon_bounce(kind: str, sub_type: str, **fields: str) -> dict[str, object]:
    recipient = {"emailAddress": ANNA, **fields}
    return amazon("Bounce", bounce={"bounceType": kind, "bounceSubType": sub_type, "bouncedRecipients": [recipient]})


def amazon_delay(kind: str) -> dict[str, object]:
    return amazon("DeliveryDelay", deliveryDelay={"delayType": kind, "delayedRecipients": [{"emailAddress": ANNA}]})


def mailgun_failure(severity: str, reason: str) -> dict[str, object]:
    return {"event-data": {"event": "failed", "severity": severity, "reason": reason, "recipient": ANNA}}


def mailjet(event: str, related: str, error: str) -> list[dict[str, object]]:
    return [{"event": event, "time": 1498093527, "email": ANNA, "error_related_to": related, "error": error}]


def sparkpost(**fields: str) -> list[dict[str, object]]:
    return [{"msys": {"message_event": {"rcpt_to": ANNA, **fields}}}]


def resend(name: str, *recipients: str, **parts: object) -> dict[str, object]:
    return {"type": name, "created_at": "2026-03-01T10:00:00Z", "data": {"to": list(recipients), **parts}}


def resend_bounce(kind: str, sub_type: str) -> dict[str, object]:
    return resend("email.bounced", ANNA, bounce={"type": kind, "subType": sub_type, "message": "A bounce message."})


def unisender(status: str, detail: str) -> dict[str, object]:
    return {"event_data": {"email": ANNA, "status": status, "delivery_info": {"delivery_status": detail}}}


NOBODY_PAYS = [
    ("ses", amazon_bounce("Permanent", "OnTenantSuppressionList")),
    ("ses", amazon_bounce("Permanent", "EmailValidationSuppressed")),
    ("ses", amazon_bounce("Permanent", "UnsubscribedRecipient")),
    ("ses", amazon_bounce("Transient", "General")),  # may be an out-of-office message
    ("ses", amazon_delay("InternalFailure")),
    ("ses", amazon_delay("IPFailure")),
    ("ses", amazon_delay("BYOIPHostNameLookupUnavailable")),
    ("ses", amazon_delay("SendingDeferral")),
    ("sendgrid", [{"event": "dropped", "email": ANNA, "reason": "Something new", "status": "5.0.0"}]),
    ("mailgun", mailgun_failure("permanent", "espblock")),
    ("mailgun", mailgun_failure("temporary", "espblock")),
    ("mailgun", mailgun_failure("temporary", "greylisted")),
    ("mailjet", mailjet("blocked", "content", "bad or empty template")),
    ("mailjet", mailjet("bounce", "content", "error in template language")),
    ("mailjet", mailjet("blocked", "recipient", "blacklisted")),
    ("mailjet", mailjet("blocked", "recipient", "spam reporter")),
    ("mailjet", mailjet("blocked", "mailjet", "something new")),
    ("mailjet", mailjet("bounce", "spam", "something new")),
    ("mailjet", mailjet("blocked", "", "")),
    ("sparkpost", sparkpost(type="spam_complaint", fbtype="not-spam")),
    ("sparkpost", sparkpost(type="spam_complaint", fbtype="auth-failure")),
    ("standard", resend_bounce("Transient", "AttachmentRejected")),
    ("standard", resend_bounce("Permanent", "OnTenantSuppressionList")),
    ("standard", resend_bounce("Transient", "General")),
    ("standard", resend_bounce("Undetermined", "Undetermined")),
    ("standard", resend("email.complained", ANNA, IVAN)),
    ("standard", resend("email.bounced", ANNA, IVAN, bounce={"type": "Permanent", "message": "550 5.1.1 unknown"})),
    ("unisender", unisender("hard_bounced", "err_internal")),
    ("unisender", unisender("hard_bounced", "err_lost")),
    ("unisender", unisender("soft_bounced", "err_spam_skipped")),
    ("unisender", unisender("hard_bounced", "err_src_invalid")),
    ("unisender", unisender("hard_bounced", "err_unreachable")),
    ("unisender", unisender("soft_bounced", "skip_dup_mailbox_full")),
]


@pytest.mark.parametrize(("provider", "body"), NOBODY_PAYS)
def test_what_is_the_senders_or_the_providers_own_never_counts(
    provider: str, body: object, classifier: Classifier
) -> None:
    policy = Policy(classifier.reasons)
    events = judged(provider, body, classifier)
    assert events
    for event in events:
        is_counted = policy.facts[event.classification.reason].action is not Action.NEVER
        says_nothing = event.classification.reason == "unknown" and event.classification.permanent is not True
        quiet = event.reported.kind in {"ignored", "provider_suppressed"} or says_nothing
        assert quiet or not is_counted, event


MEANINGS = [
    ("ses", amazon_bounce("Permanent", "NoEmail"), "mailbox_not_found"),
    ("ses", amazon_bounce("Transient", "CustomTimeoutExceeded"), "delivery_timeout"),
    ("ses", amazon_bounce("Transient", "General", diagnosticCode="smtp; 451 zzz"), "delivery_timeout"),
    ("ses", amazon_bounce("Permanent", "General", status="5.1.1 (bad destination)"), "mailbox_not_found"),
    ("ses", amazon_delay("RecipientServerError"), "remote_system_error"),
    ("sendgrid", [{"event": "bounce", "email": ANNA, "reason": "5.1.1 nobody", "status": "550"}], "mailbox_not_found"),
    ("sendgrid", [{"event": "dropped", "email": ANNA, "reason": "Spam Content"}], "content_spam"),
    ("mailgun", mailgun_failure("temporary", "generic"), "delivery_timeout"),
    ("mailgun", mailgun_failure("permanent", "generic"), "recipient_filtered"),
    ("mailjet", mailjet("bounce", "recipient", "user unknown"), "mailbox_not_found"),
    ("sparkpost", sparkpost(type="spam_complaint", fbtype="abuse"), "complaint"),
    ("sparkpost", sparkpost(type="spam_complaint", fbtype="opt-out"), "unsubscribe"),
    ("standard", resend_bounce("Permanent", "NoEmail"), "recipient_filtered"),  # "not possible to retrieve the address"
    ("standard", resend_bounce("Transient", "MailboxFull"), "mailbox_full"),
    ("standard", {"type": "contact.updated", "data": {"email": ANNA, "unsubscribed": True}}, "unsubscribe"),
    ("standard", {"type": "contact.updated", "data": {"email": ANNA, "unsubscribed": False}}, "unknown"),
    ("standard", resend("email.failed", ANNA, failed={"reason": "reached_daily_quota"}), "sender_account_error"),
    ("unisender", unisender("soft_bounced", "err_destination_misconfigured"), "remote_system_error"),
]


@pytest.mark.parametrize(("provider", "body", "reason"), MEANINGS)
def test_a_category_means_what_the_provider_documents(
    provider: str, body: object, reason: str, classifier: Classifier
) -> None:
    [event] = judged(provider, body, classifier)
    assert event.classification.reason == reason


def test_the_servers_words_win_wherever_the_provider_puts_them(classifier: Classifier) -> None:
    attempts = [{"diag": "451 4.4.1 timed out"}, {"diag": "451 4.7.1 Greylisted, try again later"}]
    late = [{"event": "deferral", "ts": 1, "msg": {"email": ANNA, "smtp_events": attempts}}]
    [event] = judged("mandrill", b"mandrill_events=" + quote(json.dumps(late)).encode(), classifier)
    assert (event.reported.kind, event.classification.reason) == ("deferral", "greylisted")
    for words in ("smtp; 550 5.1.1 user unknown", ["smtp; 550 5.1.1 user unknown"]):
        bounce = {"type": "Permanent", "subType": "General", "message": "A bounce.", "diagnosticCode": words}
        [event] = judged("standard", resend("email.bounced", ANNA, bounce=bounce), classifier)
        assert event.classification.reason == "mailbox_not_found"


def test_a_deferral_of_mandrill_is_their_asking_to_go_slower(classifier: Classifier) -> None:
    late = [{"event": "deferral", "ts": 1, "msg": {"email": ANNA}}]
    [event] = judged("mandrill", b"mandrill_events=" + quote(json.dumps(late)).encode(), classifier)
    assert (event.reported.kind, event.classification.reason) == ("deferral", "rate_limited")


def test_whoever_changes_his_mind_about_one_message_twice_is_heard_twice(classifier: Classifier) -> None:
    def told(moment: str, *, left: bool) -> Event:
        change = {"timestamp": moment, "newTopicPreferences": {"unsubscribeAll": left}}
        [event] = judged("ses", amazon("Subscription", subscription=change), classifier)
        return event

    first, last = told("2026-03-01T10:00:00Z", left=False), told("2026-03-01T11:00:00Z", left=True)
    assert (first.reported.kind, last.reported.kind) == ("ignored", "unsubscribe")
    assert first.reported.event_id != last.reported.event_id
    assert told("2026-03-01T11:00:00Z", left=True).reported.event_id == last.reported.event_id


@pytest.mark.parametrize(
    ("provider", "item"),
    [
        ("mailjet", {"event": "bounce", "email": ANNA, "comment": "{words}"}),
        ("brevo", {"event": "hard_bounce", "email": ANNA, "reason": "{words}"}),
        ("mandrill", {"event": "hard_bounce", "msg": {"email": ANNA, "diag": "{words}"}}),
        ("postmark", {"RecordType": "Bounce", "Type": "SoftBounce", "Email": ANNA, "Details": "{words}"}),
        ("standard", {"type": "email.bounced", "data": {"to": [ANNA], "bounce": {"message": "{words}"}}}),
    ],
)
def test_events_without_identifier_and_time_are_told_apart_by_what_they_say(
    provider: str, item: dict[str, object], classifier: Classifier
) -> None:
    texts = [json.dumps(item).replace("{words}", words).encode() for words in ("451 busy", "552 full", "552 full")]
    names = [judged(provider, text, classifier)[0].reported.event_id for text in texts]
    assert names[0] != names[1] == names[2]


def test_one_recipient_that_cannot_be_read_takes_no_other_with_it() -> None:
    recipients = [None, {"emailAddress": ANNA}, 7]
    batch = batch_of("ses", amazon("Bounce", bounce={"bounceType": "Permanent", "bouncedRecipients": recipients}))
    assert [item.address for item in batch.reported] == ["", ANNA, ""]
    batch = batch_of("ses", amazon("Delivery", delivery={"recipients": [ANNA, 7]}))
    assert [item.address for item in batch.reported] == [ANNA, ""]


@pytest.mark.parametrize(
    "document",
    [
        amazon("Delivery", delivery={}),
        amazon("Delivery", delivery={"recipients": []}),
        amazon("Bounce", bounce={"bouncedRecipients": []}),
        {"eventType": "Reject", "mail": {}},
    ],
)
def test_an_event_of_amazon_that_names_nobody_is_not_passed_over(document: object) -> None:
    batch = batch_of("ses", document)
    assert not batch.reported
    assert len(batch.unread) == 1


def test_a_timestamp_within_the_text_of_mailgun_makes_no_form_of_it() -> None:
    body = mailgun_failure("permanent", "generic")
    body["event-data"]["url"] = "https://far.example/?a=1&timestamp=2"  # type: ignore[index]
    [item] = batch_of("mailgun", body).reported
    assert item.address == ANNA


def test_a_variable_of_the_sender_hides_no_field_of_mailgun() -> None:
    own = b"event=bounced&recipient=anna%40far.example&code=550&recipient=ivan%40far.example&event=mine&timestamp=1"
    signed = b"&token=t&timestamp=1772366400&signature=s"
    document = read_document(PROVIDERS["mailgun"], own + signed)
    [item] = read_batch(PROVIDERS["mailgun"], document).reported
    assert (item.kind, item.address, item.code) == ("bounce", ANNA, 550)
    assert document["signature"] == {"token": "t", "timestamp": "1772366400", "signature": "s"}


def test_mailtrap_may_send_an_event_a_line() -> None:
    lines = [json.dumps({"event": "bounce", "email": name, "event_id": name}).encode() for name in (ANNA, IVAN)]
    batch = batch_of("mailtrap", b"\n".join([lines[0], b"{broken", lines[1], b""]))
    assert [item.address for item in batch.reported] == [ANNA, IVAN]
    assert [item.index for item in batch.unread] == [1]
    [alone] = batch_of("mailtrap", lines[0] + b"\n").reported
    assert alone.address == ANNA
    for body in (b"{broken", b"1\n2", b""):
        with pytest.raises(NotReadable):
            batch_of("mailtrap", body)


TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"


def test_a_certificate_is_fetched_for_our_topic_only_and_kept_once_it_proved_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return b"<html>try again later</html>"

    monkeypatch.setattr(gate_module, "_fetch", fetch)
    checked = WebhookGate(Settings(ses_topics=(TOPIC,), ses_fetch_certificates=True))
    message = {
        "Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": "{}", "SignatureVersion": "2",
        "Timestamp": "2026-03-01T11:59:00.000Z", "Signature": "AAAA",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
    }  # fmt: skip

    def refused(**changes: str) -> int:
        document = message | changes
        with pytest.raises(WebhookRejected):
            asyncio.run(checked.prove("ses", json.dumps(document).encode(), {}, document, NOW))
        return len(fetched)

    assert refused(TopicArn=TOPIC + "-of-a-stranger") == 0
    assert refused(Timestamp="2025-03-01T11:59:00.000Z") == 0
    assert refused() == 1
    assert refused() == 2
