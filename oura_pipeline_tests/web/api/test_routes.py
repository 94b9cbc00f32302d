"""The operator's API over real HTTP: closed to everybody else, typed, and silent about others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from jsonschema import Draft202012Validator

from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.ledger import FetchStatus
from oura_pipeline.oura.http import tls
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import SandboxOptions, running
from oura_pipeline_tests.accounts.homes import fetch
from oura_pipeline_tests.web.site_client import (
    TOKEN,
    add_person,
    open_accounts_in,
    site_client,
    site_settings,
)

OPERATOR = {"authorization": f"Bearer {TOKEN}"}
WAYS = [
    ("POST", "/api/connect"),
    ("GET", "/api/people"),
    ("GET", "/api/people/ada/daily"),
    ("GET", "/api/people/ada/status"),
    ("POST", "/api/people/ada/sync"),
    ("GET", "/api/studies"),
    ("PUT", "/api/studies/nap"),
    ("GET", "/api/studies/nap/participants"),
    ("PUT", "/api/studies/nap/participants/ada"),
    ("POST", "/api/studies/nap/participants/ada/withdraw"),
]


# What answers before the API does.
OUTSIDE = {
    "400": ["application/json", "text/plain"],
    "404": ["application/json", "text/html"],
    "413": ["application/json", "text/plain"],
    "421": ["text/plain"],
    "500": ["text/html"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with Ada; a test that changes somebody brings its own person."""
    home = tmp_path_factory.mktemp("home")
    with open_accounts_in(home) as accounts:
        add_person(accounts, "ada", scopes=["daily", "heartrate"])
    return home


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    """The operator's client of a site in that folder."""
    values = {"oura_operator_token": TOKEN, "oura_scopes": "daily heartrate spo2"}
    with site_client(home, **values) as client:
        client.headers.update(OPERATOR)
        yield client


@pytest.fixture
def stranger(client: httpx.Client) -> Iterator[httpx.Client]:
    """Anybody else's client of the same site."""
    with httpx.Client(
        base_url=client.base_url, timeout=30, trust_env=False, verify=tls()
    ) as stranger:
        yield stranger


@pytest.mark.parametrize("given", [{}, {"authorization": "Basic YTpi"}])
def test_a_request_without_a_token_gets_nothing(
    stranger: httpx.Client, given: dict[str, str]
) -> None:
    """Neither a person nor whether there is one."""
    answers = [stranger.request(*way, json={}, headers=given) for way in WAYS]
    assert [answer.status_code for answer in answers] == [401] * len(WAYS)
    said = {"detail": "operator token required: Authorization: Bearer …"}
    assert [answer.json() for answer in answers] == [said] * len(WAYS)
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


def test_guessing_locks_the_api_for_a_while(tmp_path: Path) -> None:
    """Also for the right token: the next guess could be that one."""
    wrong = {"authorization": "Bearer é?".encode("latin-1")}
    with site_client(tmp_path, oura_operator_token=TOKEN) as client:
        statuses = [client.get("/api/people", headers=wrong).status_code for _ in range(10)]
        shut = client.get("/api/people", headers=OPERATOR)
    assert statuses == [401] * 10
    assert (shut.status_code, shut.json()) == (
        429,
        {"detail": "too many wrong tokens: wait a minute"},
    )
    assert 1 <= int(shut.headers["retry-after"]) <= 60


def test_a_large_body_is_not_read(stranger: httpx.Client) -> None:
    """It comes before the token: whoever has none must not fill the memory."""
    json = {"content-type": "application/json"}
    announced = stranger.post("/api/connect", content=b'"' * 16_385, headers=json)
    chunked = stranger.post("/api/connect", content=iter([b'"' * 9000] * 2), headers=json)
    assert [announced.status_code, chunked.status_code] == [413, 413]


def test_without_an_operators_token_the_api_is_closed(tmp_path: Path) -> None:
    """And says what to do."""
    with site_client(tmp_path) as client:
        answers = [client.request(*way, headers=OPERATOR) for way in WAYS]
    said = {"detail": "the API is off: set OURA_OPERATOR_TOKEN and restart"}
    assert [(answer.status_code, answer.json()) for answer in answers] == [(503, said)] * len(WAYS)


