"""The blacklist over HTTP beyond the sentences of the contract: what people and tools run into, on both databases."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from tests.blacklist.test_contract import blocked, brought, call, enter
from tests.service import Service, service
from validator.blacklist.store.tables import ENTRIES


@pytest.fixture
async def served(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A whole service on either database."""
    async with service(tmp_path, database_url=SecretStr(database_url)) as started:
        yield started


async def exported(served: Service, **params: str) -> list[dict[str, Any]]:
    """An export as NDJSON, line by line."""
    text = await call(served, "GET", "/blacklist/export", params={"format": "ndjson", **params})
    return [orjson.loads(line) for line in text.splitlines()]


async def values(served: Service, **params: str) -> set[str]:
    """Values of what an export holds."""
    return {row["value"] for row in await exported(served, fields="value", **params)}


async def expire(served: Service, identifier: str) -> None:
    """Let the time of an entry be over."""
    async with served.runtime.database.transaction() as conn:
        over = datetime.now(UTC) - timedelta(days=1)
        await conn.execute(ENTRIES.update().where(ENTRIES.c.id == int(identifier)).values(expires=over))


def same(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an export and an import keep: everything but the order and who did it."""
    kept = [{name: value for name, value in row.items() if name != "actor"} for row in rows]
    return sorted(kept, key=lambda row: str(row["value"]))


async def people_of_every_sort(served: Service) -> None:
    """One entry of each sort, on the default list unless it is called otherwise."""
    for name in ("active", "archived", "removed", "over", "allowed", "elsewhere", "wish", "bydomain"):
        fields: dict[str, Any] = {"list": "news"} if name == "elsewhere" else {}
        fields |= {"cause": "complaint" if name == "wish" else "mailbox_not_found"}
        domain = "allowed.example" if name == "bydomain" else "example.org"
        entry = await enter(served, f"{name}@{domain}", **fields)
        if name == "archived":
            await call(served, "POST", f"/blacklist/{entry['id']}/archive")
        elif name == "removed":
            await call(served, "DELETE", f"/blacklist/{entry['id']}")
        elif name == "over":
            await expire(served, entry["id"])
    for value in ("allowed@example.org", "wish@example.org", "allowed.example"):
        await call(served, "POST", "/allowlist", {"value": value, "note": "sure"}, 201)


async def test_an_export_is_whom_a_plain_check_calls_blacklisted_now(served: Service) -> None:
    await people_of_every_sort(served)
    assert await values(served) == {"active@example.org", "archived@example.org", "wish@example.org"}
    everybody = await values(served, everything="true")
    for value in everybody:
        [found] = await blocked(served, value)
        assert found == (value in await values(served)), value
    assert await values(served, list="news") == {"elsewhere@example.org"}
    assert await values(served, state="removed") == {"removed@example.org"}
    assert await values(served, overridden="true") == {"allowed@example.org", "bydomain@allowed.example"}
    assert await values(served, expired="true") == {"over@example.org"}


async def test_a_rule_about_a_domain_and_what_lies_below_is_exported_although_the_domain_itself_is_allowed(
    served: Service,
) -> None:
    await enter(served, "one.example", cause="domain_not_found")
    await enter(served, "wide.example", cause="domain_not_found", below=True)
    for value in ("one.example", "wide.example"):
        await call(served, "POST", "/allowlist", {"value": value, "note": "sure"}, 201)
    assert await values(served) == {"wide.example"}
    assert await blocked(served, "a@one.example", "a@wide.example", "a@b.wide.example") == [False, False, True]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_of_everything_and_an_import_of_it_make_the_same_set(
    served: Service, tmp_path: Path, form: str
) -> None:
    await people_of_every_sort(served)
    await enter(served, "*.wide.example", note="=1+1; two, three")
    was = await exported(served, everything="true")
    assert len(was) == 9
    body = await call(served, "GET", "/blacklist/export", params={"everything": "true", "format": form})
    folder = tmp_path / "other"
    folder.mkdir()
    async with service(folder) as other:
        report = await brought(other, body)
        assert (report["counts"]["added"], report["counts"]["faults"]) == (9, 0)
        assert same(await exported(other, everything="true")) == same(was)


async def test_counts_are_of_what_blocks_now(served: Service) -> None:
    await people_of_every_sort(served)
    found = await call(served, "GET", "/blacklist/stats")
    assert {row["name"]: row["count"] for row in found["groups"]} == {"mailbox_not_found": 3, "complaint": 1}
    only = await call(served, "GET", "/blacklist/stats", params={"list": "default", "group_by": "state"})
    assert {row["name"]: row["count"] for row in only["groups"]} == {"active": 2, "archived": 1}
    gone = await call(served, "GET", "/blacklist/stats", params={"state": "removed"})
    assert gone["total"] == 1
    lists = await call(served, "GET", "/blacklist/lists")
    assert [(row["name"], row["entries"]) for row in lists["lists"]] == [("default", 3), ("news", 1)]


async def test_a_list_that_there_is_not_is_named_and_nothing_passes_silently(served: Service) -> None:
    await enter(served, "jane@gmail.com", list="news")
    for path, body in (
        ("/check", {"email": "jane@gmail.com", "lists": ["news", "newss"]}),
        ("/check/batch", {"emails": ["jane@gmail.com"], "lists": ["news", "newss"]}),
        ("/blacklist/lookup", {"keys": ["jane@gmail.com"], "lists": ["news", "newss"]}),
    ):
        refused = await call(served, "POST", path, body, 404)
        assert [error["pointer"] for error in refused["errors"]] == ["/lists/1"]
        assert "newss" in refused["detail"]
    for path in ("/blacklist", "/blacklist/export", "/blacklist/stats"):
        refused = await call(served, "GET", path, status=404, params={"list": "news,newss"})
        assert [error["pointer"] for error in refused["errors"]] == ["/query/list/1"]
    await call(served, "POST", "/blacklist/remove", {"filter": {"list": ["newss"]}, "dry_run": True}, 404)
    await call(served, "PUT", "/blacklist/lists/newss", {}, 201)
    assert (await served.check("jane@gmail.com", lists=["newss"]))["valid"]
    assert not (await served.check("jane@gmail.com", lists=["newss", "news"]))["valid"]


async def test_a_list_that_another_replica_made_is_known_at_once(
    served: Service, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    async with service(folder, database_url=SecretStr(database_url)) as other:
        await enter(other, "jane@gmail.com", list="fresh")
        assert not (await served.check("jane@gmail.com", lists=["fresh"]))["valid"]


async def test_an_empty_list_can_be_deleted_and_a_used_one_cannot(served: Service) -> None:
    await call(served, "PUT", "/blacklist/lists/typo", {"note": "by mistake"}, 201)
    await call(served, "DELETE", "/blacklist/lists/typo", status=204)
    await call(served, "GET", "/blacklist/lists/typo", status=404)
    await call(served, "DELETE", "/blacklist/lists/typo", status=404)
    await call(served, "POST", "/check", {"email": "jane@gmail.com", "lists": ["typo"]}, 404)
    assert "default" in (await call(served, "DELETE", "/blacklist/lists/default", status=409))["detail"]
    entry = await enter(served, "jane@gmail.com", list="used")
    assert "1 active" in (await call(served, "DELETE", "/blacklist/lists/used", status=409))["detail"]
    await call(served, "DELETE", f"/blacklist/{entry['id']}")
    assert "1 removed" in (await call(served, "DELETE", "/blacklist/lists/used", status=409))["detail"]


async def test_a_list_of_an_import_that_was_undone_can_be_deleted_and_its_entries_still_tell_their_story(
    served: Service,
) -> None:
    report = await brought(served, "jane@gmail.com\n", list="typo")
    [entry] = (await call(served, "GET", "/blacklist", params={"list": "typo"}))["entries"]
    await call(served, "DELETE", f"/blacklist/imports/{report['id']}")
    await call(served, "DELETE", "/blacklist/lists/typo", status=204)
    told = await call(served, "GET", f"/blacklist/{entry['id']}")
    assert (told["list"], told["state"]) == ("typo", "undone")
    names = [row["name"] for row in (await call(served, "GET", "/blacklist/lists"))["lists"]]
    assert names == ["default"]
    await enter(served, "jane@gmail.com", list="typo")
    assert not (await served.check("jane@gmail.com", lists=["typo"]))["valid"]


async def test_entries_are_found_by_the_import_that_entered_them(served: Service) -> None:
    await enter(served, "before@example.org")
    first = await brought(served, "one@example.org\n")
    second = await brought(served, "value,source,state\ntwo@example.org,crm,active\n")
    for report, value in ((first, "one@example.org"), (second, "two@example.org")):
        found = await call(served, "GET", "/blacklist", params={"import": report["id"]})
        assert [entry["value"] for entry in found["entries"]] == [value]
    wanted = {"filter": {"import": second["id"]}}
    assert (await call(served, "POST", "/blacklist/remove", {**wanted, "dry_run": True}))["number"] == 1
    await call(served, "GET", "/blacklist", status=422, params={"import": "seven"})


async def test_the_token_of_a_removal_is_what_undo_takes(served: Service) -> None:
    await enter(served, "jane@example.org")
    preview = await call(served, "POST", "/blacklist/remove", {"filter": {"q": "jane"}, "dry_run": True})
    assert preview["token"] is None
    done = await call(served, "POST", "/blacklist/remove", {"filter": {"q": "jane"}})
    assert (await call(served, "POST", "/blacklist/undo", {"token": done["token"]}))["status"] == "undone"
    assert await blocked(served, "jane@example.org") == [True]
    missing = await call(served, "POST", "/blacklist/undo", {"token": "none"}, 404)
    assert missing["detail"] == "no import or bulk removal with this identifier"


async def test_only_imports_have_lines_at_fault(served: Service) -> None:
    report = await brought(served, "jane@example.org\nno\n")
    listed = (await call(served, "GET", "/blacklist/imports"))["imports"]
    assert "faults" not in listed[0]
    assert listed[0]["counts"]["faults"] == 1
    assert [fault["line"] for fault in report["faults"]] == [2]
    done = await call(served, "POST", "/blacklist/remove", {"filter": {"q": "jane"}})
    assert (await call(served, "GET", f"/blacklist/imports/{done['token']}"))["removed"] == 1
    for identifier in (done["token"], "9999"):
        missing = await call(served, "GET", f"/blacklist/imports/{identifier}/faults", status=404)
        assert missing["detail"] == "no import with this identifier"
    missing = await call(served, "GET", "/blacklist/imports/9999", status=404)
    assert missing["detail"] == "no import or bulk removal with this identifier"
    assert (await call(served, "GET", "/allowlist/9999", status=404))["detail"].startswith("no allow-list rule")


async def test_a_body_with_nothing_in_it_is_refused_in_words_and_leaves_no_import(served: Service) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n\r\n--x--\r\n'

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    for body, headers in (
        (None, {}),
        (b"", {}),
        (nothing(), {}),
        (form, {"Content-Type": "multipart/form-data; boundary=x"}),
    ):
        async with served.client.post("/blacklist/imports", data=body, headers=headers) as answer:
            assert answer.status == 400
            assert "empty" in (await answer.json(content_type=None))["detail"]
    async with served.client.post("/blacklist/imports", json={"text": ""}) as answer:
        assert answer.status == 422
    assert (await call(served, "GET", "/blacklist/imports"))["imports"] == []


@pytest.mark.parametrize("said", [True, False], ids=["declared", "not declared"])
async def test_a_compressed_list_is_the_list_in_it(served: Service, said: bool) -> None:
    text = "email;comment\njane@example.com;x\nno address\njoe@example.com;\n"
    packed = gzip.compress(text.encode("utf-16")[:40]) + gzip.compress(text.encode("utf-16")[40:])
    headers = {"Content-Encoding": "gzip"} if said else {}
    for query, status in (("?dry_run=true", 200), ("", 201)):
        answer = await served.post(f"/blacklist/imports{query}", packed, headers=headers)
        report = await answer.json()
        assert answer.status == status, report
        assert (report["counts"]["lines"], report["counts"]["added"]) == (4, 2)
        assert [fault["line"] for fault in report["faults"]] == [3]
    assert not (await served.check("joe@example.com", lists=[]))["valid"]


async def test_a_compressed_file_in_a_form_is_the_list_in_it(served: Service) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="list.csv.gz"\r\n\r\n'
    form = head + gzip.compress(b"jane@example.com\n") + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await served.post("/blacklist/imports", form, headers=headers)
    assert (await answer.json())["counts"]["added"] == 1
    answer = await served.post(
        "/blacklist/imports", gzip.compress(form), headers=headers | {"Content-Encoding": "gzip"}
    )
    assert answer.status == 415


async def test_a_list_that_is_damaged_cut_off_or_grows_without_end_enters_nothing(served: Service) -> None:
    whole = gzip.compress("".join(f"user{number}@example.com\n" for number in range(200_000)).encode())
    bomb = gzip.compress(b"\n" * 20_000_000)
    for body in (whole[:-12], whole[:9_000] + b"\x00" * 100, bomb):
        for query in ("", "?dry_run=true"):
            answer = await served.post(f"/blacklist/imports{query}", body)
            assert answer.status == 422, await answer.text()
            assert "gzip" in (await answer.json(content_type=None))["detail"]
    assert (await call(served, "GET", "/blacklist"))["entries"] == []
    assert {batch["status"] for batch in (await call(served, "GET", "/blacklist/imports"))["imports"]} == {"failed"}


@pytest.mark.parametrize("head", [b"PK\x03\x04\x14\x00", b"%PDF-1.7\n", b"BZh91AY&SY\x00"])
async def test_a_file_that_is_no_text_is_refused_by_what_it_is(served: Service, head: bytes) -> None:
    answer = await served.post("/blacklist/imports", head + bytes(range(256)) * 8)
    assert answer.status == 415
    assert "save the list as CSV" in (await answer.json(content_type=None))["detail"]
    assert (await call(served, "GET", "/blacklist/imports"))["imports"] == []


async def test_a_name_that_begins_like_an_archive_is_a_name(served: Service) -> None:
    assert (await brought(served, "BZhang@example.com\nBZh91@example.com\n"))["counts"]["added"] == 2


async def test_a_dry_run_says_whom_a_rule_of_an_import_would_hit(served: Service) -> None:
    text = "142.250.0.0/21\ngmail.com\nok.example\n"
    report = await brought(served, text, 200, dry_run=True)
    assert (report["counts"]["added"], report["counts"]["faults"]) == (1, 2)
    assert [fault["code"] for fault in report["faults"]] == ["too_wide", "too_wide"]
    assert all("Google" in fault["detail"] for fault in report["faults"])
    forced = await brought(served, text, 200, dry_run=True, force=True)
    assert (forced["counts"]["added"], forced["counts"]["faults"]) == (3, 0)
    assert (await call(served, "GET", "/blacklist"))["entries"] == []


@pytest.mark.parametrize("cause", ["complaint", "unsubscribe", "manual"])
async def test_an_acknowledgement_is_kept_shown_and_taken_back(served: Service, cause: str) -> None:
    await enter(served, "jane@gmail.com", cause=cause)
    rule = {"value": "jane@gmail.com", "note": "wrote to us"}
    plain = await call(served, "POST", "/allowlist", rule, 201)
    assert plain["acknowledge_complaint"] is False
    assert not (await served.check("jane@gmail.com"))["valid"]
    sure = await call(served, "POST", "/allowlist", rule | {"acknowledge_complaint": True})
    assert (sure["id"], sure["acknowledge_complaint"]) == (plain["id"], True)
    checked = await served.check("jane@gmail.com", explain=True)
    assert (checked["valid"], checked["explain"]["entries"][0]["overridden"]) == (True, True)
    assert checked["explain"]["entries"][0]["value"] is None
    await call(served, "DELETE", f"/allowlist/{sure['id']}")
    assert not (await served.check("jane@gmail.com"))["valid"]


@pytest.mark.parametrize("value", ["gmail.com", "co.uk"])
async def test_allowing_half_the_world_needs_force_and_an_acknowledgement_is_not_force(
    served: Service, value: str
) -> None:
    rule = {"value": value, "note": "ours", "acknowledge_complaint": True}
    refused = await call(served, "POST", "/allowlist", rule, 422)
    assert refused["type"] == "/problems/rule-too-wide"
    await call(served, "POST", "/allowlist", rule | {"force": True}, 201)


async def test_lines_that_are_entered_without_something_are_counted_as_warnings_and_told(served: Service) -> None:
    lines = ("a@example.org,zombie,2024-01-02", "b@example.org,spam,someday", "c@example.org,spam,2024-01-02")
    text = "\n".join(("email,type,created", *lines))
    report = await brought(served, text)
    counts = report["counts"]
    assert (counts["added"], counts["warnings"], counts["faults"], counts["left_out"]) == (3, 2, 0, 0)
    assert [(fault["line"], fault["code"]) for fault in report["faults"]] == [
        (2, "unknown_cause"), (3, "unreadable_date"),
    ]  # fmt: skip
    again = await call(served, "GET", f"/blacklist/imports/{report['id']}")
    assert again["counts"]["warnings"] == 2
    dry = await brought(served, text, 200, dry_run=True)
    assert (dry["counts"]["warnings"], dry["counts"]["unchanged"]) == (2, 3)


RUSSIAN = 'Эл. почта;Причина;Комментарий\r\nivan@example.org;отписка;"сам, попросил"\r\n<petr@example.org>;жалоба;\r\n'


@pytest.mark.parametrize(
    ("encoding", "params"),
    [("cp1251", {}), ("cp1251", {"encoding": "cp1251"}), ("koi8-r", {"encoding": "koi8-r"}), ("utf-8-sig", {}),
     ("utf-8-sig", {"encoding": "cp1251"}), ("utf-16", {})],
)  # fmt: skip
async def test_a_table_from_a_russian_spreadsheet_is_read(
    served: Service, encoding: str, params: dict[str, str]
) -> None:
    report = await brought(served, RUSSIAN.encode(encoding), **params)
    assert (report["counts"]["added"], report["counts"]["faults"]) == (2, 0)
    [ivan] = (await call(served, "GET", "/blacklist/address/ivan@example.org"))["entries"]
    assert (ivan["cause"], ivan["note"]) == ("unsubscribe", "сам, попросил")


async def test_a_line_in_an_encoding_that_nobody_named_is_told_with_the_way_out(served: Service) -> None:
    report = await brought(served, "email;prénom\r\na@example.org;Zoë\r\nb@example.org;Bo\r\n".encode("cp1252"))
    assert [(fault["line"], fault["code"]) for fault in report["faults"]] == [(1, "unreadable"), (2, "unreadable")]
    assert "encoding" in report["faults"][0]["detail"]
    await brought(served, b"a@example.org\n", 422, encoding="klingon")


async def test_a_paste_that_does_not_say_that_it_is_json_is_a_paste(served: Service) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b'{"text": "a@example.org\\nb@example.org"}'
    report = await call(served, "POST", "/blacklist/imports", body, 201, headers=headers)
    assert (report["counts"]["added"], report["counts"]["faults"]) == (2, 0)
    await call(served, "POST", "/blacklist/imports", b'{"text": "a@example.org', 400, headers=headers)


async def test_an_entry_shows_the_events_that_led_to_it(served: Service) -> None:
    for number, text in enumerate(("452 4.2.2 mailbox full", "550 5.1.1 User unknown")):
        event = {"address": "Jane@example.org", "kind": "bounce", "text": text, "id": f"e{number}"}
        await call(served, "POST", "/events", event)
    told = await call(served, "GET", "/blacklist/address/jane@example.org")
    [entry] = told["entries"]
    evidence = entry["evidence"]
    assert [event["reason"] for event in evidence] == ["mailbox_not_found", "mailbox_full"]
    assert (evidence[0]["enhanced_status"], evidence[0]["text"]) == ("5.1.1", "550 5.1.1 User unknown")
    assert (await call(served, "GET", f"/blacklist/{entry['id']}"))["evidence"] == evidence
    await call(served, "POST", "/blacklist/erase", {"addresses": ["jane@example.org"]})
    assert (await call(served, "GET", f"/blacklist/{entry['id']}"))["evidence"] == []
    erased = await call(served, "GET", "/blacklist/address/jane@example.org")
    assert erased["blocked"] is True
    assert "User unknown" not in orjson.dumps(erased).decode()


async def test_an_address_that_is_blocked_by_a_rule_about_its_domain_tells_so(served: Service) -> None:
    rule = await enter(served, "bad.example", note="spam house")
    told = await call(served, "GET", "/blacklist/address/jane@bad.example")
    assert (told["blocked"], told["entries"]) == (True, [])
    assert [(found["id"], found["kind"]) for found in told["rules"]] == [(rule["id"], "domain")]
    await call(served, "GET", "/blacklist/address/jane@good.example", status=404)


async def test_an_export_names_its_columns_and_opens_as_text(served: Service) -> None:
    await enter(served, "jane@example.org", note="=cmd|' /C calc'!A0")
    text = await call(served, "GET", "/blacklist/export", params={"fields": "value,note"})
    assert list(csv.reader(io.StringIO(text.decode()), strict=True)) == [
        ["value", "note"], ["jane@example.org", "'=cmd|' /C calc'!A0"],
    ]  # fmt: skip


ODD_NOTES = ["  ", "\ttab", "=cmd()", "'=1", "''-x", "@x", 'a "b"', "one\r\ntwo", "\rthree", "#x", "a;b,c|d"]


async def test_odd_addresses_and_notes_come_back_from_an_export_as_they_were(
    served: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for number, note in enumerate(ODD_NOTES):
        await enter(served, f"{number}@example.org", note=note, source=note or "api")
    for value in [
        "'=jane@example.org",
        "'jane@example.org",
        "=jane@example.org",
        "#j@example.org",
        "a|b{c}@example.org",
    ]:
        await enter(served, value)
    whole = await exported(served, everything="true")
    async with service(tmp_path_factory.mktemp("other")) as other:
        for form in ("csv", "ndjson"):
            text = await call(served, "GET", "/blacklist/export", params={"everything": "true", "format": form})
            report = await brought(other, text)
            assert report["faults"] == []
            assert same(await exported(other, everything="true")) == same(whole)
            await call(other, "DELETE", f"/blacklist/imports/{report['id']}")
    assert {row["value"] for row in whole} >= {"'=jane@example.org", "'jane@example.org"}


async def test_an_erasure_takes_the_allow_list_rule_along_and_what_it_held_back_blocks_again(served: Service) -> None:
    await enter(served, "jane@example.org", cause="mailbox_not_found")
    await call(served, "POST", "/allowlist", {"value": "jane@example.org", "note": "sure"}, 201)
    assert await blocked(served, "jane@example.org") == [False]
    await call(served, "POST", "/blacklist/erase", {"addresses": ["jane@example.org"]})
    assert await blocked(served, "jane@example.org") == [True]
    assert (await call(served, "GET", "/allowlist"))["entries"] == []
