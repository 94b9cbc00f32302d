"""Who may see what: missing and dead tokens, scopes, membership."""

from __future__ import annotations

import pytest

from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.sandbox.conftest import Ask, get

SCOPE_OF = {
    "daily_activity": "daily",
    "daily_cardiovascular_age": "heart_health",
    "daily_readiness": "daily",
    "daily_resilience": "stress",
    "daily_sleep": "daily",
    "daily_spo2": "spo2",
    "daily_stress": "daily",
    "enhanced_tag": "tag",
    "heartrate": "heartrate",
    "rest_mode_period": "daily",
    "ring_battery_level": "ring_configuration",
    "ring_configuration": "ring_configuration",
    "session": "session",
    "sleep": "daily",
    "sleep_time": "daily",
    "tag": "tag",
    "vO2_max": "heart_health",
    "workout": "workout",
}


@pytest.mark.parametrize(("collection", "scope"), SCOPE_OF.items())
def test_a_missing_scope_is_named(shared: Sandbox, collection: str, scope: str) -> None:
    others = sorted(set(SCOPE_OF.values()) - {scope})
    without = shared.sign_in("runa", others)["access_token"]
    answer = get(shared, without, collection)
    assert answer.status_code == 401
    assert answer.json()["detail"] == f"Token is not authorized access {scope} scope."
    only = shared.sign_in("runa", [scope])["access_token"]
    assert get(shared, only, collection).status_code == 200


def test_both_shapes_of_that_answer_are_in_use(shared: Sandbox) -> None:
    token = shared.sign_in("runa", ["email"])["access_token"]
    assert get(shared, token, "daily_resilience").json() == {
        "detail": "Token is not authorized access stress scope."
    }
    assert get(shared, token, "vO2_max").json() == {
        "status": 401,
        "title": "Unauthorized",
        "detail": "Token is not authorized access heart_health scope.",
    }


def test_no_token_is_a_bad_request(shared: Sandbox) -> None:
    answer = shared.http.get("/v2/usercollection/sleep")
    detail = "Token is missing from Request Authorization Header"
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


def test_an_unknown_token_is_unauthorized_and_names_no_scope(shared: Sandbox) -> None:
    answer = get(shared, "nonsense", "sleep")
    assert answer.status_code == 401
    assert "scope" not in answer.text


def test_a_token_lives_for_a_day(sandbox: Sandbox) -> None:
    token = sandbox.sign_in("runa")["access_token"]
    sandbox.forward(86390)
    assert get(sandbox, token, "sleep").status_code == 200
    sandbox.forward(10)
    assert get(sandbox, token, "sleep").status_code == 401


def test_revoked_tokens_and_a_lapsed_membership(sandbox: Sandbox, ask: Ask) -> None:
    assert ask("runa", "sleep").status_code == 200
    sandbox.change_person("runa", membership=False)
    assert (ask("runa", "sleep").status_code, ask("runa", "sleep").json()) == (
        403,
        {"detail": "Forbidden"},
    )
    sandbox.change_person("runa", membership=True)
    assert ask("runa", "sleep").status_code == 200
    sandbox.change_person("runa", revoke="all")
    assert ask("runa", "sleep").status_code == 401
    assert ask("koa", "sleep").status_code == 200


def test_granted_scopes_can_be_changed_under_a_token(sandbox: Sandbox, ask: Ask) -> None:
    assert ask("runa", "tag").status_code == 200
    sandbox.change_person("runa", scopes=["daily"])
    assert ask("runa", "tag").status_code == 401
    assert ask("runa", "sleep").status_code == 200


def test_personal_info_shows_what_was_granted(shared: Sandbox) -> None:
    whole = get(shared, shared.sign_in("koa")["access_token"], "personal_info").json()
    id_only = get(shared, shared.sign_in("koa", ["daily"])["access_token"], "personal_info").json()
    mail = get(shared, shared.sign_in("koa", ["email"])["access_token"], "personal_info").json()
    nothing = dict.fromkeys(whole)
    assert id_only == {**nothing, "id": whole["id"]}
    assert mail == {**nothing, "id": whole["id"], "email": "koa@example.org"}
    assert None not in whole.values()
