"""Erasing somebody wipes what failures told about them as well, and the block stays."""

from __future__ import annotations

from tests.service import Service
from validator.feedback.recording import Changed
from validator.feedback.service import notice_of
from validator.feedback.store.notices import add_notices, count_notices


async def test_an_erased_address_leaves_no_event_and_stays_blocked(running: Service) -> None:
    gone = {"address": "Anna@acme.test", "kind": "bounce", "text": "550 5.1.1 User unknown", "id": "e-1"}
    other = {**gone, "address": "petr@acme.test", "id": "e-2"}
    assert (await running.post("/events", [gone, other])).status == 200
    response = await running.post("/blacklist/erase", {"addresses": ["anna@acme.test"]})
    assert response.status == 200, await response.text()
    left = await (await running.client.get("/events", params={"address": "anna@acme.test"})).json()
    assert left["events"] == []
    kept = await (await running.client.get("/events", params={"address": "petr@acme.test"})).json()
    assert len(kept["events"]) == 1
    assert (await running.check("anna@acme.test"))["reason"] == "blacklisted"


async def test_what_fails_after_an_erasure_leaves_no_words_with_the_entry(running: Service) -> None:
    event = {"address": "anna@acme.test", "kind": "bounce", "text": "452 4.2.2 mailbox full", "id": "e-1"}
    assert (await running.post("/events", {**event, "text": "550 5.1.1 No such user"})).status == 200
    assert (await running.post("/blacklist/erase", {"addresses": ["anna@acme.test"]})).status == 200
    later = {**event, "text": "550 5.2.1 anna@acme.test is disabled", "id": "e-2"}
    assert (await running.post("/events", later)).status == 200
    told = await (await running.client.get("/blacklist/address/anna@acme.test")).json()
    assert told["blocked"] is True
    [entry] = told["entries"]
    assert entry["note"] == ""
    assert "anna" not in str(entry["history"])


async def test_notices_about_an_erased_address_go_and_those_about_others_stay(running: Service) -> None:
    database = running.runtime.database
    addresses = ["Ann@acme.test", "joann@acme.test", "ann@acme.test.example", "Ann@почта.рф", "x_ann@acme.test"]
    now = running.runtime.feedback.clock()
    changes = [Changed(address, None, f"about {address}") for address in addresses]
    async with database.transaction() as conn:
        await add_notices(conn, [notice_of(change, now) for change in changes], now)
    for erased, left in (("ann@acme.test", 4), ("ann@почта.рф", 3), ("%ann@acme.test", 3)):
        response = await running.post("/blacklist/erase", {"addresses": [erased]})
        assert response.status == 200, await response.text()
        async with database.reading() as conn:
            assert await count_notices(conn) == {"pending": left}
