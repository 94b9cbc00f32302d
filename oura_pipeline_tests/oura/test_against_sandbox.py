"""The client before the project's own stand-in of Oura, over HTTP, from sign-in to document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from oura_pipeline.catalog.credentials import SignInRequired, TokenPair
from oura_pipeline.catalog.document_types import (
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DOCUMENT_TYPES,
    HEARTRATE,
    SLEEP,
    DocumentType,
)
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.budget_file import BudgetFile
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import (
    DocumentNotFound,
    MembershipLapsed,
    OuraUnavailable,
    ScopeNotGranted,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import http_client
from oura_pipeline.oura.oauth import OAuth
from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running

END = date(2026, 5, 10)
FIRST, LAST = date(2026, 3, 10), date(2026, 3, 24)
AROUND = FIRST - timedelta(days=2), LAST + timedelta(days=2)
PARTITIONED = [document_type for document_type in DOCUMENT_TYPES if document_type.partitioned]


class KeptTokens:
    """The newest pair of one person, renewed at the sandbox."""

    def __init__(self, oauth: OAuth, pair: dict[str, Any]) -> None:
        self.oauth = oauth
        self.access: str = pair["access_token"]
        self.refresh: str = pair["refresh_token"]
        self.renewals = 0

    def access_token(self) -> str:
        """The newest."""
        return self.access

    def renew(self, refused: str) -> str:
        """The next one."""
        self.renewals += 1
        answer = self.oauth.renew(self.refresh)
        self.access, self.refresh = answer.access_token, answer.refresh_token
        return self.access

    def trial(self) -> AbstractContextManager[object]:
        """Nobody else is there."""
        return nullcontext()

    def renewed_in_vain(self, token: str) -> None:
        """Forget it: the tests here ask once."""


class World:
    """The sandbox and our side of it."""

    def __init__(self, sandbox: Sandbox, http: httpx.Client, budget: Budget) -> None:
        self.sandbox = sandbox
        self.http = http
        self.budget = budget
        self.oauth = OAuth(
            http,
            token_urls=[sandbox.url + sandbox.token_path],
            client_id="sandbox",
            client_secret="sandbox-secret",
        )

    def sign_in(self, username: str, scopes: list[str] | None = None) -> KeptTokens:
        """A person who has just consented."""
        return KeptTokens(self.oauth, self.sandbox.sign_in(username, scopes))

    def client(self, tokens: KeptTokens) -> OuraClient:
        """The API as that person sees it."""
        return OuraClient(
            self.http, api_url=self.sandbox.url, tokens=tokens, budget=self.budget, attempts=3
        )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Five people in zones from Hawaii to Tonga; of samples enough for several pages."""
    with running(SandboxOptions(people=5, days=90, end=END, document_rows=7, thin=3)) as sandbox:
        yield sandbox


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> Iterator[World]:
    """Our side of the sandbox, which has no faults left from another test."""
    sandbox.clear_faults()
    sandbox.reset_requests()
    with (
        http_client(connect_seconds=5, read_seconds=1) as http,
        Budget(BudgetFile(tmp_path / "budget.sqlite", requests=5000, seconds=300)) as budget,
    ):
        yield World(sandbox, http, budget)


def fetch(client: OuraClient, document_type: DocumentType) -> list[Any]:
    """`(day, document)` of the asked days."""
    return [
        (document.day, json.loads(document.raw))
        for page in client.documents(document_type, FIRST, LAST)
        for document in page.documents
    ]


def in_order(found: list[Any]) -> list[Any]:
    """Whatever the order of pages."""
    return sorted(found, key=lambda pair: (pair[0], json.dumps(pair[1], sort_keys=True)))


def test_everything_of_everyone_arrives_once_and_under_its_day(world: World) -> None:
    """Every type with days, in every zone; rows without one under those of UTC."""
    for person in world.sandbox.people():
        client = world.client(world.sign_in(person["username"]))
        for document_type in PARTITIONED:
            held = world.sandbox.truth(person["username"], document_type.name, *AROUND)
            day = "timestamp" if document_type.dated_by_offset else document_type.day_field
            truth = [
                (date.fromisoformat(row["document"][day][:10]), row["document"]) for row in held
            ]
            asked = [(day, document) for day, document in truth if FIRST <= day <= LAST]
            found = fetch(client, document_type)
            assert in_order(found) == in_order(asked), (person["username"], document_type.name)


def test_a_long_range_is_one_question_per_type_and_one_more_per_30_days_of_instants(
    world: World,
) -> None:
    """Beside the pages."""
    client = world.client(world.sign_in("runa"))
    list(client.documents(DAILY_RESILIENCE, LAST, LAST))
    rows = sum(len(page.documents) for page in client.documents(HEARTRATE, FIRST, LAST))
    counts = {route: people["runa"] for route, people in world.sandbox.requests().items()}
    assert counts["daily_resilience"] == 1
    assert 2 + rows // 1000 <= counts["heartrate"] <= 4 + rows // 1000


