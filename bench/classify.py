"""`python3 dev.py bench classify`: how exactly returned messages and reply texts are understood, and how fast.

Compared: flufl.bounce 6 (recipients only; its temporary/permanent as transient/hard), and a table that knows only the
enhanced status and the reply code (RFC 3463), which is what most systems do. Reads the corpora beside the checkout.
"""

from __future__ import annotations

import csv
import email
import hashlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from flufl.bounce import all_failures

from validator.feedback.classify import Classifier
from validator.feedback.mail.dsn import failures_in_reports
from validator.feedback.mail.mime import read_mail
from validator.feedback.message import judge_message
from validator.reference import load_reference

CORPORA = Path(os.environ.get("VALIDATOR_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
ROUNDS = 5
Said = dict[str, tuple[str, str]]
"""Recipient, lower case -> (reason, disposition); the reason is empty where the tool knows none."""

CODE_ONLY = {
    "1.1": "mailbox_not_found", "1.2": "domain_not_found", "1.6": "mailbox_moved", "2.1": "mailbox_disabled",
    "2.2": "mailbox_full", "2.3": "message_too_large", "3.4": "message_too_large", "4.1": "delivery_timeout",
    "4.4": "domain_not_found", "4.7": "delivery_timeout", "7.1": "policy_rejected", "6.": "content_invalid",
    "7.": "policy_rejected", "3.": "remote_system_error", "5.": "protocol_error",
}  # fmt: skip


@dataclass(slots=True)
class Score:
    """Counts of one tool."""

    messages: int = 0
    exact: int = 0
    named: int = 0
    named_right: int = 0
    rows: int = 0
    reason: int = 0
    disposition: int = 0
    hard_said: int = 0
    hard_right: int = 0
    hard_wanted: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, wanted: list[dict[str, str]], said: Said) -> None:
        """Count one message."""
        names = {row["recipient"].lower() for row in wanted if row["recipient"]}
        given = {name for name in said if name}
        self.messages += 1
        self.exact += names == given
        self.named += len(given)
        self.named_right += len(given & names)
        for row in wanted:
            alone = next(iter(said.values())) if len(said) == 1 else ("", "")
            reason, disposition = said.get(row["recipient"].lower(), alone)
            self.rows += 1
            self.reason += reason == row["reason"]
            self.disposition += disposition == row["disposition"]
            self.hard_said += disposition == "hard"
            self.hard_wanted += row["disposition"] == "hard"
            self.hard_right += disposition == row["disposition"] == "hard"

    def line(self, name: str) -> str:
        """A row of the table."""
        speed = self.messages / sorted(self.seconds)[len(self.seconds) // 2] if self.seconds else 0
        shares = (
            (self.exact, self.messages), (self.named_right, self.named), (self.reason, self.rows),
            (self.disposition, self.rows), (self.hard_right, self.hard_said), (self.hard_right, self.hard_wanted),
        )  # fmt: skip
        return f"| {name} | " + " | ".join(f"{100 * a / (b or 1):.1f} %" for a, b in shares) + f" | {speed:.0f} |"


def ours(classifier: Classifier) -> Callable[[bytes], Said]:
    """What ships."""

    def read(raw: bytes) -> Said:
        judged = judge_message(raw, classifier)
        return {o.recipient.lower(): (o.classification.reason, o.classification.disposition) for o in judged.outcomes}

    return read


def flufl(raw: bytes) -> Said:
    """flufl.bounce: addresses, temporary or permanent."""
    message: Message = email.message_from_bytes(raw)
    temporary, permanent = all_failures(message)
    said = {address.decode("ascii", "replace").lower(): ("", "transient") for address in temporary}
    return said | {address.decode("ascii", "replace").lower(): ("", "hard") for address in permanent}


def codes_only(raw: bytes) -> Said:
    """Recipients of the report; the meaning from the status, else 5xx is hard."""
    said = {}
    for failure in failures_in_reports(read_mail(raw)):
        status = failure.status
        tail = status.partition(".")[2]
        reason = CODE_ONLY.get(tail) or CODE_ONLY.get(tail.partition(".")[0] + ".", "unknown")
        said[(failure.final_recipient or failure.recipient).lower()] = (
            reason,
            "hard" if status.startswith("5") else "transient",
        )
    return said


def expected() -> dict[str, list[dict[str, str]]]:
    """The labelled messages."""
    rows = defaultdict(list)
    with (CORPORA / "bounces" / "expected.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            rows[row["file"]].append(row)
    return rows


def measure(read: Callable[[bytes], Said], wanted: dict[str, list[dict[str, str]]], raws: dict[str, bytes]) -> Score:
    """One tool over all messages, several rounds for the time."""
    score = Score()
    for name, rows in wanted.items():
        score.add(rows, read(raws[name]))
    for _ in range(ROUNDS):
        started = time.process_time()
        for name in wanted:
            read(raws[name])
        score.seconds.append(time.process_time() - started)
    return score


def main() -> int:
    """Print the tables of docs/benchmarks.md."""
    if not CORPORA.is_dir():
        print("no corpora beside this checkout", file=sys.stderr)
        return 1
    classifier = Classifier(load_reference())
    wanted = expected()
    raws = {name: (CORPORA / "bounces" / "eml" / name).read_bytes() for name in wanted}
    print("| | recipients exact | precision | reason | disposition | hard precision | hard recall | messages/s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    tools = (("**Validator**", ours(classifier)), ("flufl.bounce", flufl), ("codes only (RFC 3463)", codes_only))
    for name, read in tools:
        print(measure(read, wanted, raws).line(name))
    for half in (0, 1):
        part = {n: rows for n, rows in wanted.items() if hashlib.sha256(n.encode()).digest()[0] % 2 == half}
        score = measure(ours(classifier), part, raws)
        print(score.line(f"Validator, half {half + 1} of the messages by hash"))
    rows = right = disposed = 0
    started = time.process_time()
    with (CORPORA / "bounces" / "replies.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            code = int(row["reply_code"]) if row["reply_code"] else None
            found = classifier.classify_text(row["text"], code=code, enhanced_status=row["status"])
            rows += 1
            right += found.reason == row["reason"]
            disposed += found.disposition == row["disposition"]
    micros = (time.process_time() - started) / rows * 1e6
    print(f"\nreply texts alone: reason {100 * right / rows:.1f} %, disposition {100 * disposed / rows:.1f} %, "
          f"{micros:.0f} µs each, {len(classifier.rules)} rules")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
