"""The table of document types: what stands in it, and that a row is all that a new type needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import httpx
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog import kinds
from oura_pipeline.catalog.document_types import (
    DOCUMENT_TYPES,
    SLEEP,
    VO2_MAX,
    DocumentType,
    get_document_type,
)
from oura_pipeline.catalog.fields import Field
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.paths import DESCRIPTION
from oura_pipeline_tests.testing.requirements import require_document
from oura_pipeline_tests.testing.world import World, metadata, red_checks, world

ROUTES = DESCRIPTION / "routes.json"
SCOPES_IN_WORDS = {"none for id; personal, email for the rest": "personal"}
NAMES = [
    "daily_activity",
    "daily_cardiovascular_age",
    "daily_readiness",
    "daily_resilience",
    "daily_sleep",
    "daily_spo2",
    "daily_stress",
    "enhanced_tag",
    "heartrate",
    "personal_info",
    "rest_mode_period",
    "ring_battery_level",
    "ring_configuration",
    "session",
    "sleep",
    "sleep_time",
    "tag",
    "vO2_max",
    "workout",
]
# What a type of a document may be called in Oura's description, by our kinds.
SAID = {
    kinds.TEXT: ("string", "enum"),
    kinds.TEXTS: ("array<string>",),
    kinds.INTEGER: ("integer",),
    kinds.NUMBER: ("number",),
    kinds.FLAG: ("boolean",),
    kinds.DAY: ("date",),
    kinds.INSTANT: ("datetime",),
    kinds.LOCAL: ("datetime(local offset)",),
    kinds.SERIES: ("series",),
    kinds.DIGITS: ("string",),
}

MOONLIGHT = DocumentType(
    name="daily_moonlight",
    scope="daily",
    description="Light of the moon on the sleeper.",
    fields=(
        Field("id", kinds.TEXT, "Oura's identifier of the document.", required=True),
        Field("day", kinds.DAY, "The day it belongs to.", required=True),
        Field("score", kinds.INTEGER, "Moonlight score, 1 to 100.", low=0, high=100),
        Field(
            "light",
            kinds.OBJECT,
            "How bright it was.",
            fields=(Field("average", kinds.NUMBER, "Mean brightness, lx."),),
        ),
    ),
)
NIGHTS = [
    {"id": "moon-1", "day": "2026-03-01", "score": 71, "light": {"average": 0.25}},
    {"id": "moon-2", "day": "2026-03-02", "score": None, "light": {"average": 0}},
    {"id": "moon-4", "day": "2026-03-04", "score": 99, "light": {"average": 1.5}},
]
TOKEN = "a-token-for-moonlight"


def test_there_are_nineteen() -> None:
    assert [document_type.name for document_type in DOCUMENT_TYPES] == NAMES


def test_no_two_share_a_table_an_address_or_a_webhook() -> None:
    for of in (lambda row: row.table, lambda row: row.path, lambda row: row.webhook):
        said = [
            of(document_type) for document_type in DOCUMENT_TYPES if of(document_type) is not None
        ]
        assert len(set(said)) == len(said)


def test_a_row_derives_what_it_does_not_say() -> None:
    said = (VO2_MAX.path, VO2_MAX.table, VO2_MAX.webhook, VO2_MAX.series, VO2_MAX.daily)
    assert said == ("/v2/usercollection/vO2_max", "vo2_max", "vo2_max", "vo2_max", True)


@pytest.mark.parametrize("name", ["vO2_max", "vo2_max", "VO2_MAX"])
def test_a_document_type_is_found_in_any_case(name: str) -> None:
    assert get_document_type(name) is VO2_MAX


def test_an_unknown_document_type_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(LookupError) as refused:
        get_document_type("sleeep")
    assert refused.value.args == (
        f"there is no document type 'sleeep'; known are: {', '.join(NAMES)}",
    )
    assert get_document_type("sleep") is SLEEP


@pytest.fixture(scope="module")
def routes() -> dict[str, dict[str, Any]]:
    """Oura's own description of its collections, by name."""
    require_document(ROUTES, "Oura's description of its routes")
    described = json.loads(ROUTES.read_text(encoding="utf-8"))["routes"]
    return {route["collection"]: route for route in described}


def test_the_table_has_what_oura_describes(routes: dict[str, dict[str, Any]]) -> None:
    """Every collection, with its address, scope, webhook and day."""
    ours = {
        document_type.name: (
            document_type.path,
            document_type.scope,
            document_type.webhook,
            document_type.day_field,
            document_type.single,
        )
        for document_type in DOCUMENT_TYPES
    }
    assert ours == {
        name: (
            route["path"],
            SCOPES_IN_WORDS.get(route["scope"], route["scope"]),
            route["webhook_data_type"],
            route["day_field"],
            route["single"] is not None,
        )
        for name, route in routes.items()
    }


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_fields_are_those_that_oura_describes(
    document_type: DocumentType, routes: dict[str, dict[str, Any]]
) -> None:
    """The same names; a kind that Oura's type can fill; nothing required that may be null."""
    ours = dict(leaves(document_type.fields))
    theirs = {field["name"]: field for field in routes[document_type.name]["fields"]}
    # Live rows of 2026 have one more than the description.
    assert ours.keys() - theirs.keys() <= {"producer_timestamp"}
    assert theirs.keys() <= ours.keys()
    for name, field in ours.items():
        if name not in theirs:
            continue
        assert theirs[name]["type"].startswith(SAID[field.kind]), name
        assert not (field.required and theirs[name]["nullable"]), name


