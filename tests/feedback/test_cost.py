"""What strangers send costs in proportion to its length: every pattern, and whole messages."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

import validator.blacklist.importing
import validator.bulk
import validator.feedback
from validator.feedback.classify import Classifier
from validator.feedback.mail.failure import address_in_field
from validator.feedback.mail.mentions import Mentions
from validator.feedback.mail.mime import field_blocks, plain_text, read_mail
from validator.feedback.mail.transcript import Dialogue
from validator.feedback.message import judge_message

SHORT = 4_096
GROWTH = 4
"""The long text is this many times the short one."""
GENEROUS = 9.0
"""Linear is `GROWTH`, quadratic is `GROWTH` squared; between them there is room for noise."""
UNMEASURABLE_S = 0.004
"""What the long text may cost in any case: clocks and collectors are no finer."""

TEXTS: dict[str, Callable[[int], str]] = {
    "spaces": lambda n: " " * n,
    "tabs": lambda n: "\t" * n,
    "dashes": lambda n: "-" * n,
    "quotes": lambda n: ">" * n,
    "angles": lambda n: "<" * n,
    "letters": lambda n: "a" * n,
    "ats": lambda n: "@" * n,
    "digits": lambda n: "1" * n,
    "dots": lambda n: "1." * (n // 2),
    "lines": lambda n: "\n" * n,
    "returns": lambda n: "\r" * n,
    "address, spaces": lambda n: "a@b.co" + " " * n + "x",
    "angled, spaces": lambda n: "<a@b.co>" + " " * n + "y",
    "angle, ats": lambda n: "<" + "@" * n,
    "labels": lambda n: "a@" + "b." * (n // 2) + "!",
    "spaced dashes": lambda n: "- " * (n // 2),
    "scripts": lambda n: "<script " * (n // 8),
    "comments": lambda n: "<!--" * (n // 4),
    "semicolons": lambda n: ";" * n,
    "encoded": lambda n: "=?a?q?" * (n // 6),
    "brackets": lambda n: "(reason: " * (n // 9),
    "parentheses": lambda n: "a@b.co (" + ")" * n + "x",
    "mixed": lambda n: "".join(" \t->a<@1\n."[i * 7 % 10] for i in range(n)),
    "announced": lambda n: "user: " + "deliver " * (n // 8) + " " * (n // 2) + "a@",
    "expanded": lambda n: "a@b.co (expanded from " * (n // 22),
    "answers": lambda n: ">>> RCPT TO:<a@b.co>\n<<< 550 no\n" * (n // 34),
}


def _modules() -> Iterator[ModuleType]:
    for package in (validator.feedback, validator.blacklist.importing, validator.bulk):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if found.name.rpartition(".")[2] in {"arrays", "parquet", "spark"}:
                continue  # need an extra
            yield importlib.import_module(found.name)


PATTERNS = {
    f"{module.__name__}.{name}": value
    for module in _modules()
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}


ANCHORED = {
    "validator.blacklist.importing.record._FOR_NOW",
    "validator.bulk.documents._WORD",
    "validator.bulk.documents._NO_TEXT",
    "validator.bulk.encode._HARMLESS",
}
"""Never searched for: matched once, or where the last match ended."""


def _cpu_s(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started


def _grows_linearly(of: Callable[[int], Callable[[], object]], short: int = SHORT) -> bool:
    """Whether the cost at four times the length is nearer to four times than to sixteen times; best of three."""
    long_one = of(short * GROWTH)
    if _cpu_s(long_one) <= UNMEASURABLE_S:
        return True
    longer = min(_cpu_s(long_one) for _ in range(3))
    shorter = min(_cpu_s(of(short)) for _ in range(3))
    return longer <= max(UNMEASURABLE_S, shorter * GENEROUS)


def test_there_are_patterns_to_look_at() -> None:
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_costs_in_proportion_to_its_text(name: str) -> None:
    pattern = PATTERNS[name]
    slow: list[str] = []
    uses = [pattern.match, pattern.fullmatch] + (
        [] if name in ANCHORED else [lambda t: deque(pattern.finditer(t), maxlen=0)]
    )
    for title, text in TEXTS.items():
        made = {n: text(n) for n in (SHORT, SHORT * GROWTH)}
        given = {n: t.encode() if isinstance(pattern.pattern, bytes) else t for n, t in made.items()}
        slow += [title for use in uses if not _grows_linearly(lambda n, u=use, g=given: lambda: u(g[n]))]  # type: ignore[misc]
    assert not slow


READERS: dict[str, Callable[[str], object]] = {
    "plain_text": plain_text,
    "field_blocks": field_blocks,
    "folded field": lambda text: field_blocks("A: b\n" + "".join(f" {part}\n" for part in text.split(" "))),
    "address_in_field": address_in_field,
    "words_about": lambda text: Mentions(text).words_about("a@b.co"),
    "sent_on_from": lambda text: Mentions(text).sent_on_from("a@b.co"),
    "dialogue": lambda text: Dialogue(text).answer_to("a@b.co", "550 no"),
}


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_costs_in_proportion_to_its_text(name: str) -> None:
    read = READERS[name]
    for title, text in TEXTS.items():
        made = {n: text(n) for n in (SHORT, SHORT * GROWTH)}
        assert _grows_linearly(lambda n, made=made: lambda: read(made[n])), title  # type: ignore[misc]


_DAEMON = "From: MAILER-DAEMON@far.example\nSubject: Undelivered Mail Returned to Sender\nReturn-Path: <>\n"
_REPORT = (
    "Content-Type: multipart/report; boundary=b\n\n--b\n\n{}\n--b\nContent-Type: message/delivery-status\n\n{}\n--b--\n"
)
_RECIPIENTS = "Final-Recipient: rfc822; a{0}@b.co\nAction: failed\nStatus: 5.1.1\n\n"


def _nested(n: int) -> str:
    depth = n // 60
    return "".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(depth)) + "a\n" * (n // 2)


MESSAGES: dict[str, Callable[[int], str]] = {
    **{f"body of {title}": (lambda n, text=text: _DAEMON + "\n" + text(n)) for title, text in TEXTS.items()},
    **{
        f"failed, body of {title}": (lambda n, text=text: _DAEMON + "\nThe following address failed:\n\n" + text(n))
        for title, text in TEXTS.items()
    },
    "header": lambda n: _DAEMON + "Content-Type: multipart/report; " + ";" * n + "\n\nx",
    "quoted header": lambda n: _DAEMON + 'Content-Type: text/plain; a="' + ";" * n + "\n\nx",
    "many headers": lambda n: _DAEMON + "A:\n" * (n // 3) + "\nx",
    "long subject": lambda n: "Subject: " + "=?a?q?" * (n // 6) + "\n" + _DAEMON + "\nx",
    "html": lambda n: _DAEMON + "Content-Type: text/html\n\n" + "<script" * (n // 7),
    "dashed boundary": lambda n: _DAEMON + "Content-Type: multipart/mixed; boundary=----\n\n" + "-" * n,
    "punycode": lambda n: _DAEMON + "Content-Type: text/plain; charset=punycode\n\n" + "a-b" * (n // 3),
    "nested": lambda n: _DAEMON + _nested(n),
    "parts": lambda n: _DAEMON + "Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\n" * (n // 6),
    "recipients": lambda n: (
        _DAEMON + _REPORT.format("words " * (n // 12), "".join(_RECIPIENTS.format(i) for i in range(n // 160)))
    ),
    "many recipients": lambda n: (
        _DAEMON + _REPORT.format("<<< 250 ok\n" * (n // 3), "".join(_RECIPIENTS.format(i) for i in range(n // 20)))
    ),
    "mentions": lambda n: _DAEMON + _REPORT.format("<a1@b.co>: x\n" * (n // 20), _RECIPIENTS.format(1) * (n // 120)),
    "named": lambda n: _DAEMON + "\nfailed:\n\n" + "".join(f"a{i}@b.co\n" for i in range(n // 12)),
    "returns": lambda n: _DAEMON + "\n" + "\r" * n,
    "wrapped": lambda n: _DAEMON + '\n{"notificationType": "Bounce", ' + "!\n " * (n // 3),
}


@pytest.mark.parametrize("title", sorted(MESSAGES))
def test_a_message_costs_in_proportion_to_its_length(title: str, classifier: Classifier) -> None:
    raws = {n: MESSAGES[title](n).encode() for n in (2 * SHORT, 2 * SHORT * GROWTH)}
    assert _grows_linearly(lambda n: lambda: judge_message(raws[n], classifier), 2 * SHORT)


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "zlib", "no-such", "utf-8*=x''y"])
@pytest.mark.parametrize("kind", ["text/plain", "message/rfc822", "message/delivery-status", "text/rfc822-headers"])
def test_no_charset_makes_a_message_unreadable(charset: str, kind: str) -> None:
    head = f"From: a@b.example\nContent-Type: {kind}; charset={charset}\n\n"
    assert read_mail(head.encode() + b"\xff\xfe words \\x").headers["From"] == "a@b.example"
    folded = f"Content-Type: {kind}; charset*=utf-8''{charset}\n\n"
    assert read_mail(folded.encode() + b"\xff\xfe words").reports is not None
