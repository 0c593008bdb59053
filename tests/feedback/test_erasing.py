"""Erasing somebody wipes what failures told about them as well, and the block stays."""

from __future__ import annotations

from tests.service import Service


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
