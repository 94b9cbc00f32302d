"""A consent is given back when Oura's portal says so, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.people.leave import (
    Revocation,
    delete_everything,
    disconnect,
    revoke,
    revoke_gone,
)
from oura_pipeline.people.sign_in import decline
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.testing.portals import CLIENT, MOI, Answer, Portals, portals
from oura_pipeline_tests.testing.settings import settings_with

MOI_REVOKE, CLOUD_REVOKE = f"{MOI}/oauth-revoke", "/oauth/revoke"
MOI_TOKEN, CLOUD_TOKEN = f"{MOI}/oauth-token", "/oauth/token"


@pytest.fixture(autouse=True)
def retries_without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


@pytest.fixture
def oura() -> Iterator[Portals]:
    with portals() as served:
        yield served


@pytest.fixture
def pipeline(oura: Portals, tmp_path: Path) -> Iterator[Pipeline]:
    settings = settings_with(oura_pipeline_home=str(tmp_path / "data"), **oura.settings)
    with open_pipeline(settings) as opened:
        yield opened


def add(pipeline: Pipeline, token_url: str | None, access_token: str | None = "a1") -> str:
    """Add Ada with the first tokens; return her id."""
    sign_in = SignIn(refresh_token="r1", access_token=access_token, token_url=token_url)
    return pipeline.accounts.people.add("ada", sign_in).id


def test_at_the_portal_that_issued_the_tokens(pipeline: Pipeline, oura: Portals) -> None:
    """With the form of RFC 7009, and with nothing in the address."""
    add(pipeline, oura.url + MOI_TOKEN)
    assert disconnect(pipeline, "ada") == Revocation(done=True)
    assert oura.asked == [
        (MOI_REVOKE, {}, {"token": "a1", "token_type_hint": "access_token", **CLIENT}),
        (MOI_REVOKE, {}, {"token": "r1", "token_type_hint": "refresh_token", **CLIENT}),
    ]
    assert oura.current == 0


def test_at_the_old_portal_for_its_applications(pipeline: Pipeline, oura: Portals) -> None:
    oura.own = CLOUD_TOKEN
    add(pipeline, oura.url + CLOUD_TOKEN)
    assert disconnect(pipeline, "ada") == Revocation(done=True)
    [(path, query, form)] = oura.asked
    assert (path, query, form["token"]) == (CLOUD_REVOKE, {"access_token": "a1"}, "r1")
    assert oura.current == 0


def test_tokens_of_an_unknown_portal_are_renewed_first(pipeline: Pipeline, oura: Portals) -> None:
    """Somebody was added by hand: at the wrong portal a token counts as revoked and is not."""
    add(pipeline, None)
    assert disconnect(pipeline, "ada") == Revocation(done=True)
    assert oura.paths == [CLOUD_TOKEN, MOI_TOKEN, MOI_REVOKE, MOI_REVOKE]
    assert oura.current == 0


def test_what_works_for_the_application_is_remembered(pipeline: Pipeline, oura: Portals) -> None:
    """The second person's token is not tried at the wrong portal."""
    add(pipeline, None, access_token=None)
    assert pipeline.tokens("ada").access_token() == "a2"
    pipeline.accounts.people.add("bob", SignIn(refresh_token="r2"))
    assert pipeline.tokens("bob").access_token() == "a3"
    assert oura.paths == [CLOUD_TOKEN, MOI_TOKEN, MOI_TOKEN]


FAILURES: list[Answer] = [
    (401, {"error": "invalid_client"}),
    (400, {"error": "invalid_client", "error_description": "Invalid client_id."}),
    (401, "<html>sign in</html>"),
    (403, None),
    (404, "<html>not here</html>"),
    (500, None),
    (503, "<html>maintenance</html>"),
    (429, None),
    (302, None),
    (200, "<html>Welcome</html>"),
]


