"""A window of texts is judged as each of them alone, whatever stands in it and whatever is asked for."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service import settings_for
from validator.address import plain_address, plain_parts
from validator.blacklist.entry import Cause, Kind, NewEntry, Rule
from validator.blacklist.keys import parse_rule
from validator.blacklist.service import Blacklist
from validator.bulk.answers import Answer, answers_of
from validator.bulk.encode import TableEncoder, encode_lines, merged_objects
from validator.bulk.judging import judge
from validator.bulk.rows import RowFault, RowOptions, Rows
from validator.bulk.summary import Summary
from validator.checker import CheckOptions, WindowPipeline
from validator.checker.facts import DomainKnowledge
from validator.recipient import RecipientClass, Recipients, required_text
from validator.reference import load_reference
from validator.runtime import open_runtime
from validator.settings import OnUnknown, PlusPolicy
from validator.verdict import Verdict

DOMAINS = [
    "acme.test", "gmail.com", "gmial.com", "mail.ru", "fb.com", "example.com", "no-mail.test", "bad-host.test",
    "bad-network.test", "broken-dns.test", "outlook.com", "ACME.test", "outlok.com", "xn--e1afmkfd.test", "acme.test.",
]  # fmt: skip
LOCALS = [
    "anna", "Anna.Lind", "test", "Test+tag", "noreply", "x-no-reply-y", "owner-list", "bounced", "Bounced", "a+b", "+",
    "a..b", "o'brien", "иван", "a" * 65, "-x_", "wanted",
]  # fmt: skip
TEXTS = st.one_of(
    st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS)),
    st.builds("{}@{}".format, st.from_regex(r"[a-zA-Z0-9._+-]{1,9}", fullmatch=True), st.sampled_from(DOMAINS[:6])),
    st.text(max_size=12),
    st.sampled_from(["", "a@acme.test\nb@acme.test", "a@acme.test ", "x" * 330, "a@" + "b" * 64 + ".test"]),
)
OPTIONS = st.builds(
    CheckOptions, st.booleans(), st.sampled_from([False, False, True]), st.sampled_from([(), ("news",)])
)


async def fill(blacklist: Blacklist) -> None:
    """Entries of every kind that the domains above can meet, and an exception."""
    entries = [
        NewEntry(rule, Cause.MAILBOX_NOT_FOUND, "test", list=name)
        for text, kind, name in (
            ("bounced@acme.test", Kind.ADDRESS, "default"),
            ("wanted@outlook.com", Kind.ADDRESS, "default"),
            ("anna@mail.ru", Kind.ADDRESS, "news"),
            ("outlook.com", Kind.DOMAIN, "default"),
            ("gmail.com", Kind.DOMAIN, "news"),
            ("mx.spamtrap.test", Kind.MX_HOST, "default"),
            ("93.184.215.64/29", Kind.MX_IP, "default"),
        )
        if isinstance(rule := parse_rule(text, kind), Rule)
    ]
    await blacklist.entries.add(entries, actor="test", force=True)
    allowed = parse_rule("anna@outlook.com")
    assert isinstance(allowed, Rule)
    await blacklist.allowlist.add(allowed, note="known", actor="test")


def without_age(verdict: Verdict) -> Verdict:
    """The verdict without how old its evidence is."""
    if verdict.explain is None or verdict.explain.dns is None:
        return verdict
    dns = {name: value for name, value in verdict.explain.dns.items() if name not in {"age_s", "expires_in_s"}}
    return verdict._replace(explain=dataclasses.replace(verdict.explain, dns=dns))


async def compare(pipeline: WindowPipeline, texts: Sequence[str], options: CheckOptions, *, single_first: bool) -> None:
    single = [await pipeline.check(text, options) for text in texts] if single_first else []
    window = [*await pipeline.check_many(texts, options)]
    single = single or [await pipeline.check(text, options) for text in texts]
    assert [without_age(verdict) for verdict in window] == [without_age(verdict) for verdict in single]


@pytest.mark.parametrize("plus", list(PlusPolicy))
def test_a_window_is_judged_as_its_texts_one_by_one(plus: PlusPolicy, tmp_path: Path) -> None:
    async def all_examples() -> None:
        async with open_runtime(settings_for(tmp_path, plus=plus)) as runtime:
            await fill(runtime.blacklist)
            loop = asyncio.get_running_loop()
            pipelines = [runtime.checker]

            @settings(max_examples=150)
            @given(st.lists(TEXTS, max_size=25), OPTIONS, st.booleans(), st.booleans())
            def examples(texts: list[str], options: CheckOptions, new: bool, single_first: bool) -> None:
                if new:  # nothing is known of any domain
                    pipelines[0]._knowledge = DomainKnowledge(
                        sanitizer=pipelines[0]._sanitizer,
                        recipients=pipelines[0]._recipients,
                        providers=pipelines[0]._providers,
                        resolver=pipelines[0]._resolver,
                        blacklist=pipelines[0]._blacklist,
                    )
                task = compare(pipelines[0], texts, options, single_first=single_first)
                asyncio.run_coroutine_threadsafe(task, loop).result(30)

            await asyncio.to_thread(examples)

    asyncio.run(all_examples())


async def test_the_evidence_of_a_check_changes_no_verdict(tmp_path: Path) -> None:
    """Without evidence most checks go a shorter way, which must weigh whatever the whole one does."""
    texts = [f"{local}@{domain}" for local in LOCALS for domain in DOMAINS]
    async with open_runtime(settings_for(tmp_path)) as runtime:
        await fill(runtime.blacklist)
        for text in texts:
            short = await runtime.checker.check(text)
            whole = await runtime.checker.check(text, CheckOptions(explain=True))
            assert whole._replace(explain=None) == short


async def test_what_is_counted_and_written_together_equals_row_by_row(tmp_path: Path) -> None:
    texts = [f"{local}@{domain}" for local in LOCALS for domain in DOMAINS]
    rows = Rows([*texts], [*range(1, len(texts) + 1)])
    rows.add_fault(900, RowFault(422, "not a row"))
    rows.options[3] = RowOptions(CheckOptions(sanitize=False), OnUnknown.ERROR)
    async with open_runtime(settings_for(tmp_path)) as runtime:
        await fill(runtime.blacklist)
        for on_unknown in OnUnknown:
            answers = await judge(runtime.checker, rows, RowOptions(CheckOptions(), on_unknown))
            one_by_one: list[Answer] = [*answers]
            assert any(route is not None for route in answers.alone)
            assert encode_lines(answers, rows.lines) == encode_lines(one_by_one, rows.lines)
            together, each = Summary(), Summary()
            together.add(answers)
            each.add(one_by_one)
            assert together == each
            records = [{"email": text, "n": at} for at, text in enumerate(rows.texts)]
            assert merged_objects(records, answers, rows.lines) == merged_objects(records, one_by_one, rows.lines)
            for raw in (False, True):
                table = TableEncoder(raw=raw)
                table.header(None)
                as_answers = answers_of(rows.texts, one_by_one)
                assert table.encode(rows, answers) == table.encode(rows, as_answers) == table.encode(rows, one_by_one)
            assert all(orjson.loads(line) for line in encode_lines(answers, rows.lines).splitlines())


@given(st.lists(st.one_of(TEXTS, st.text("aA@.-xn\n ", max_size=14)), max_size=12))
def test_the_parts_of_many_texts_are_those_of_each(texts: list[str]) -> None:
    expected = [plain_address(text) for text in texts]
    assert plain_parts(texts) == [("", "") if one is None else (one.local, one.domain) for one in expected]


RECIPIENTS = Recipients(load_reference())
PATTERNS = [row["local"] for row in load_reference().table("system_mailboxes").records() if row["kind"] == "pattern"]


@given(st.lists(st.one_of(st.sampled_from(LOCALS), st.from_regex("|".join(PATTERNS), fullmatch=True)), max_size=8))
def test_system_mailboxes_are_found_among_many(names: list[str]) -> None:
    names = [name.replace("\n", "") for name in names]
    rules = [RECIPIENTS.local_rule(name) for name in names]
    expected = [at for at, rule in enumerate(rules) if rule is not None and rule.recipient is RecipientClass.SYSTEM]
    assert RECIPIENTS.system_among(names) == expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("bounces?[+=].+", "bounce"), ("(?:a|b)?repl(?:y|ies)", "repl"), (r"test\d{1,6}", "test"), ("a|b", ""),
        ("(?i)abc", ""), ("[]a]bc", "bc"), (r"[^]\]]x\+yz", "yz"), ("ab+c", "ab"), ("a(b(c)d)e{2}fgh", "fgh"),
        (".+", ""),
    ],
)  # fmt: skip
def test_the_text_that_a_pattern_needs(pattern: str, text: str) -> None:
    assert required_text(pattern) == text


@given(
    st.sampled_from(PATTERNS).flatmap(
        lambda pattern: st.tuples(st.just(pattern), st.from_regex(pattern, fullmatch=True))
    )
)
def test_whatever_a_pattern_matches_has_the_text_it_needs(found: tuple[str, str]) -> None:
    pattern, text = found
    assert required_text(pattern) in text
