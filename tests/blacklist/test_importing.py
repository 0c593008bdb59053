"""Files into rows and faults; pure."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from validator.blacklist.entry import MAX_NOTE_CHARS, Cause, Kind, State
from validator.blacklist.importing import NOT_THE_RECIPIENT, Defaults, Fault, Reader, Row, Run
from validator.blacklist.importing.columns import armed, defused
from validator.blacklist.importing.dates import date_of, end_of
from validator.blacklist.importing.row import Format
from validator.blacklist.importing.rows import Rows


def read(data: bytes | str, *, cut: int | None = None, **defaults: object) -> list[Row | Fault]:
    """Every row and fault of a file, fed in pieces of *cut* bytes."""
    raw = data.encode() if isinstance(data, str) else data
    reader = Reader(Defaults(**defaults))  # type: ignore[arg-type]
    step = cut or len(raw) or 1
    found: list[Row | Fault] = []
    for start in range(0, len(raw), step):
        found += reader.feed(raw[start : start + step])
    found += reader.finish()
    return found


def keys(found: list[Row | Fault]) -> list[str]:
    """The keys of the rows."""
    return [item.rule.key for item in found if isinstance(item, Row)]


@pytest.mark.parametrize("cut", [1, 3, 7, 4_096, None])
def test_a_header_in_russian_words_tells_windows_cyrillic_wherever_the_chunks_end(cut: int | None) -> None:
    text = "Почта;Причина;Примечание\r\nivan@x.org;отписка;сам\r\nolga@x.org;жалоба;\r\n"
    assert read(text.encode("cp1251"), cut=cut) == read(text)
    assert [item.cause for item in read(text.encode("cp1251"), cut=cut) if isinstance(item, Row)] == [
        Cause.UNSUBSCRIBE, Cause.COMPLAINT,
    ]  # fmt: skip


@pytest.mark.parametrize("first", ["email;prénom", "Привет, мир", "почta;x", "шщъ@x.org"])
def test_what_is_no_header_in_russian_words_is_not_guessed_at(first: str) -> None:
    raw = first.encode("cp1252" if first.isascii() or "é" in first else "cp1251") + b"\nb@x.org\n"
    found = read(raw)
    assert isinstance(found[0], Fault)
    assert (found[0].line, found[0].code) == (1, "unreadable")
    assert keys(found) == ["b@x.org"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@x.org\nb@x.org\n", ["a@x.org", "b@x.org"]),
        ("a@x.org, b@x.org;c@x.org\td@x.org e@x.org", ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"]),
        ("John Smith <John@x.org>, <b@x.org>\n", ["john@x.org", "b@x.org"]),
        ("mailto:a@x.org\n", ["a@x.org"]),
        ("# comment\n\n   \na@x.org # why\n", ["a@x.org"]),
        ("a@x.org\rb@x.org\r\nc@x.org", ["a@x.org", "b@x.org", "c@x.org"]),
        ("@x.org\n*.y.org\n192.0.2.0/24\n2001:db8::1\n", ["x.org", "y.org", "192.0.2.0/24", "2001:db8::1/128"]),
        ("sep=;\nemail;x\na@x.org;1\n", ["a@x.org"]),
        ("E-Mail\na@x.org\n", ["a@x.org"]),
        ('{"emailAddress": "a@x.org"}\n"b@x.org"\n', ["a@x.org", "b@x.org"]),
        ("", []),
    ],
)
def test_every_form_is_read(text: str, expected: list[str]) -> None:
    assert keys(read(text)) == expected


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_chunk_borders_do_not_matter(encoding: str, cut: int) -> None:
    text = 'email,note\r\na@x.org,"two\r\nlines"\rb@x.org,ünï\nbad\n"c@x.org,open\nd@x.org,\n'
    raw = text.encode(encoding)
    assert read(raw, cut=cut) == read(raw)


PARTS = ["a@x.org", '"', "\r", "\n", "\r\n", ",", "email,note", "{", "é", "\x00"]


@given(st.lists(st.sampled_from(PARTS), max_size=40), st.integers(1, 9))
def test_no_text_raises_and_borders_never_matter(parts: list[str], cut: int) -> None:
    raw = "".join(parts).encode()
    assert read(raw, cut=cut) == read(raw)


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw: bytes) -> None:
    read(raw)


def test_a_quote_that_is_never_closed_costs_its_own_line_only() -> None:
    found = read('email,note\n"a@x.org,open\nb@x.org,1\nc@x.org,2\n')
    assert keys(found) == ["b@x.org", "c@x.org"]
    assert [item.line for item in found if isinstance(item, Fault)] == [2]


def test_a_note_of_our_own_export_has_as_many_lines_as_it_may_have_characters() -> None:
    note = '"\n' * (MAX_NOTE_CHARS // 2 - 2) + "end"
    cells = ["a@x.org", "active", note, "crm\n" * 200]
    text = io.StringIO()
    csv.writer(text).writerows([["email", "state", "note", "source"], cells, ["b@x.org", "active", "", ""]])
    found = read(text.getvalue())
    assert [(item.rule.key, item.note) for item in found if isinstance(item, Row)] == [
        ("a@x.org", note), ("b@x.org", None),
    ]  # fmt: skip
    assert len(found) == 2


def test_a_line_that_is_too_long_is_one_fault_and_is_not_held() -> None:
    found = read(b"a@x.org\n" + b"y" * 300_000 + b"\nb@x.org\n", cut=10_000)
    assert keys(found) == ["a@x.org", "b@x.org"]
    assert [(item.line, item.code) for item in found if isinstance(item, Fault)] == [(2, "unreadable")]


def test_columns_of_a_record_become_fields() -> None:
    [row] = read("value,kind,below,list,cause,note,created,expires,state,source\n"
                 "x.org,domain,true,news,complaint,hi,2024-01-02T03:04:05Z,2030-01-01,archived,crm\n")  # fmt: skip
    assert isinstance(row, Row)
    assert (row.rule.kind, row.rule.below, row.list, row.cause) == (Kind.DOMAIN, True, "news", Cause.COMPLAINT)
    assert (row.state, row.source, row.note) == (State.ARCHIVED, "crm", "hi")
    assert row.created == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_failures_of_the_sender_do_not_blacklist_people_when_somebody_can_judge() -> None:
    def judge(text: str) -> Cause | None:
        return None if "spam" in text else Cause.MAILBOX_NOT_FOUND

    text = "email,created,reason,status\na@x.org,1,554 looks like spam,5.7.1\nb@x.org,1,550 unknown user,5.1.1\n"
    left_out, row = read(text, classify=judge)
    assert isinstance(left_out, Fault)
    assert left_out.code == NOT_THE_RECIPIENT
    assert isinstance(row, Row)
    assert row.cause is Cause.MAILBOX_NOT_FOUND


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("1700000000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2024-02-01 10:00:00 UTC", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        ("2024-02-01T10:00:00+02:00", datetime(2024, 2, 1, 8, tzinfo=UTC)),
        ("Thu, 01 Feb 2024 10:00:00 GMT", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        ("01.02.2024 10:00", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        ("01.02.2024", datetime(2024, 2, 1, tzinfo=UTC)),
        ("20240201", datetime(2024, 2, 1, tzinfo=UTC)),
        ("2024/02/01 10:00", datetime(2024, 2, 1, 10, tzinfo=UTC)),
        ("02/01/2024", None),
        ("0", None),
        ("yesterday", None),
        ("99.99.2024", None),
        ("9" * 30, None),
        ("Mon, 1 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 1 Jan 99999999999999999999 00:00:00 +0000", None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_dates_of_every_kind_are_read(text: str, moment: datetime | None) -> None:
    assert date_of(text) == moment


@given(st.text(max_size=20))
def test_no_date_raises(text: str) -> None:
    date_of(text)
    end_of(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2030-01-02", datetime(2030, 1, 2, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("02.01.2030", datetime(2030, 1, 2, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("20300102", datetime(2030, 1, 2, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2030-01-02T00:00:00+00:00", datetime(2030, 1, 2, tzinfo=UTC)),
        ("never", None),
        ("0", None),
    ],
)
def test_a_plain_date_of_expiry_is_its_end_and_never_is_no_date(text: str, end: datetime | None) -> None:
    [row] = read(f"email,cause,expires\na@x.org,complaint,{text}\n")
    assert isinstance(row, Row)
    assert row.expires == end


def test_an_expiry_that_cannot_be_read_makes_no_entry() -> None:
    [fault] = read("email,cause,expires\na@x.org,complaint,soon\n")
    assert isinstance(fault, Fault)
    assert fault.code == "expires"


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("Spam Complaint", Cause.COMPLAINT),
        ("List Unsubscribe", Cause.UNSUBSCRIBE),
        ("Unsubscribe Link", Cause.UNSUBSCRIBE),
        ("Bounce Rule", Cause.MAILBOX_NOT_FOUND),
        ("Compliance", Cause.MAILBOX_NOT_FOUND),
    ],
)
def test_sparkpost_says_in_its_source_why_an_address_is_there(source: str, cause: Cause) -> None:
    head = "recipient,type,source,description,created,updated\n"
    line = f"a@x.org,non_transactional,{source},550 no such user,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z\n"
    [row] = [item for item in read(head + line, classify=judge) if isinstance(item, Row)]
    assert row.cause is cause


@pytest.mark.parametrize(("origin", "cause"), [("Recipient", Cause.UNSUBSCRIBE), ("Customer", Cause.MANUAL)])
def test_what_postmark_calls_manual_is_an_unsubscription_where_the_recipient_did_it(origin: str, cause: Cause) -> None:
    head = "EmailAddress,SuppressionReason,Origin,CreatedAt\n"
    [row] = read(f"{head}a@x.org,ManualSuppression,{origin},2019-12-17T08:58:33-05:00\n")
    assert isinstance(row, Row)
    assert row.cause is cause


@pytest.mark.parametrize("source", ["Spam Complaint", "crm"])
def test_in_our_own_export_a_source_says_nothing_about_the_cause(source: str) -> None:
    [row] = read(f"value,cause,state,source\na@x.org,manual,active,{source}\n")
    assert isinstance(row, Row)
    assert (row.cause, row.source) == (Cause.MANUAL, source)


@given(st.text(max_size=20))
def test_a_cell_is_never_a_formula_and_comes_back_as_it_was(cell: str) -> None:
    assert not defused(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert armed(defused(cell)) == cell


def test_the_format_is_told() -> None:
    for text, form in [("a@x.org\n", Format.TEXT), ("email\n", Format.CSV), ("{}  \n", Format.NDJSON)]:
        rows = Rows(Defaults())
        rows.feed([(1, text)])
        assert rows.format is form


@pytest.mark.parametrize(
    "text", ["ann @zed5.org", "contact me at zed7.com please", "joe smith@zed6.org", "ann@ zed5.org"]
)
def test_words_around_an_address_are_a_fault_and_never_half_of_somebody(text: str) -> None:
    [found] = Rows(Defaults()).feed([(1, text)])
    assert isinstance(found, Fault)


def judge(text: str) -> Cause | None:
    """A judge that knows three texts."""
    if "no such user" in text:
        return Cause.MAILBOX_NOT_FOUND
    if "full" in text:
        return Cause.MAILBOX_FULL
    return None if "spam" in text else Cause.IMPORT


POSTMARK = "RecordType,ID,Type,TypeCode,Name,Tag,Description,Details,Email,BouncedAt,Inactive\n"


def test_a_postmark_bounce_brings_its_time_its_text_and_the_cause_of_the_text() -> None:
    line = (
        "Bounce,1,HardBounce,1,Hard bounce,,Unable to deliver,smtp;550 no such user,a@x.org,2025-02-03T04:05:06Z,true\n"
    )
    [row] = read(POSTMARK + line, classify=judge)
    assert isinstance(row, Row)
    assert row.created == row.last_event == datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert (row.cause, row.note, row.expires) == (Cause.MAILBOX_NOT_FOUND, "smtp;550 no such user", None)


@pytest.mark.parametrize(
    "kind",
    ["SoftBounce", "SpamNotification", "Blocked", "DMARCPolicy", "Transient", "DnsError", "AutoResponder"],
)
def test_what_does_not_speak_against_the_address_for_good_is_left_out(kind: str) -> None:
    line = f"Bounce,1,{kind},1,,,Text,smtp;5 something,a@x.org,2025-02-03T04:05:06Z,false\n"
    for classify in (judge, None):
        [fault] = read(POSTMARK + line, classify=classify)
        assert isinstance(fault, Fault)
        assert fault.code == NOT_THE_RECIPIENT
    *_, row = read(POSTMARK + line, judge=False)
    assert isinstance(row, Row)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("address,code,error,created_at\na@x.org,605,Not delivering,2024-01-02\n", Cause.PROVIDER_LIST),
        ("address,code,error,created_at\na@x.org,606,Not delivering,2024-01-02\n", Cause.UNSUBSCRIBE),
        ("address,code,error,created_at\na@x.org,607,Not delivering,2024-01-02\n", Cause.COMPLAINT),
        ("address,code,error,created_at\na@x.org,452,,2024-01-02\n", None),
        ("email,created,reason,status\na@x.org,1700000000,552 mailbox full,5.2.2\n", None),
        ("email,created,reason,status\na@x.org,1700000000,550 no such user,5.1.1\n", Cause.MAILBOX_NOT_FOUND),
        ("emailAddress,bounceType,diagnosticCode\na@x.org,Transient,smtp; 452 full\n", None),
        ("emailAddress,bounceType,diagnosticCode\na@x.org,Permanent,smtp; 550 no such user\n", Cause.MAILBOX_NOT_FOUND),
        ("E-mail;Тип;Причина\na@x.org;мягкий;full\n", None),
        ("E-mail;Тип;Дата\na@x.org;жалоба;01.02.2024\n", Cause.COMPLAINT),
        ("email,cause,expires\na@x.org,mailbox_full,2030-01-01\n", Cause.MAILBOX_FULL),
        ("email,cause,state\na@x.org,mailbox_full,active\n", Cause.MAILBOX_FULL),
    ],
)
def test_soft_failures_of_any_provider_are_left_out_unless_they_expire(text: str, cause: Cause | None) -> None:
    [item] = read(text, classify=judge)
    assert (item.cause if isinstance(item, Row) else None) is cause, item


def test_a_word_or_date_that_is_not_known_is_told_and_kept_and_the_entry_is_made() -> None:
    warning, other, row = read("email,cause,created,note\na@x.org,wobbly,yesterday,called\n")
    assert isinstance(warning, Fault)
    assert isinstance(other, Fault)
    assert (warning.line, warning.code, other.line, other.code) == (2, "unknown_cause", 2, "unreadable_date")
    assert "created" in other.detail
    assert isinstance(row, Row)
    assert (row.cause, row.note, row.created) == (Cause.IMPORT, "called (wobbly)", None)


RUN_PARTS = [
    "a@x.org", "b.c+d@mail.x-y.com", "A@x.org", "a@X.org", "a@xn--p1ai.org", "a@axn--b.com", "..@x.org",
    f"{'a' * 70}@x.org", f"a@{'b' * 64}.org", "a@x", "a@x.o", "_a-@1.com", "a@-x.com", "a@x-.com", "a@x..com", "x.org",
    "email", "email,note", "#",
    " ", "\n", "\n", "\n", "\r\n", "\r", '"', ",", "é", "\x00", "{", "x" * 65_537,
]  # fmt: skip


@example(["\r", "\r\n", "a@x.org"], 1, {})
@given(
    st.lists(st.sampled_from(RUN_PARTS), max_size=60),
    st.integers(1, 40),
    st.sampled_from([{}, {"kind": Kind.ADDRESS}, {"kind": Kind.DOMAIN}, {"note": "n\x00", "cause": Cause.COMPLAINT}]),
)
def test_runs_of_plain_lines_come_to_the_same_as_line_by_line(
    parts: list[str], cut: int, defaults: dict[str, object]
) -> None:
    raw = "".join(parts).encode()
    reader = Reader(Defaults(**defaults))  # type: ignore[arg-type]
    found: list[Row | Fault] = []
    for start in range(0, len(raw), cut):
        for item in reader.feed_runs(raw[start : start + cut]):
            found += item.rows() if isinstance(item, Run) else [item]
    found += reader.finish()
    assert found == read(raw, **defaults)


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_run_is_cut_between_lines(lines: int, count: int) -> None:
    reader = Reader(Defaults())
    reader.feed(b"first@x.org\n")
    [run] = reader.feed_runs("".join(f"a{number}@x.org\n" for number in range(lines)).encode())
    assert isinstance(run, Run)
    head, rest = run.cut(count)
    assert [*head.rows(), *(rest.rows() if rest is not None else ())] == list(run.rows())
    assert head.lines == min(lines, count)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("ID;E-mail;Причина\n1;a@x.org;Жалоба на спам\n", Cause.COMPLAINT),
        ("E-mail;Причина\na@x.org;Пожаловался на рассылку\n", Cause.COMPLAINT),
        ("E-mail;Причина\na@x.org;Отписался от рассылки\n", Cause.UNSUBSCRIBE),
        ("E-Mail-Adresse;Grund;Datum\na@x.org;Beschwerde;01.02.2024\n", Cause.COMPLAINT),
        ("Adresse e-mail;Motif\na@x.org;Désinscription\n", Cause.UNSUBSCRIBE),
        ("Correo electrónico,Motivo\na@x.org,Queja\n", Cause.COMPLAINT),
        ("Indirizzo email;Motivo\na@x.org;Disiscritto\n", Cause.UNSUBSCRIBE),
        ("Adres e-mail;Powód\na@x.org;Skarga\n", Cause.COMPLAINT),
        ("邮箱,原因\na@x.org,退订\n", Cause.UNSUBSCRIBE),
        ("address,tags,created_at\na@x.org,*,2024-01-02\n", Cause.UNSUBSCRIBE),
        ("Email Address,First Name,UNSUB_TIME,UNSUB_REASON\na@x.org,A,2020-01-02,too much\n", Cause.UNSUBSCRIBE),
        ("Email Address,CLEAN_TIME\na@x.org,2020-01-02\n", Cause.PROVIDER_LIST),
        ("email,tags\na@x.org,vip\n", Cause.IMPORT),
    ],
)
def test_headers_and_words_of_other_languages_and_lists_for_one_cause_are_understood(text: str, cause: Cause) -> None:
    [row] = read(text, classify=judge)
    assert isinstance(row, Row), row
    assert (row.rule.value, row.cause) == ("a@x.org", cause)


def test_the_last_event_tells_since_when_where_nothing_else_does() -> None:
    [row] = read("EmailAddress,Reason,LastUpdateTime\na@x.org,BOUNCE,2020-04-10T21:03:05Z\n")
    assert isinstance(row, Row)
    assert row.created is not None
    assert row.created.year == 2020


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name,address,email\nAnna,Main St 1,anna@x.org\n", ["anna@x.org"]),
        ("contact,useremail\nAnna,anna@x.org\n", ["anna@x.org"]),
        ("address,tag\nanna@x.org,news\n", ["anna@x.org"]),
        ("value,email\nx.org,anna@x.org\n", ["x.org"]),
    ],
)
def test_an_address_is_a_street_where_there_is_an_email(text: str, found: list[str]) -> None:
    assert keys(read(text)) == found
