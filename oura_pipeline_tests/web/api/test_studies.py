"""Studies by the API: who takes part, and who took their consent back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from oura_pipeline_tests.web.site_client import (
    TOKEN,
    add_person,
    open_accounts_in,
    site_client,
)

JOINED = {"first_day": "2026-03-02", "consent_version": "1.2", "consented_on": "2026-02-20"}
ADA = "/api/studies/nap/participants/ada"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with open_accounts_in(tmp_path) as accounts:
        add_person(accounts, "ada")
        add_person(accounts, "bob")
        accounts.studies.create("nap")
    with site_client(tmp_path, oura_operator_token=TOKEN) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


def test_a_person_joins_and_withdraws(client: httpx.Client) -> None:
    assert client.put("/api/studies/later").json() == ["later", "nap"]
    assert client.get("/api/studies").json() == ["later", "nap"]
    wanted = {**JOINED, "code": "A1", "document_types": ["sleep", "heartrate"]}
    joined = client.put(ADA, json=wanted).json()
    assert joined == {
        **wanted,
        "study": "nap",
        "username": "ada",
        "arm": None,
        "last_day": None,
        "document_types": ["heartrate", "sleep"],
        "withdrawn_on": None,
    }
    assert client.get("/api/studies/nap/participants").json() == [joined]
    withdrawn = client.post(f"{ADA}/withdraw").json()
    assert withdrawn == {**joined, "withdrawn_on": datetime.now(UTC).date().isoformat()}


def test_what_cannot_be_changes_nothing(client: httpx.Client) -> None:
    client.put("/api/studies/nap/participants/bob", json={**JOINED, "code": "B1"})
    before = client.get("/api/studies/nap/participants").json()
    asked = {
        "taken": client.put(ADA, json={**JOINED, "code": "B1"}),
        "a number": client.put(ADA, json={**JOINED, "first_day": 0}),
        "no type": client.put(ADA, json={**JOINED, "document_types": ["sleeep"]}),
        "no name": client.put("/api/studies/-nap"),
        "no such person": client.put("/api/studies/nap/participants/eve", json=JOINED),
        "no such study": client.put("/api/studies/none/participants/ada", json=JOINED),
        "not in it": client.post(f"{ADA}/withdraw"),
    }
    statuses = {name: answer.status_code for name, answer in asked.items()}
    assert statuses == {
        **dict.fromkeys(["taken", "a number", "no type", "no name"], 422),
        **dict.fromkeys(["no such person", "no such study", "not in it"], 404),
    }
    assert "somebody else has the code B1 in nap" in asked["taken"].json()["detail"]
    assert client.get("/api/studies/nap/participants").json() == before