@pytest.mark.parametrize("answer", FAILURES)
def test_a_failure_is_said_kept_and_tried_again(
    pipeline: Pipeline, oura: Portals, answer: Answer
) -> None:
    """Until it worked, the tokens stay and the reason is there for everybody who asks."""
    ada = add(pipeline, oura.url + MOI_TOKEN)
    oura.instead = {MOI_REVOKE: [answer] * 20}
    told = disconnect(pipeline, "ada")
    assert (told.done, bool(told.reason)) == (False, True)
    [waiting] = pipeline.accounts.removal.unrevoked()
    assert (waiting.id, waiting.username, waiting.reason) == (ada, "ada", told.reason)
    assert oura.current >= 1
    oura.instead = {}
    assert revoke(pipeline, "ada") == Revocation(done=True)
    assert (oura.current, pipeline.accounts.removal.unrevoked()) == (0, [])
    assert pipeline.accounts.people.get("ada").error is None


@pytest.mark.parametrize("answer", FAILURES)
def test_who_was_deleted_is_not_forgotten_by_oura(
    pipeline: Pipeline, oura: Portals, tmp_path: Path, answer: Answer
) -> None:
    """Their data goes; their encrypted tokens stay until they are given back, and then go too."""
    ada = add(pipeline, oura.url + MOI_TOKEN)
    oura.instead = {MOI_REVOKE: [answer] * 40}
    deleted = delete_everything(pipeline, "ada")
    assert not deleted.revocation.done
    assert pipeline.accounts.people.all() == []
    [gone] = pipeline.accounts.removal.unrevoked()
    assert (gone.id, gone.username, gone.reason) == (ada, None, deleted.revocation.reason)
    assert not revoke_gone(pipeline, ada).done
    oura.instead = {}
    assert revoke_gone(pipeline, ada) == Revocation(done=True)
    assert (oura.current, pipeline.accounts.removal.unrevoked()) == (0, [])
    files = (tmp_path / "data").glob("accounts.sqlite*")
    assert not any(ada.encode() in path.read_bytes() for path in files if path.is_file())


def test_a_sign_up_that_nobody_finishes_is_given_back(pipeline: Pipeline, oura: Portals) -> None:
    """When they say no, at once, and else by the job."""
    sign_in = SignIn(
        refresh_token="r1", access_token="a1", token_url=oura.url + MOI_TOKEN, oura_id="id-eve"
    )
    oura.instead = {MOI_REVOKE: [(503, None)]}
    decline(pipeline, pipeline.accounts.sign_ups.begin(sign_in, invite=None))
    [eve] = pipeline.accounts.removal.unrevoked()
    assert (eve.username, oura.current) == (None, 1)
    assert revoke_gone(pipeline, eve.id) == Revocation(done=True)
    assert (oura.current, pipeline.accounts.removal.unrevoked()) == (0, [])


def test_what_oura_does_not_know_any_more_is_given_back(pipeline: Pipeline, oura: Portals) -> None:
    """The person removed the application at Oura: a renewal is refused, so nothing is left."""
    add(pipeline, oura.url + MOI_TOKEN)
    oura.current = 0
    oura.instead = {MOI_REVOKE: [(401, {"error": "invalid_token"})] * 2}
    assert disconnect(pipeline, "ada") == Revocation(done=True)
    assert oura.paths == [MOI_REVOKE, MOI_TOKEN]


def test_a_used_up_access_token_is_renewed(pipeline: Pipeline, oura: Portals) -> None:
    """The old portal does not revoke with one that has expired."""
    oura.own = CLOUD_TOKEN
    add(pipeline, oura.url + CLOUD_TOKEN)
    refused: Any = (401, {"error": "invalid_token"})
    oura.instead = {CLOUD_REVOKE: [refused]}
    assert disconnect(pipeline, "ada") == Revocation(done=True)
    assert [query for _, query, _ in oura.asked] == [
        {"access_token": "a1"},
        {},
        {"access_token": "a2"},
    ]
    assert oura.current == 0
