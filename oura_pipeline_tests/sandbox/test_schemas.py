"""Every answer against Oura's own description of its API, version 1.41.

Where real answers are known to differ from that description, the difference is allowed by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from oura_pipeline.sandbox.catalog import COLLECTIONS, Collection
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, Ask, data, requester
from oura_pipeline_tests.sandbox.test_webhooks import CLIENT, Receiver, handling, wish
from oura_pipeline_tests.testing.http_server import serving
from oura_pipeline_tests.testing.paths import DESCRIPTION
from oura_pipeline_tests.testing.requirements import require_document

# The description lies beside the checkout, not in it.
OPENAPI = DESCRIPTION / "openapi-1.41.json"

_TIME: dict[str, Any] = {"type": "string"}
_NULL: dict[str, Any] = {"type": "null"}

# What is served on purpose although 1.41 does not have it: {schema: {property: also allowed}}.
ALLOWED: dict[str, dict[str, dict[str, Any]]] = {
    # A night in progress.
    "PublicModifiedSleepModel": {"bedtime_end": _NULL},
    # An empty measurement, seen in 2024.
    "PublicSpo2AggregatedValues": {"average": _NULL},
}


@pytest.fixture(scope="session")
def description() -> dict[str, Any]:
    """Oura's OpenAPI document with the differences allowed."""
    require_document(OPENAPI, "Oura's OpenAPI document 1.41")
    document: dict[str, Any] = json.loads(OPENAPI.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for schema, properties in ALLOWED.items():
        for name, also in properties.items():
            known = schemas[schema]["properties"][name]
            schemas[schema]["properties"][name] = {"anyOf": [known, also]}
    return document


def errors(description: dict[str, Any], path: str, method: str, body: Any) -> list[str]:
    """Where `body` differs from what the route's good answer is said to be, without `fields`."""
    responses = description["paths"][path][method]["responses"]
    good = next(responses[status] for status in ("200", "201") if status in responses)
    schema = good["content"]["application/json"]["schema"]
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    validator = Draft202012Validator({**schema, "components": description["components"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(body)]


@pytest.fixture(scope="module")
def awkward() -> Iterator[Ask]:
    """Questions to a sandbox with the awkward people, and rows as they are live."""
    with running(replace(OPTIONS, awkward=True, people=1, live_rows=True)) as sandbox:
        yield requester(sandbox)


@pytest.mark.parametrize("row", COLLECTIONS, ids=lambda row: row.name)
@pytest.mark.parametrize("username", ["runa", "koa", "milo", "asha", "sione"])
def test_lists(description: dict[str, Any], read: Ask, username: str, row: Collection) -> None:
    answer = read(username, row.name, **asked(row))
    assert answer.status_code == 200
    assert errors(description, f"/v2/usercollection/{row.name}", "get", answer.json()) == []


def asked(row: Collection) -> dict[str, str]:
    """A range with documents of every type."""
    if row.family == "samples":
        return {"start_datetime": "2026-10-20T00:00:00Z", "end_datetime": "2026-10-28T00:00:00Z"}
    return {"start_date": "2026-09-01", "end_date": "2026-11-01"}


@pytest.mark.parametrize("row", COLLECTIONS, ids=lambda row: row.name)
@pytest.mark.parametrize("username", ["enno", "yuki", "ulla", "ines", "nils"])
def test_lists_of_awkward_people(
    description: dict[str, Any], awkward: Ask, username: str, row: Collection
) -> None:
    """Live rows lack what the description requires of them, and nothing else differs."""
    live = deepcopy(description)
    for schema in ("PublicHeartRateRow", "PublicRingBatteryLevelRow"):
        live["components"]["schemas"][schema]["required"].remove("timestamp_unix")
    body = awkward(username, row.name, **asked(row)).json()
    assert errors(live, f"/v2/usercollection/{row.name}", "get", body) == []
    if row.family == "samples":
        assert errors(description, f"/v2/usercollection/{row.name}", "get", body) != []


def test_subscriptions(description: dict[str, Any], shared: Sandbox) -> None:
    """Listed, made, read, changed and renewed."""
    receiver, path = Receiver(), "/v2/webhook/subscription"
    with serving(handling(receiver)) as url:
        receiver.url = f"{url}/hook"
        http = shared.http
        made = http.post(path, json=wish(receiver), headers=CLIENT).json()
        one = f"{path}/{made['id']}"
        change = {"verification_token": "ours", "event_type": "create"}
        answers = {
            (path, "post"): made,
            (path, "get"): http.get(path, headers=CLIENT).json(),
            (f"{path}/{{id}}", "get"): http.get(one, headers=CLIENT).json(),
            (f"{path}/{{id}}", "put"): http.put(one, json=change, headers=CLIENT).json(),
            (f"{path}/renew/{{id}}", "put"): http.put(
                f"{path}/renew/{made['id']}", headers=CLIENT
            ).json(),
        }
        http.delete(one, headers=CLIENT)
    for (route, method), body in answers.items():
        assert errors(description, route, method, body) == [], (route, method)


@pytest.mark.parametrize(
    "row", [row for row in COLLECTIONS if row.single], ids=lambda row: row.name
)
def test_single_documents(description: dict[str, Any], read: Ask, row: Collection) -> None:
    newest = data(read("koa", row.name, **asked(row)))[-1]
    answer = read("koa", f"{row.name}/{newest['id']}")
    path = f"/v2/usercollection/{row.name}/{{document_id}}"
    assert errors(description, path, "get", answer.json()) == []


def test_mistakes_in_a_parameter(description: dict[str, Any], read: Ask) -> None:
    schema = {"$ref": "#/components/schemas/HTTPValidationError"}
    validator = Draft202012Validator({**schema, "components": description["components"]})
    validator.validate(read("koa", "sleep", start_date="never").json())


def test_the_check_sees_a_difference(description: dict[str, Any]) -> None:
    wrong = {"data": [{"id": "x", "day": "2026-10-11", "vascular_age": "old"}], "next_token": None}
    path = "/v2/usercollection/daily_cardiovascular_age"
    assert errors(description, path, "get", wrong) == [
        "$.data[0].vascular_age: 'old' is not valid under any of the given schemas"
    ]


def test_every_route_of_the_description_is_served(
    description: dict[str, Any], shared: Sandbox
) -> None:
    """Apart from Oura's own sandbox, which only repeats the others."""
    token = shared.sign_in("koa")["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    for path in description["paths"]:
        # The description has nothing else: its webhook routes are asked above.
        if path.startswith("/v2/usercollection/"):
            answer = shared.http.get(path.replace("{document_id}", "none"), headers=headers)
            assert answer.json() != {"detail": "Not Found"}, path