def test_snapshots_and_single_documents(world: World) -> None:
    """What has no days, and one night by its id."""
    client = world.client(world.sign_in("runa"))
    snapshots = {}
    for document_type in (
        document_type for document_type in DOCUMENT_TYPES if not document_type.partitioned
    ):
        (page,) = client.documents(document_type)
        snapshots[document_type.name] = [json.loads(document.raw) for document in page.documents]
    assert snapshots == {
        name: [row["document"] for row in world.sandbox.truth("runa", name)]
        for name in ("personal_info", "ring_configuration")
    }
    assert json.loads(client.personal_info().raw) == snapshots["personal_info"][0]
    night = world.sandbox.truth("runa", "sleep", FIRST, LAST)[0]
    document = client.document(SLEEP, night["document"]["id"])
    assert (document.day.isoformat(), json.loads(document.raw)) == (
        night["day"],
        night["document"],
    )
    with pytest.raises(DocumentNotFound):
        client.document(SLEEP, "none-of-hers")


def test_an_unticked_scope_is_named(world: World) -> None:
    """And everything else goes on."""
    tokens = world.sign_in("koa", ["daily"])
    client = world.client(tokens)
    with pytest.raises(ScopeNotGranted) as caught:
        list(client.documents(DAILY_RESILIENCE, FIRST, LAST))
    assert (caught.value.scope, tokens.renewals) == ("stress", 0)
    assert fetch(client, DAILY_SLEEP) != []


def test_tokens_run_out_and_are_renewed(world: World) -> None:
    """Until the consent is revoked: then the refresh is refused."""
    tokens = world.sign_in("milo")
    client = world.client(tokens)
    world.sandbox.change_person("milo", revoke="access")
    assert fetch(client, DAILY_SLEEP) != []
    assert tokens.renewals == 1
    world.oauth.revoke(tokens.access, tokens.refresh)
    with pytest.raises(SignInRequired):
        fetch(client, DAILY_SLEEP)


def test_a_refresh_token_works_once(world: World) -> None:
    """Of two who use it, the second one has to sign in again."""
    pair = world.sandbox.sign_in("asha")
    answer = world.oauth.renew(pair["refresh_token"])
    assert isinstance(answer, TokenPair)
    assert answer.refresh_token != pair["refresh_token"]
    with pytest.raises(SignInRequired):
        world.oauth.renew(pair["refresh_token"])


def test_a_lapsed_membership_has_its_own_error(world: World) -> None:
    """Until it is there again."""
    client = world.client(world.sign_in("asha"))
    world.sandbox.change_person("asha", membership=False)
    with pytest.raises(MembershipLapsed):
        fetch(client, DAILY_SLEEP)
    world.sandbox.change_person("asha", membership=True)
    assert fetch(client, DAILY_SLEEP) != []


@pytest.mark.parametrize("kind", ["error", "gateway_timeout", "hang", "reset", "truncated"])
def test_passing_faults_are_lived_through(world: World, kind: str) -> None:
    """In the middle of an answer of several pages; nothing is missing, nothing twice."""
    client = world.client(world.sign_in("sione"))
    world.sandbox.fault(kind, route="sleep", skip=1, count=2, seconds=3)
    held = world.sandbox.truth("sione", "sleep", FIRST, LAST)
    truth = [(date.fromisoformat(row["day"]), row["document"]) for row in held]
    assert in_order(fetch(client, SLEEP)) == in_order(truth)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error", OuraUnavailable),
        ("gateway_timeout", OuraUnavailable),
        ("reset", OuraUnavailable),
        ("repeated_token", UnexpectedAnswer),
    ],
)
def test_lasting_faults_raise(world: World, kind: str, error: type[Exception]) -> None:
    """After some attempts, not for ever."""
    client = world.client(world.sign_in("sione"))
    world.sandbox.fault(kind, route="sleep", count=None)
    with pytest.raises(error):
        fetch(client, SLEEP)


def test_a_rate_limit_is_waited_for(world: World) -> None:
    """As long as Oura says."""
    client = world.client(world.sign_in("runa"))
    world.sandbox.fault("rate_limited", route="daily_sleep", seconds=1)
    assert len(fetch(client, DAILY_SLEEP)) == len(
        world.sandbox.truth("runa", "daily_sleep", FIRST, LAST)
    )


def test_today_is_there_wherever_it_has_begun(world: World) -> None:
    """The newest day is asked for like any other."""
    client = world.client(world.sign_in("sione"))
    days = [
        document.day
        for page in client.documents(DAILY_SLEEP, END - timedelta(days=1), END + timedelta(days=1))
        for document in page.documents
    ]
    truth = world.sandbox.truth("sione", "daily_sleep", END - timedelta(days=1))
    assert [day.isoformat() for day in days] == [row["day"] for row in truth]
