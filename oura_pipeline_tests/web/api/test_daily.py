"""One person's day over the API: what the published copy says at that moment, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from jsonschema import Draft202012Validator

from oura_pipeline.oura.http import tls
from oura_pipeline.warehouse.views.records import RECORDS
from oura_pipeline_tests.testing.published_copies import insert_rows, writable_copy
from oura_pipeline_tests.web.site_client import TOKEN, add_person, open_accounts_in, site_client

DAY = date(2026, 4, 10)
SLEEP = {"score": 84, "total_sleep_minutes": 447.5, "nap_count": 0}
HRV = {"hrv_average_ms": 41.25}
RECORDS_OF_THE_DAY = [
    ("ada", DAY, "sleep", "oura", json.dumps(SLEEP)),
    ("ada", DAY, "hrv", "oura", json.dumps(HRV)),
    ("ada", date(2026, 4, 9), "sleep", "oura", '{"score": 70}'),
    ("milo", DAY, "activity", "oura", '{"steps": 9000}'),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two people and what was published of them."""
    home = tmp_path_factory.mktemp("home")
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada")
        add_person(accounts, "milo")
    with writable_copy(home / "analytics.duckdb") as connection:
        insert_rows(connection, "daily_records", RECORDS_OF_THE_DAY)
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    """The operator's."""
    with site_client(home, oura_operator_token=TOKEN) as client:
        client.headers.update({"authorization": f"Bearer {TOKEN}"})
        yield client


def day_of(client: httpx.Client, username: str, day: str = "2026-04-10") -> httpx.Response:
    return client.get(f"/api/people/{username}/daily", params={"date": day})


def test_a_day_comes_from_the_published_copy(client: httpx.Client) -> None:
    """By type, numbers as they are; whole ones stay whole."""
    answer = day_of(client, "ada")
    assert answer.status_code == 200
    assert answer.text == (
        '{"username":"ada","date":"2026-04-10","records":['
        '{"metric_type":"hrv","source":"oura","metrics":{"hrv_average_ms":41.25}},'
        '{"metric_type":"sleep","source":"oura",'
        '"metrics":{"score":84,"total_sleep_minutes":447.5,"nap_count":0}}]}'
    )


def test_a_day_without_anything_is_empty(client: httpx.Client) -> None:
    """Which is no error."""
    answer = day_of(client, "milo", "2026-04-09")
    assert (answer.status_code, answer.json()) == (
        200,
        {"username": "milo", "date": "2026-04-09", "records": []},
    )


def test_only_the_operator_may_ask(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url, trust_env=False, verify=tls()) as stranger:
        answers = [day_of(stranger, "ada"), day_of(stranger, "nobody", "x")]
    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("username", ["nobody", "ADA", "..", "a'b"])
def test_an_unknown_person_has_no_day(client: httpx.Client, username: str) -> None:
    assert day_of(client, username).status_code == 404


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "query.date: Field required"),
        ({"date": "2026-02-30"}, "query.date: no such day"),
        ({"date": "20260410"}, "query.date: String should match pattern"),
        ({"date": "2026-4-1"}, "query.date: String should match pattern"),
        ({"date": "1775779200"}, "query.date: String should match pattern"),
        ({"date": "2026-04-10T00:00:00"}, "query.date: String should match pattern"),
        ({"date": ""}, "query.date: String should match pattern"),
    ],
)
def test_an_invalid_date_is_refused(client: httpx.Client, given: dict[str, str], said: str) -> None:
    answer = client.get("/api/people/ada/daily", params=given)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)


def test_the_schema_describes_it_with_units(client: httpx.Client) -> None:
    """The answer is as described, and every metric has a line that says what it is."""
    schema = client.get("/api/openapi.json").json()
    way = schema["paths"]["/people/{username}/daily"]["get"]
    assert {"200", "401", "404", "422", "503"} <= way["responses"].keys()
    assert [(p["name"], p["in"], p["required"]) for p in way["parameters"]] == [
        ("username", "path", True),
        ("date", "query", True),
    ]
    described = {"$ref": "#/components/schemas/DailyResponse", **schema}
    Draft202012Validator(described).validate(day_of(client, "ada").json())
    told = schema["components"]["schemas"]["DailyRecord"]["properties"]["metrics"]["description"]
    lines = [line for line in told.splitlines() if line.startswith("- ")]
    assert [line.split(":")[0] for line in lines] == [
        f"- {kind}, `{key}`" for kind, metrics in RECORDS.items() for key in metrics
    ]
    assert "- sleep, `latency_minutes`: " in told
    assert "bpm" in next(line for line in lines if "resting_heart_rate_bpm" in line)


def test_without_a_copy_it_says_what_to_do(tmp_path: Path) -> None:
    """And the next one is answered from, without a restart; one of an older version is not."""
    with open_accounts_in(tmp_path) as accounts:
        add_person(accounts, "ada")
    copy = tmp_path / "analytics.duckdb"
    with site_client(tmp_path, oura_operator_token=TOKEN) as client:
        client.headers.update({"authorization": f"Bearer {TOKEN}"})
        said = [_said(day_of(client, "ada"))]
        for score in (70, 71):
            _publish(copy, score)
            said.append(_said(day_of(client, "ada")))
        with duckdb.connect(str(copy)) as connection:
            connection.execute("DROP TABLE oura.daily_records")
        said.append(_said(day_of(client, "ada")))
    older = "the published copy is outdated: run `oura-pipeline sync`"
    assert said == [
        (503, f"there is no {copy} yet: `oura-pipeline sync` publishes it"),
        (200, [{"metric_type": "sleep", "source": "oura", "metrics": {"score": 70}}]),
        (200, [{"metric_type": "sleep", "source": "oura", "metrics": {"score": 71}}]),
        (503, older),
    ]


def _said(answer: httpx.Response) -> tuple[int, Any]:
    told = answer.json()
    return answer.status_code, told.get("detail", told.get("records"))


def _publish(copy: Path, score: int) -> None:
    """Swap in a copy with that score."""
    fresh = copy.with_name("fresh.duckdb")
    with writable_copy(fresh) as connection:
        insert_rows(
            connection, "daily_records", [("ada", DAY, "sleep", "oura", f'{{"score": {score}}}')]
        )
    fresh.replace(copy)