def leaves(fields: Sequence[Field], above: str = "") -> Iterator[tuple[str, Field]]:
    """Fields with their path, in the notation of the description."""
    for field in fields:
        if field.kind is kinds.OBJECT:
            yield from leaves(field.fields, f"{above}{field.name}.")
        elif field.kind is kinds.OBJECTS:
            yield from leaves(field.fields, f"{above}{field.name}[].")
        else:
            yield above + field.name, field


class Moon(ThreadingHTTPServer):
    """An Oura with one collection more."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    """Answers those who have the token."""

    protocol_version = "HTTP/1.1"
    server: Moon

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        name = address.path.rpartition("/")[2]
        if self.headers["authorization"] != f"Bearer {TOKEN}":
            self._say(401, {"detail": "no such token"})
        elif name == "personal_info":
            self._say(200, {"id": "ada-at-oura", "age": 36})
        elif address.path == MOONLIGHT.path:
            self.server.asked.append(name)
            first, last = query["start_date"], query["end_date"]
            held = [night for night in NIGHTS if first <= str(night["day"]) <= last]
            self._say(200, {"data": held, "next_token": None})
        else:
            self._say(404, {"detail": "not found"})

    def _say(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def moonlit(home: Path) -> Iterator[tuple[World, Moon]]:
    """A world with that Oura, the further row, and one person."""
    with Moon() as moon, httpx.Client() as http:
        thread = Thread(target=moon.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        oura = Sandbox(f"http://127.0.0.1:{moon.server_port}", SandboxOptions(), http)
        try:
            with world(home, oura, document_types=(*DOCUMENT_TYPES, MOONLIGHT)) as made:
                with made.accounts() as accounts:
                    accounts.people.add(
                        "ada", SignIn(refresh_token="not-needed", access_token=TOKEN)
                    )
                yield made, moon
        finally:
            moon.shutdown()
            thread.join()


def test_a_further_row_is_all_that_a_new_type_needs(tmp_path: Path) -> None:
    """Fetched once, landed in typed columns, checked, flattened and written."""
    first, last = date(2026, 3, 1), date(2026, 3, 4)
    with moonlit(tmp_path) as (made, moon):
        result = made.run(first, last, types=["daily_moonlight"])
        assert result.success
        assert red_checks(result) == {}
        assert moon.asked == ["daily_moonlight"]
        rows = made.warehouse.query(
            "SELECT username, day, id, score, light, document FROM oura.daily_moonlight ORDER BY 2"
        )
        typed = made.warehouse.query(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE table_name = 'daily_moonlight' AND column_name IN ('score', 'light') ORDER BY 1"
        )
        lines = (made.home / "graphite.log").read_text(encoding="utf-8").splitlines()
        assert [(*row[:5], json.loads(row[5])) for row in rows] == [
            ("ada", date.fromisoformat(night["day"]), *night_columns(night), night)
            for night in NIGHTS
        ]
        assert typed == [("light", "STRUCT(average DOUBLE)"), ("score", "DOUBLE")]
        assert sorted(lines) == [
            "bio.ada.daily_moonlight.light.average 0 1772409600",
            "bio.ada.daily_moonlight.light.average 0.25 1772323200",
            "bio.ada.daily_moonlight.light.average 1.5 1772582400",
            "bio.ada.daily_moonlight.score 71 1772323200",
            "bio.ada.daily_moonlight.score 99 1772582400",
        ]
        assert metadata(result, ["oura", "daily_moonlight"], "dagster/partition_row_count") == {
            "2026-03-01": 1,
            "2026-03-02": 1,
            "2026-03-03": 0,
            "2026-03-04": 1,
        }


def night_columns(night: dict[str, Any]) -> tuple[Any, ...]:
    return night["id"], night["score"], night["light"]


def test_a_further_row_has_assets_and_checks_like_all_others(tmp_path: Path) -> None:
    with moonlit(tmp_path) as (made, _):
        graph = made.definitions.resolve_asset_graph()
        checks = {
            (key.asset_key.path[0], key.name)
            for key in graph.asset_check_keys
            if key.asset_key.path[1] == "daily_moonlight"
        }
    assert graph.get(dg.AssetKey(["graphite", "daily_moonlight"])).parent_keys == {
        dg.AssetKey(["oura", "daily_moonlight"])
    }
    assert checks == {
        ("oura", "documents_usable"),
        ("oura", "every_person_landed"),
        ("oura", "no_sudden_loss"),
        ("oura", "values_known"),
        ("oura", "fields_known"),
        ("oura", "values_in_range"),
        ("graphite", "points_arrived"),
    }
