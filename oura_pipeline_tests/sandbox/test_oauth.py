"""Signing in, refreshing, revoking; both portals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, get

BACK = "http://127.0.0.1/callback"
CLIENT = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
LEGACY, NEW = "/oauth/token", "/oauth/v2/ext/oauth-token"


def consent(sandbox: Sandbox, **answer: str) -> dict[str, str]:
    """The query of the callback after a person answered the consent page."""
    asked = {
        "response_type": "code",
        "client_id": "sandbox",
        "redirect_uri": BACK,
        "state": "here",
        "person": "runa",
        "decision": "approve",
    }
    answered = sandbox.http.post("/oauth/authorize", data={**asked, **answer})
    assert answered.status_code == 302, answered.text
    place, _, query = answered.headers["location"].partition("?")
    assert place == BACK
    return dict(parse_qsl(query))


def exchange(
    sandbox: Sandbox, code: str, path: str = LEGACY, **more: Any
) -> tuple[int, dict[str, Any]]:
    """Status and body of a code exchange."""
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **CLIENT}
    answer = sandbox.http.post(path, data={**sent, **more})
    return answer.status_code, answer.json()


def refresh(sandbox: Sandbox, token: str, path: str = LEGACY) -> tuple[int, dict[str, Any]]:
    """Status and body of a refresh."""
    sent = {"grant_type": "refresh_token", "refresh_token": token, **CLIENT}
    answer = sandbox.http.post(path, data=sent)
    return answer.status_code, answer.json()


def test_the_page_offers_every_person_and_every_scope_asked_for(still: Sandbox) -> None:
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": BACK}
    for path in ("/oauth/authorize", "/authorize"):
        page = still.http.get(path, params={**asked, "scope": "daily spo2Daily", "state": '"<x>'})
        assert page.status_code == 200
        assert all(f'name="person" value="{name}"' in page.text for name in still.usernames)
        assert page.text.count('type="checkbox"') == 2
        assert 'name="granted" value="spo2"' in page.text
        assert 'value="&quot;&lt;x&gt;"' in page.text


def test_a_whole_sign_in(still: Sandbox) -> None:
    callback = consent(still, scope="daily heartrate")
    assert callback.keys() == {"code", "scope", "state"}
    assert (callback["state"], callback["scope"]) == ("here", "extapi:daily extapi:heartrate")
    status, answer = exchange(still, callback["code"])
    assert status == 200
    assert answer.keys() == {
        "token_type",
        "access_token",
        "expires_in",
        "refresh_token",
        "scope",
    }
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 86400)
    assert answer["scope"] == "extapi:daily extapi:heartrate"
    assert get(still, answer["access_token"], "sleep").status_code == 200


def test_consent_can_be_given_by_a_plain_link(still: Sandbox) -> None:
    asked = f"response_type=code&client_id=sandbox&redirect_uri={BACK}&person=koa&decision=approve"
    answer = still.http.get(f"/oauth/authorize?{asked}&granted=daily&granted=tag")
    code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
    assert exchange(still, code)[1]["scope"] == "extapi:daily extapi:tag"


def test_no_scope_asked_means_all_and_unticked_ones_are_not_granted(still: Sandbox) -> None:
    assert len(consent(still)["scope"].split()) == 11
    assert consent(still, scope="daily tag workout", granted="tag")["scope"] == "extapi:tag"
    assert consent(still, scope="daily", granted="").get("scope", "") == ""


def test_denial(still: Sandbox) -> None:
    assert consent(still, decision="deny") == {"error": "access_denied", "state": "here"}


def test_strangers_are_not_sent_back(still: Sandbox) -> None:
    asked = {"response_type": "code", "redirect_uri": BACK, "client_id": "someone"}
    assert still.http.get("/oauth/authorize", params=asked).status_code == 400
    with running(replace(OPTIONS, redirect_uris=("http://127.0.0.1/here",))) as sandbox:
        asked = {**asked, "client_id": "sandbox"}
        assert sandbox.http.get("/oauth/authorize", params=asked).status_code == 400
        del asked["redirect_uri"]
        assert sandbox.http.get("/oauth/authorize", params=asked).status_code == 200
        assert sandbox.sign_in("koa")["token_type"] == "bearer"


def test_a_code_works_once_and_for_ten_minutes(sandbox: Sandbox) -> None:
    code = consent(sandbox)["code"]
    assert exchange(sandbox, code)[0] == 200
    status, body = exchange(sandbox, code)
    assert (status, body["error"]) == (400, "invalid_grant")
    late = consent(sandbox)["code"]
    sandbox.forward(600)
    assert exchange(sandbox, late)[1]["error"] == "invalid_grant"


def test_a_code_is_bound_to_its_redirect_uri(still: Sandbox) -> None:
    code = consent(still)["code"]
    status, body = exchange(still, code, redirect_uri="http://127.0.0.1/elsewhere")
    assert (status, body["error"]) == (400, "invalid_grant")


def test_pkce_is_checked_when_a_challenge_was_given(still: Sandbox) -> None:
    """Verifier and challenge are those of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
    assert exchange(still, consent(still, **asked)["code"])[1]["error"] == "invalid_grant"
    wrong = exchange(still, consent(still, **asked)["code"], code_verifier="x" * 43)
    assert wrong[1]["error"] == "invalid_grant"
    assert exchange(still, consent(still, **asked)["code"], code_verifier=verifier)[0] == 200
    plain = consent(still, code_challenge="abc", code_challenge_method="plain")
    assert plain["error"] == "invalid_request"