def test_somebody_can_sign_in_with_the_address_from_connect(tmp_path: Path) -> None:
    """At the sandbox, in any browser, as the person whom the operator named."""
    with open_accounts_in(tmp_path) as accounts:
        add_person(accounts, "runa")
    with running(SandboxOptions(days=3)) as sandbox:
        values = {
            "oura_operator_token": TOKEN,
            "oura_client_id": sandbox.options.client_id,
            "oura_authorize_url": f"{sandbox.url}/oauth/authorize",
        }
        with site_client(tmp_path, **values) as client:
            answer = client.post("/api/connect", json={"username": "runa"}, headers=OPERATOR)
        address = answer.json()["auth_url"]
        page = httpx.get(address, trust_env=False, verify=tls())
    assert (answer.status_code, answer.json().keys(), page.status_code) == (200, {"auth_url"}, 200)
    query = parse_qs(urlsplit(address).query)
    with open_accounts_in(tmp_path) as accounts:
        consent = accounts.consents.take(query["state"][0])
    assert consent is not None
    assert (consent.username, consent.browser) == ("runa", None)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (b"{", "JSON"),
        (b'{"username": 7}', "body.username: Input should be a valid string"),
        (b'{"name": "ada"}', "body.name: Extra inputs are not permitted"),
        (b'{"username": "A.b"}', "'A.b' cannot be a username: it begins with 'A'"),
    ],
)
def test_an_invalid_connect_request_says_why(client: httpx.Client, wish: bytes, said: str) -> None:
    """In one line."""
    how = {"content": wish, "headers": {"content-type": "application/json"}}
    answer = client.post("/api/connect", **how)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json().keys()) == (422, {"detail"})
    assert said in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_connect_without_a_client_id_tells_the_operator(tmp_path: Path) -> None:
    """Nobody could consent."""
    with site_client(tmp_path, oura_client_id="", oura_operator_token=TOKEN) as client:
        answer = client.post("/api/connect", json={}, headers=OPERATOR)
    assert (answer.status_code, answer.json()) == (
        503,
        {"detail": "set OURA_CLIENT_ID and restart"},
    )


def test_everybody_is_listed(client: httpx.Client, home: Path) -> None:
    """By username, without ids and tokens."""
    with open_accounts_in(home) as accounts:
        add_person(accounts, "abe")
        accounts.removal.disconnect("abe")
        abe, ada = accounts.people.all()[:2]
    answer = client.get("/api/people")
    common = {"must_reconnect": False, "reason": None}
    # abe's tokens are there until Oura has confirmed that they are revoked.
    abe_too, ada_too = {"access_not_given_back": True}, {"access_not_given_back": False}
    assert (answer.status_code, answer.json()[:2]) == (
        200,
        [
            {"username": "abe", "state": "disconnected", **common, **abe_too, **_times(abe)},
            {"username": "ada", "state": "connected", **common, **ada_too, **_times(ada)},
        ],
    )


def test_a_status_without_any_fetch(client: httpx.Client, home: Path) -> None:
    """Nothing was asked, which is not the same as nothing there."""
    with open_accounts_in(home) as accounts:
        ada = accounts.people.get("ada")
    answer = client.get("/api/people/ada/status")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "username": "ada",
            "state": "connected",
            **_times(ada),
            "must_reconnect": False,
            "access_not_given_back": False,
            "reason": None,
            "scopes": {"granted": ["daily", "heartrate"], "missing": ["spo2"]},
            "history": {"first_day": "2015-01-01", "reached": None, "share": 0.0},
            "document_types": [],
        },
    )


def test_a_status_says_what_was_fetched(client: httpx.Client, home: Path) -> None:
    """Per document type, in the order of the table; counts are days."""
    at = datetime.now(UTC)
    with open_accounts_in(home) as accounts:
        add_person(accounts, "bob")
        add_person(accounts, "cyd")
        day, later = date(2026, 1, 1), date(2026, 1, 2)
        failed = {"status": FetchStatus.FAILED, "error": "Oura is away"}
        accounts.fetches.record(
            [
                fetch("bob", day=day, at=at, documents=2),
                fetch("bob", day=later, at=at, documents=0, **failed),
                fetch("cyd", document_type="workout", at=at),
            ]
        )
    [row] = client.get("/api/people/bob/status").json()["document_types"]
    assert row == {
        "document_type": "sleep",
        "last_asked_at": _text(at),
        "first_day": "2026-01-01",
        "latest_day": "2026-01-01",
        "documents": 2,
        "landed": 1,
        "empty": 0,
        "not_granted": 0,
        "failed": 1,
        "error": "Oura is away",
    }


def test_unknown_scopes_are_not_missing_ones(client: httpx.Client, home: Path) -> None:
    """Some callbacks of Oura do not say."""
    with open_accounts_in(home) as accounts:
        add_person(accounts, "dora")
    scopes = client.get("/api/people/dora/status").json()["scopes"]
    assert scopes == {"granted": None, "missing": []}


