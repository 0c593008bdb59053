"""Section 4 of the contract, sentence by sentence, over HTTP, on both databases."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from tests.service import Service, service
from validator.blacklist.entry import Cause, DomainKeys
from validator.blacklist.service import Blacklist
from validator.database import Database


@pytest.fixture
async def served(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A whole service on either database."""
    async with service(tmp_path, database_url=SecretStr(database_url)) as started:
        yield started


async def call(served: Service, method: str, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
    """One request, whose status must be this one; its JSON."""
    data = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    async with served.client.request(method, path, data=data, **options) as answer:
        text = await answer.read()
        assert answer.status == status, text
        return orjson.loads(text) if "json" in answer.content_type and "nd" not in answer.content_type else text


async def enter(served: Service, value: str, status: int = 201, **fields: Any) -> dict[str, Any]:
    """Enter one."""
    return dict(await call(served, "POST", "/blacklist", {"value": value, **fields}, status))


async def blocked(served: Service, *keys: Any, lists: tuple[str, ...] = ()) -> list[bool]:
    """What the look-up says."""
    found = await call(served, "POST", "/blacklist/lookup", {"keys": list(keys), "lists": list(lists)})
    return [result["blocked"] for result in found["results"]]


async def brought(served: Service, text: str | bytes, status: int = 201, **options: Any) -> dict[str, Any]:
    """Import a body."""
    data = text if isinstance(text, bytes) else text.encode()
    options = {name: str(value).lower() if isinstance(value, bool) else value for name, value in options.items()}
    return dict(await call(served, "POST", "/blacklist/imports", data, status, params=options))


async def test_one_resource_blacklist_with_four_kinds(served: Service) -> None:
    for value, kind in [
        ("jane@example.org", "address"), ("one.example", "domain"), ("192.0.2.7", "mx_ip"), ("2001:db8::/64", "mx_ip"),
    ]:  # fmt: skip
        assert (await enter(served, value))["kind"] == kind
    assert (await enter(served, "mx.evil.example", kind="mx_host"))["kind"] == "mx_host"


async def test_a_domain_and_below_when_asked(served: Service) -> None:
    await enter(served, "plain.example")
    await enter(served, "wide.example", below=True)
    assert await blocked(served, "plain.example", "a.plain.example", "wide.example", "a@b.wide.example") == [
        True, False, True, True,
    ]  # fmt: skip


async def test_an_mx_host_exact_or_suffix_on_a_label_border(served: Service) -> None:
    await enter(served, "mx.one.example", kind="mx_host")
    await enter(served, ".two.example", kind="mx_host")
    hosts = ["mx.one.example", "a.mx.one.example", "a.two.example", "atwo.example"]
    assert await blocked(served, *({"kind": "mx_host", "value": host} for host in hosts)) == [True, False, True, False]


async def test_an_entry_has_every_field(served: Service) -> None:
    await enter(served, "jane@gmail.com", cause="complaint", note="said so", last_event="2026-01-02T03:04:05Z")
    await served.check("jane@gmail.com")
    await served.runtime.blacklist.counting.write_blocked()
    [entry] = (await call(served, "GET", "/blacklist"))["entries"]
    expected = {
        "kind": "address", "value": "jane@gmail.com", "list": "default", "cause": "complaint", "source": "api",
        "note": "said so", "actor": "local", "expires": None, "state": "active", "times_blocked": 1,
    }  # fmt: skip
    assert {name: entry[name] for name in expected} == expected
    assert entry["id"]
    assert entry["created"] <= entry["last_blocked"]
    assert entry["last_event"].startswith("2026-01-02T03:04:05")


async def test_why_and_when_is_always_answerable(served: Service) -> None:
    entry = await enter(served, "jane@example.org", cause="mailbox_disabled", created="2025-05-05T00:00:00Z")
    await call(served, "PATCH", f"/blacklist/{entry['id']}", {"note": "called them"})
    await call(served, "DELETE", f"/blacklist/{entry['id']}", params={"why": "they wrote"})
    found = await call(served, "GET", "/blacklist/address/JANE@example.org")
    assert found["blocked"] is False
    [told] = found["entries"]
    assert (told["cause"], told["created"][:10]) == ("mailbox_disabled", "2025-05-05")
    assert [event["action"] for event in told["history"]] == ["added", "changed", "removed"]
    assert (told["history"][2]["why"], told["history"][2]["actor"]) == ("they wrote", "local")


@pytest.mark.parametrize("cause", list(Cause))
async def test_every_cause_is_accepted(served: Service, cause: Cause) -> None:
    assert (await enter(served, "jane@example.org", cause=cause))["cause"] == cause


async def test_active_blocks(served: Service) -> None:
    await enter(served, "jane@gmail.com")
    assert (await served.check("jane@gmail.com"))["reason"] == "blacklisted"


async def test_archived_hides_the_entry_but_still_blocks_and_a_reimport_finds_it_again(served: Service) -> None:
    entry = await enter(served, "jane@example.org", cause="complaint", created="2025-05-05T00:00:00Z")
    await call(served, "POST", f"/blacklist/{entry['id']}/archive")
    assert (await call(served, "GET", "/blacklist"))["entries"] == []
    assert await blocked(served, "jane@example.org") == [True]
    report = await brought(served, "jane@example.org\n")
    assert report["counts"]["found_again"] == 1
    [found] = (await call(served, "GET", "/blacklist"))["entries"]
    assert (found["id"], found["cause"], found["created"][:10]) == (entry["id"], "complaint", "2025-05-05")


async def test_removed_does_not_block_any_more_and_remembers_who_when_and_why(served: Service) -> None:
    entry = await enter(served, "jane@example.org")
    await call(served, "DELETE", f"/blacklist/{entry['id']}", {"why": "a mistake"})
    assert await blocked(served, "jane@example.org") == [False]
    [found] = (await call(served, "GET", "/blacklist", params={"state": "removed"}))["entries"]
    last = (await call(served, "GET", f"/blacklist/{found['id']}"))["history"][-1]
    assert (last["action"], last["actor"], last["why"]) == ("removed", "local", "a mistake")
    assert datetime.fromisoformat(last["at"]) <= datetime.now(UTC)


async def test_restore_brings_back_the_original_cause_and_date(served: Service) -> None:
    entry = await enter(served, "jane@example.org", cause="unsubscribe", created="2025-05-05T00:00:00Z")
    await call(served, "DELETE", f"/blacklist/{entry['id']}")
    back = await call(served, "POST", f"/blacklist/{entry['id']}/restore", {"why": "they did ask"})
    assert (back["state"], back["cause"], back["created"][:10]) == ("active", "unsubscribe", "2025-05-05")
    assert await blocked(served, "jane@example.org") == [True]


async def test_nothing_is_ever_deleted_except_by_an_erase_which_keeps_a_keyed_hash_so_that_the_block_survives(
    served: Service, database_url: str
) -> None:
    entry = await enter(served, "jane@example.org", cause="complaint", note="jane@example.org complained")
    await call(served, "PATCH", f"/blacklist/{entry['id']}", {"note": "jane@example.org again"})
    people = {"addresses": ["Jane@example.org", "nobody@example.org"]}
    assert await call(served, "POST", "/blacklist/erase", people) == {"erased": 1, "unknown": 1}
    assert await blocked(served, "jane@example.org") == [True]
    assert (await brought(served, "jane@example.org\n"))["counts"]["unchanged"] == 1
    told = await call(served, "GET", f"/blacklist/{entry['id']}")
    assert told["value"] == ""
    assert "jane" not in orjson.dumps(told).decode()
    assert "jane" not in (await call(served, "GET", "/blacklist/export", params={"fields": "all"})).decode()
    await call(served, "DELETE", f"/blacklist/{entry['id']}")
    assert await blocked(served, "jane@example.org") == [False]


async def test_default_always_applies_others_only_when_a_check_asks(served: Service) -> None:
    await enter(served, "jane@gmail.com", list="newsletter")
    assert (await served.check("jane@gmail.com"))["valid"]
    assert (await served.check("jane@gmail.com", lists=["newsletter"]))["reason"] == "blacklisted"
    await enter(served, "joan@gmail.com")
    assert (await served.check("joan@gmail.com", lists=["newsletter"]))["reason"] == "blacklisted"
    names = [entry["name"] for entry in (await call(served, "GET", "/blacklist/lists"))["lists"]]
    assert names == ["default", "newsletter"]


async def test_an_allow_list_entry_with_note_and_expiry_overrides_bounces_for_an_address_or_domain(
    served: Service,
) -> None:
    await enter(served, "jane@example.org", cause="mailbox_not_found")
    await enter(served, "other.example", cause="domain_not_found")
    await call(served, "POST", "/allowlist", {"value": "jane@example.org"}, 422)
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    rule = {"value": "Jane@example.org", "note": "she wrote to us", "expires": expires}
    first = await call(served, "POST", "/allowlist", rule, 201)
    assert await blocked(served, "jane@example.org", "joe@other.example") == [False, True]
    await call(served, "POST", "/allowlist", {"value": "other.example", "note": "it is back"}, 201)
    assert await blocked(served, "jane@example.org", "joe@other.example") == [False, False]
    await call(served, "DELETE", f"/allowlist/{first['id']}")
    assert await blocked(served, "jane@example.org") == [True]


async def test_complaints_and_unsubscribes_need_an_explicit_acknowledgement(served: Service) -> None:
    await enter(served, "jane@example.org", cause="complaint")
    await enter(served, "joan@example.org", cause="unsubscribe")
    both = ("jane@example.org", "joan@example.org")
    for value in both:
        await call(served, "POST", "/allowlist", {"value": value, "note": "sure"}, 201)
    assert await blocked(served, *both) == [True, True]
    for value in both:
        again = {"value": value, "note": "they asked us to", "acknowledge_complaint": True}
        await call(served, "POST", "/allowlist", again)
    assert await blocked(served, *both) == [False, False]


async def test_a_manual_entry_is_overridden_by_an_acknowledgement_or_an_exception_only(served: Service) -> None:
    await enter(served, "jane@example.org", cause="manual")
    await enter(served, "bad.example", cause="manual")
    domain = {"value": "example.org", "note": "our customer"}
    await call(served, "POST", "/allowlist", domain, 201)
    await call(served, "POST", "/allowlist", {"value": "bad.example", "note": "sure"}, 201)
    await call(served, "POST", "/allowlist", {"value": "one@other.example", "note": "sure"}, 201)
    assert await blocked(served, "jane@example.org", "joe@bad.example") == [True, True]
    await call(served, "POST", "/allowlist", {"value": "joe@bad.example", "note": "the good one"}, 201)
    assert await blocked(served, "joe@bad.example", "jim@bad.example") == [False, True]
    await call(served, "POST", "/allowlist", domain | {"acknowledge_complaint": True})
    assert await blocked(served, "jane@example.org") == [False]


@pytest.mark.parametrize("note", ["\u200b\u2060", " \u3164 ", "\u2800", "\ufeff"])
async def test_a_note_that_cannot_be_read_is_none(served: Service, note: str) -> None:
    await call(served, "POST", "/allowlist", {"value": "jane@example.org", "note": note}, 422)


async def test_a_plain_date_lasts_to_its_end_and_what_is_over_is_refused(served: Service) -> None:
    entry = await enter(served, "jane@example.org", expires="2126-12-01")
    assert entry["expires"].startswith("2126-12-01T23:59:59")
    for moment in ("2020-12-01", "2020-12-01T00:00:00Z", "2126-12-01T00:00:00", "soon"):
        await enter(served, "joan@example.org", 422, expires=moment)
        await call(served, "PATCH", f"/blacklist/{entry['id']}", {"expires": moment}, 422)
        await brought(served, "joan@example.org\n", 422, expires=moment)
        await call(served, "POST", "/allowlist", {"value": "a@example.org", "note": "n", "expires": moment}, 422)
    refused = await enter(served, "joan@example.org", 422, expires="2020-12-01")
    assert "over" in refused["errors"][0]["detail"]
    await brought(served, "joan@example.org\n", expires="2126-12-01")
    assert (await call(served, "GET", "/blacklist", params={"until": "2126-01-01", "q": "joan"}))["entries"]


async def test_a_star_for_everybody_is_refused_with_the_way_to_do_it(served: Service) -> None:
    for path in ("/blacklist", "/allowlist"):
        refused = await call(served, "POST", path, {"value": "*@acme.test", "note": "all"}, 422)
        assert "the domain" in refused["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("text", "value", "cause"),
    [
        ("jane@example.org, joan@example.org\n", "joan@example.org", "import"),
        ("email,created,reason,status\njane@example.org,1700000000,550 no such user,5.1.1\n", None,
         "mailbox_not_found"),
        ("address,code,error,created_at\njane@example.org,550,no,2024-01-02\n", None, "import"),
        ("address,code,error,created_at\njane@example.org,550,No such mailbox here,2024-01-02\n", None,
         "mailbox_not_found"),
        ("EmailAddress,Reason,LastUpdateTime\njane@example.org,COMPLAINT,2024-01-02T03:04:05Z\n", None, "complaint"),
        ("Recipient,SuppressionReason,Origin,CreatedAt\njane@example.org,HardBounce,Recipient,2024-01-02\n", None,
         "provider_list"),
        ('"E-mail";"Причина";"Дата добавления"\n"jane@example.org";"отписка";"01.02.2024 10:00"\n', None,
         "unsubscribe"),
        ('{"email": "jane@example.org", "type": "spam"}\n', None, "complaint"),
        ('{"paging": {}, "items": [\n{"address": "jane@example.org", "code": "550", "error": "no such user"}\n]}',
         None, "mailbox_not_found"),
        ("ID;E-mail;Причина\n7;jane@example.org;Несуществующий адрес\n", None, "mailbox_not_found"),
    ],
    ids=["plain", "sendgrid", "mailgun", "no such mailbox", "ses", "postmark", "bitrix24", "ndjson", "json",
         "a word of a list"],
)  # fmt: skip
async def test_an_import_is_a_paste_or_a_file_and_its_header_is_recognised(
    served: Service, text: str, value: str | None, cause: str
) -> None:
    pasted = await call(
        served, "POST", "/blacklist/imports", {"text": text}, 201, headers={"Content-Type": "application/json"}
    )
    assert pasted["counts"]["added"] >= 1
    found = await call(served, "GET", f"/blacklist/address/{value or 'jane@example.org'}")
    assert found["entries"][0]["cause"] == cause
    assert (await brought(served, text, name="file.csv"))["counts"]["unchanged"] >= 1


async def test_importing_a_list_of_blocks_does_not_blacklist_the_people_in_it_unless_told_to(served: Service) -> None:
    text = "email,created,reason,status\njane@example.org,1700000000,554 5.7.1 message looks like SPAM to me,5.7.1\n"
    report = await brought(served, text)
    assert (report["counts"]["added"], report["counts"]["left_out"]) == (0, 1)
    assert await blocked(served, "jane@example.org") == [False]
    assert (await brought(served, text, judge=False))["counts"]["added"] == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
async def test_utf_8_with_bom_and_utf_16_are_read(served: Service, encoding: str) -> None:
    report = await brought(served, "email;note\r\njane@example.org;жалоба\r\n".encode(encoding))
    assert (report["counts"]["added"], report["counts"]["faults"]) == (1, 0)


async def test_an_older_charset_is_believed_when_the_request_names_it(served: Service) -> None:
    body = "email;note\r\njane@example.org;Müller\r\n".encode("latin-1")
    headers = {"Content-Type": "text/csv; charset=iso-8859-1"}
    report = await call(served, "POST", "/blacklist/imports", body, 201, headers=headers)
    assert (report["counts"]["added"], report["counts"]["faults"]) == (1, 0)
    assert (await call(served, "GET", "/blacklist"))["entries"][0]["note"] == "Müller"


async def test_a_dry_run_changes_nothing(served: Service) -> None:
    report = await brought(served, "jane@example.org\nbad\n", 200, dry_run=True)
    assert (report["id"], report["counts"]["added"], report["faults"][0]["line"]) == (None, 1, 2)
    assert (await call(served, "GET", "/blacklist"))["entries"] == []


async def test_a_report_has_each_bad_line_with_number_and_cause_and_one_never_spoils_the_rest(served: Service) -> None:
    lines = (
        b'a@example.org\nno\n\xff\xfe\xfa@x.org\nb@@example.org\n"c@example.org\n'
        + b"x" * 70_000
        + b"\nd@example.org\n"
    )
    report = await brought(served, lines)
    assert report["counts"]["added"] == 3
    found = await call(served, "GET", f"/blacklist/imports/{report['id']}/faults")
    assert [(fault["line"], fault["code"]) for fault in found["faults"]] == [
        (2, "domain_single_label"), (3, "unreadable"), (4, "address_many_at"), (6, "unreadable"),
    ]  # fmt: skip


async def test_an_import_is_one_unit_that_can_be_undone(served: Service) -> None:
    await enter(served, "there@example.org", cause="complaint")
    before = await call(served, "GET", "/blacklist")
    report = await brought(served, "there@example.org\nnew@example.org\n*.new.example\n")
    undone = await call(served, "DELETE", f"/blacklist/imports/{report['id']}")
    assert undone["status"] == "undone"
    assert await call(served, "GET", "/blacklist") == before
    assert await blocked(served, "new@example.org", "a.new.example") == [False, False]


@pytest.mark.parametrize(
    ("value", "kind", "hit"),
    [
        ("gmail.com", None, "Google"),
        ("google.com", "mx_host", "Google"),
        (".outlook.com", "mx_host", "Microsoft"),
        ("142.250.0.0/21", None, "Google"),
        ("co.uk", None, None),
        ("10.0.0.0/8", None, None),
        ("2001:db8::/32", None, None),
    ],
)
async def test_a_rule_that_would_hit_half_the_world_is_refused_without_force_and_shows_whom_it_would_hit(
    served: Service, value: str, kind: str | None, hit: str | None
) -> None:
    refused = await enter(served, value, 422, kind=kind)
    assert refused["type"] == "/problems/rule-too-wide"
    if hit is not None:
        assert "would hit" in refused["detail"]
        assert hit in refused["detail"]
    await enter(served, value, kind=kind, force=True)


async def test_an_export_of_rules_alone_shows_them(served: Service) -> None:
    await enter(served, "bad.example")
    await enter(served, "jane@example.org")
    assert await call(served, "GET", "/blacklist/export", params={"kind": "domain"}) == b"value\r\nbad.example\r\n"


async def test_an_export_is_csv_of_addresses_by_default_all_fields_on_request_or_ndjson(served: Service) -> None:
    await enter(served, "+jane@example.org", note='=HYPERLINK("x")')
    await enter(served, "bad.example")
    plain = await call(served, "GET", "/blacklist/export")
    assert plain == b"email\r\n'+jane@example.org\r\n"
    whole = await call(served, "GET", "/blacklist/export", params={"fields": "all"})
    rows = list(csv.DictReader(io.StringIO(whole.decode()), strict=True))
    assert [row["kind"] for row in rows] == ["address", "domain"]
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    raw = await call(
        served, "GET", "/blacklist/export", params={"fields": "all"}, headers={"Accept": "application/x-ndjson"}
    )
    first = orjson.loads(raw.splitlines()[0])
    assert (first["value"], first["note"]) == ("+jane@example.org", '=HYPERLINK("x")')


async def test_counts_per_cause_kind_source_list_and_day_and_soft_bounced_apart(served: Service) -> None:
    await enter(served, "a@example.org", cause="complaint", created="2025-05-05T23:59:59Z")
    await enter(served, "b@example.org", cause="complaint", list="news")
    await brought(served, "c@example.org\n*.c.example\n")
    for group, expected in {
        "cause": {"complaint": 2, "import": 2},
        "kind": {"address": 3, "domain": 1},
        "source": {"api": 2, "import:1": 2},
        "list": {"default": 3, "news": 1},
        "state": {"active": 4},
        "day": {"2025-05-05": 1, f"{datetime.now(UTC):%Y-%m-%d}": 3},
    }.items():
        found = await call(served, "GET", "/blacklist/stats", params={"group_by": group})
        assert {row["name"]: row["count"] for row in found["groups"]} == expected
        assert found["total"] == 4
        assert "soft_bounced" in found


async def test_visible_to_every_check_on_every_replica_within_one_second_to_the_writing_process_at_once(
    database_url: str,
) -> None:
    first, second = await Database.open(database_url), await Database.open(database_url)
    async with Blacklist.open(first) as here, Blacklist.open(second) as there:
        from tests.blacklist.asking import blocked as is_blocked
        from tests.blacklist.asking import put

        await put(here, "jane@example.org")
        await put(here, "bad.example")
        asked = [DomainKeys("bad.example")]
        assert await is_blocked(here, "jane@example.org")
        assert await is_blocked(there, "jane@example.org")
        assert (await here.match_domains(asked))[0]
        version = there.rules_version
        async with asyncio.timeout(1.0):
            while there.rules_version == version:  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(0.01)
        assert there.rules_version == here.rules_version
        assert (await there.match_domains(asked))[0]
    await first.aclose()
    await second.aclose()


async def test_bulk_removal_shows_a_preview_and_gives_one_undo_token(served: Service) -> None:
    for name in "abc":
        await enter(served, f"{name}@example.org", cause="mailbox_not_found")
    await enter(served, "d@example.com")
    before = await call(served, "GET", "/blacklist")
    wanted = {"filter": {"domain": "example.org"}}
    assert (await call(served, "POST", "/blacklist/remove", {**wanted, "dry_run": True}))["number"] == 3
    await call(served, "POST", "/blacklist/remove", {**wanted, "expected": 2}, 409)
    await call(served, "POST", "/blacklist/remove", {"filter": {}}, 422)
    done = await call(served, "POST", "/blacklist/remove", {**wanted, "why": "our DNS was broken", "expected": 3})
    assert done["number"] == 3
    assert await blocked(served, "a@example.org", "d@example.com") == [False, True]
    assert (await call(served, "POST", "/blacklist/undo", {"token": done["undo"]}))["status"] == "undone"
    assert await call(served, "GET", "/blacklist") == before


async def test_pages_are_stable_while_entries_are_added(served: Service) -> None:
    for number in range(7):
        await enter(served, f"p{number}@example.org")
    seen: list[str] = []
    params: dict[str, str] = {"limit": "3"}
    while True:
        page = await call(served, "GET", "/blacklist", params=params)
        seen += [entry["value"] for entry in page["entries"]]
        await enter(served, f"late{len(seen)}@example.org")
        if page["cursor"] is None:
            break
        params["cursor"] = page["cursor"]
    assert seen == [f"p{number}@example.org" for number in reversed(range(7))]


@pytest.mark.parametrize(
    ("params", "values"),
    [
        ({"kind": "domain,mx_ip"}, {"bad.example", "192.0.2.0/24"}),
        ({"cause": "complaint"}, {"jane@example.org"}),
        ({"list": "news"}, {"joan@example.org"}),
        ({"domain": "example.org"}, {"jane@example.org", "joan@example.org"}),
        ({"q": "JANE"}, {"jane@example.org"}),
        ({"q": "100%"}, {"joan@example.org"}),
        ({"until": "2025-06-01T00:00:00Z"}, {"jane@example.org"}),
        ({"source": "crm"}, {"joan@example.org"}),
        ({"q": "a_b"}, set()),
    ],
)
async def test_a_search_filters(served: Service, params: dict[str, str], values: set[str]) -> None:
    await enter(served, "jane@example.org", cause="complaint", created="2025-05-05T00:00:00Z")
    await enter(served, "joan@example.org", list="news", note="100% sure", source="crm")
    await enter(served, "bad.example")
    await enter(served, "192.0.2.0/24")
    found = await call(served, "GET", "/blacklist", params=params)
    assert {entry["value"] for entry in found["entries"]} == values