def test_refresh_tokens_rotate_and_work_once(sandbox: Sandbox) -> None:
    first = sandbox.sign_in("runa", ["daily"])
    status, second = refresh(sandbox, first["refresh_token"])
    assert (status, second["scope"]) == (200, "extapi:daily")
    assert second["refresh_token"] != first["refresh_token"]
    assert get(sandbox, second["access_token"], "sleep").status_code == 200
    assert refresh(sandbox, first["refresh_token"]) == (
        400,
        {"error": "invalid_grant", "error_description": "Token already used or revoked"},
    )
    assert refresh(sandbox, second["refresh_token"])[0] == 200


def test_a_dead_refresh_token_leaves_the_access_token_alive(sandbox: Sandbox) -> None:
    pair = sandbox.sign_in("runa")
    sandbox.change_person("runa", revoke="refresh")
    assert get(sandbox, pair["access_token"], "sleep").status_code == 200
    assert refresh(sandbox, pair["refresh_token"])[1]["error"] == "invalid_grant"


def test_credentials_may_come_as_http_basic(still: Sandbox) -> None:
    code = consent(still)["code"]
    sent = {"grant_type": "authorization_code", "code": code}
    basic = httpx.BasicAuth("sandbox", "sandbox-secret")
    assert still.http.post(LEGACY, data=sent, auth=basic).status_code == 200


def test_a_wrong_secret_is_refused_in_the_words_of_each_portal(still: Sandbox) -> None:
    sent = {"grant_type": "authorization_code", "code": "x", "client_id": "someone"}
    legacy, new = still.http.post(LEGACY, data=sent), still.http.post(NEW, data=sent)
    assert (legacy.status_code, legacy.json()) == (
        400,
        {"error": "invalid_client", "error_description": "Invalid client_id."},
    )
    assert (new.status_code, new.json()) == (401, {"error": "invalid_client"})


def test_a_token_request_must_be_form_encoded(still: Sandbox) -> None:
    code = consent(still)["code"]
    sent = {"grant_type": "authorization_code", "code": code, **CLIENT}
    assert still.http.post(LEGACY, json=sent).status_code == 400
    assert exchange(still, code)[0] == 200


@pytest.mark.parametrize(
    ("portal", "right", "wrong"), [("new", NEW, LEGACY), ("legacy", LEGACY, NEW)]
)
def test_the_wrong_portal_refuses_and_uses_nothing_up(portal: Any, right: str, wrong: str) -> None:
    with running(replace(OPTIONS, portal=portal)) as sandbox:
        code = consent(sandbox)["code"]
        assert exchange(sandbox, code, wrong)[0] == 401
        status, pair = exchange(sandbox, code, right)
        assert status == 200
        status, body = refresh(sandbox, pair["refresh_token"], wrong)
        assert (status, body["error"]) == (400, "invalid_request")
        assert refresh(sandbox, pair["refresh_token"], right)[0] == 200


def test_revocation_by_get_and_by_post(sandbox: Sandbox) -> None:
    for form in ("get", "post", "bearer"):
        pair = sandbox.sign_in("runa")
        access = {"access_token": pair["access_token"]}
        ways = {
            "get": lambda a=access: sandbox.http.get("/oauth/revoke", params=a),
            "post": lambda a=access: sandbox.http.post("/oauth/revoke", params=a),
            "bearer": lambda p=pair: sandbox.http.post(
                "/oauth/revoke", headers={"authorization": f"bearer {p['refresh_token']}"}
            ),
        }
        assert ways[form]().status_code == 200
        assert get(sandbox, pair["access_token"], "sleep").status_code == 401
        assert refresh(sandbox, pair["refresh_token"])[1]["error"] == "invalid_grant"
        assert ways[form]().status_code == 401