def test_a_person_who_must_sign_in_again_shows_why(tmp_path: Path) -> None:
    """Oura refused to renew their tokens, at the sandbox."""
    with running(SandboxOptions(days=3)) as sandbox:
        with open_accounts_in(tmp_path) as accounts:
            add_person(accounts, "runa", refresh_token="never given")
        values = {
            "oura_operator_token": TOKEN,
            "oura_client_id": sandbox.options.client_id,
            "oura_client_secret": sandbox.options.client_secret,
            "oura_token_url": f"{sandbox.url}{sandbox.token_path}",
        }
        with (
            open_pipeline(site_settings(tmp_path, **values)) as pipeline,
            pytest.raises(SignInRequired),
        ):
            pipeline.client("runa").personal_info()
        with site_client(tmp_path, **values) as client:
            client.headers.update(OPERATOR)
            status = client.get("/api/people/runa/status").json()
            sync = client.post("/api/people/runa/sync")
    assert (status["state"], status["must_reconnect"]) == ("sign_in_required", True)
    assert status["reason"]
    assert (sync.status_code, sync.json()) == (
        409,
        {"detail": "this person must sign in again first: POST /api/connect"},
    )


def test_a_sync_is_requested_once_in_five_minutes(client: httpx.Client, home: Path) -> None:
    """The second time nothing new is remembered."""
    with open_accounts_in(home) as accounts:
        add_person(accounts, "eda")
    first, second = (client.post("/api/people/eda/sync") for _ in range(2))
    assert (first.status_code, first.json()) == (
        202,
        {"asked": True, "detail": "sync starts soon"},
    )
    assert (second.status_code, second.json()) == (
        202,
        {"asked": False, "detail": "a sync was requested less than five minutes ago"},
    )
    with open_accounts_in(home) as accounts:
        assert accounts.people.get("eda").sync_asked_at is not None


@pytest.mark.parametrize("way", [("GET", "status"), ("POST", "sync")])
@pytest.mark.parametrize("username", ["eve", "Ada", "a" * 500, "%00", "é"])
def test_an_unknown_name_says_nothing_about_others(
    client: httpx.Client, username: str, way: tuple[str, str]
) -> None:
    """Not even how they are called."""
    answer = client.request(way[0], f"/api/people/{username}/{way[1]}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "person not found"})


def test_other_addresses_are_not_found_as_json(client: httpx.Client) -> None:
    """There is no documentation page: it would load scripts from elsewhere."""
    for path in ("docs", "redoc", "nothing"):
        answer = client.get(f"/api/{path}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_the_schema_is_open_and_complete(stranger: httpx.Client) -> None:
    """Every way has a summary, a description, the token and its problems, typed."""
    schema = stranger.get("/api/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert schema["servers"] == [{"url": "/api"}]
    assert schema["components"]["securitySchemes"] == {
        "operator": {"type": "http", "scheme": "bearer", "description": "OURA_OPERATOR_TOKEN."}
    }
    ways = {
        (method.upper(), f"/api{path}".format(username="ada", study="nap")): way
        for path, methods in schema["paths"].items()
        for method, way in methods.items()
    }
    assert sorted(ways) == sorted(WAYS)
    problem = {"$ref": "#/components/schemas/Problem"}
    for way in ways.values():
        assert way["security"] == [{"operator": []}]
        assert way["summary"]
        assert way["description"]
        assert {"400", "401", "405", "413", "422", "429", "503"} < way["responses"].keys()
        for status, answer in way["responses"].items():
            assert answer["description"]
            if status not in OUTSIDE:
                content = answer["content"]["application/json"]["schema"]
                assert (content == problem) == (int(status) >= 400)
        outside = {
            status: sorted(way["responses"][status]["content"])
            for status in OUTSIDE
            if status in way["responses"]
        }
        assert outside.items() <= OUTSIDE.items()
        assert outside.keys() >= OUTSIDE.keys() - {"404"}


def test_answers_fit_the_schema(client: httpx.Client, home: Path) -> None:
    """As a client made from the schema reads them."""
    with open_accounts_in(home) as accounts:
        add_person(accounts, "fay")
        names = [document_type.name for document_type in DOCUMENT_TYPES]
        accounts.fetches.record([fetch("fay", document_type=name) for name in names])
    schema = client.get("/api/openapi.json").json()
    for method, path, name in (
        ("GET", "/api/people/fay/status", "StatusResponse"),
        ("POST", "/api/people/fay/sync", "SyncResponse"),
        ("POST", "/api/connect", "ConnectResponse"),
        ("GET", "/api/people/eve/status", "Problem"),
    ):
        answer = client.request(method, path, json={}).json()
        wanted = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
        Draft202012Validator(wanted).validate(answer)
    for model in schema["components"]["schemas"].values():
        Draft202012Validator.check_schema(model)
        assert model.get("description")


def _times(person: Any) -> dict[str, str]:
    return {
        "connected_since": _text(person.connected_since),
        "renewed_at": _text(person.renewed_at),
    }


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
