"""Signing in, refreshing, revoking; both portals."""

from __future__ import annotations

import base64
import json
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


def test_the_page_offers_every_person_and_every_scope_asked_for(shared: Sandbox) -> None:
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": BACK}
    for path in ("/oauth/authorize", "/authorize"):
        page = shared.http.get(
            path, params={**asked, "scope": "daily spo2 spo2Daily", "state": '"<x>'}
        )
        assert page.status_code == 200
        assert all(f'name="person" value="{name}"' in page.text for name in shared.usernames)
        assert page.text.count('type="checkbox"') == 2
        assert 'name="granted" value="spo2"' in page.text
        assert 'value="&quot;&lt;x&gt;"' in page.text


def test_the_page_picks_who_has_not_signed_in_yet() -> None:
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": BACK}
    with running(replace(OPTIONS, people=2)) as sandbox:
        first, second = sandbox.usernames

        def picked() -> list[str]:
            page = sandbox.http.get("/oauth/authorize", params=asked).text
            return [name for name in sandbox.usernames if f'value="{name}" checked' in page]

        assert picked() == [first]
        sandbox.sign_in(first)
        assert picked() == [second]
        sandbox.sign_in(second)
        assert picked() == [first]


def test_a_whole_sign_in(shared: Sandbox) -> None:
    callback = consent(shared, scope="daily heartrate")
    assert callback.keys() == {"code", "scope", "state"}
    assert (callback["state"], callback["scope"]) == ("here", "extapi:daily extapi:heartrate")
    status, answer = exchange(shared, callback["code"])
    assert status == 200
    assert answer.keys() == {
        "token_type",
        "access_token",
        "expires_in",
        "refresh_token",
        "scope",
        "id_token",
    }
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 86400)
    assert answer["scope"] == "extapi:daily extapi:heartrate"
    assert get(shared, answer["access_token"], "sleep").status_code == 200


def test_consent_can_be_given_by_a_plain_link(shared: Sandbox) -> None:
    asked = f"response_type=code&client_id=sandbox&redirect_uri={BACK}&person=koa&decision=approve"
    answer = shared.http.get(f"/oauth/authorize?{asked}&granted=daily&granted=tag")
    code = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["code"]
    assert exchange(shared, code)[1]["scope"] == "extapi:daily extapi:tag"


def test_no_scope_asked_means_all_and_unticked_ones_are_not_granted(
    shared: Sandbox,
) -> None:
    assert len(consent(shared)["scope"].split()) == 11
    assert consent(shared, scope="daily tag workout", granted="tag")["scope"] == "extapi:tag"
    assert consent(shared, scope="daily", granted="").get("scope", "") == ""


def test_denial(shared: Sandbox) -> None:
    assert consent(shared, decision="deny") == {"error": "access_denied", "state": "here"}


def test_strangers_are_not_sent_back(shared: Sandbox) -> None:
    asked = {"response_type": "code", "redirect_uri": BACK, "client_id": "someone"}
    assert shared.http.get("/oauth/authorize", params=asked).status_code == 400
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


def test_a_code_is_bound_to_its_redirect_uri(shared: Sandbox) -> None:
    code = consent(shared)["code"]
    status, body = exchange(shared, code, redirect_uri="http://127.0.0.1/elsewhere")
    assert (status, body["error"]) == (400, "invalid_grant")


def test_pkce_is_checked_when_a_challenge_was_given(shared: Sandbox) -> None:
    """Verifier and challenge are those of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
    assert exchange(shared, consent(shared, **asked)["code"])[1]["error"] == "invalid_grant"
    wrong = exchange(shared, consent(shared, **asked)["code"], code_verifier="x" * 43)
    assert wrong[1]["error"] == "invalid_grant"
    assert exchange(shared, consent(shared, **asked)["code"], code_verifier=verifier)[0] == 200
    plain = consent(shared, code_challenge="abc", code_challenge_method="plain")
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


def test_credentials_may_come_as_http_basic(shared: Sandbox) -> None:
    code = consent(shared)["code"]
    sent = {"grant_type": "authorization_code", "code": code}
    basic = httpx.BasicAuth("sandbox", "sandbox-secret")
    assert shared.http.post(LEGACY, data=sent, auth=basic).status_code == 200


def test_a_wrong_secret_is_refused_in_the_words_of_each_portal(shared: Sandbox) -> None:
    sent = {"grant_type": "authorization_code", "code": "x", "client_id": "someone"}
    legacy, new = (
        shared.http.post(LEGACY, data=sent),
        shared.http.post(NEW, data=sent),
    )
    assert (legacy.status_code, legacy.json()) == (
        400,
        {"error": "invalid_client", "error_description": "Invalid client_id."},
    )
    assert (new.status_code, new.json()) == (401, {"error": "invalid_client"})


def test_a_token_request_must_be_form_encoded(shared: Sandbox) -> None:
    code = consent(shared)["code"]
    sent = {"grant_type": "authorization_code", "code": code, **CLIENT}
    assert shared.http.post(LEGACY, json=sent).status_code == 400
    assert exchange(shared, code)[0] == 200


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
    for form in ("get", "post", "form", "both", "bearer"):
        pair = sandbox.sign_in("runa")
        access = {"access_token": pair["access_token"]}
        ways = {
            "get": lambda a=access: sandbox.http.get("/oauth/revoke", params=a),
            "post": lambda a=access: sandbox.http.post("/oauth/revoke", params=a),
            "form": lambda a=access: sandbox.http.post("/oauth/revoke", data=a),
            "both": lambda a=access: sandbox.http.post(
                "/oauth/revoke", params=a, headers={"authorization": f"Bearer {a['access_token']}"}
            ),
            "bearer": lambda p=pair: sandbox.http.post(
                "/oauth/revoke", headers={"authorization": f"bearer {p['refresh_token']}"}
            ),
        }
        assert ways[form]().status_code == 200
        assert get(sandbox, pair["access_token"], "sleep").status_code == 401
        assert refresh(sandbox, pair["refresh_token"])[1]["error"] == "invalid_grant"
        assert ways[form]().status_code == 401


def test_an_expired_access_token_revokes_nothing(sandbox: Sandbox) -> None:
    """Whoever wants to revoke later renews first."""
    pair = sandbox.sign_in("runa")
    sandbox.forward(86400)
    query = {"access_token": pair["access_token"]}
    assert sandbox.http.post("/oauth/revoke", params=query).status_code == 401
    assert refresh(sandbox, pair["refresh_token"])[0] == 200


def test_a_lost_answer_to_a_revocation_has_revoked(sandbox: Sandbox) -> None:
    """504 or a cut connection says nothing about what was done; asking again says 401."""
    for kind, error in (("late", None), ("reset", httpx.RemoteProtocolError)):
        query = {"access_token": sandbox.sign_in("runa")["access_token"]}
        sandbox.fault(kind, route="revoke", person="runa")
        if error is None:
            assert sandbox.http.post("/oauth/revoke", params=query).status_code == 504
        else:
            with pytest.raises(error):
                sandbox.http.post("/oauth/revoke", params=query)
        assert sandbox.http.post("/oauth/revoke", params=query).status_code == 401


def test_the_callback_and_the_token_may_say_nothing_about_scopes(sandbox: Sandbox) -> None:
    """Unknown is not none: the token sees what was granted."""
    sandbox.change_options(callback_scope=False, token_scope=False, id_token=False)
    callback = consent(sandbox, granted="daily")
    assert callback.keys() == {"code", "state"}
    status, answer = exchange(sandbox, callback["code"])
    assert (status, set(answer)) == (
        200,
        {"token_type", "access_token", "expires_in", "refresh_token"},
    )
    assert get(sandbox, answer["access_token"], "sleep").status_code == 200
    assert get(sandbox, answer["access_token"], "workout").status_code == 401


def test_granted_names_come_with_and_without_a_prefix(sandbox: Sandbox) -> None:
    """A portal of before 2026 writes the names as they were asked for."""
    sandbox.change_options(scope_prefix="")
    callback = consent(sandbox, scope="daily tag")
    assert callback["scope"] == "daily tag"
    assert exchange(sandbox, callback["code"])[1]["scope"] == "daily tag"


def test_an_old_grant_is_quietly_reused_until_it_is_revoked(sandbox: Sandbox) -> None:
    """Whatever is asked and ticked now, the scopes of the first consent stay."""
    sandbox.change_options(reuse_grant=True)
    old = sandbox.sign_in("runa", ["daily"])
    callback = consent(sandbox, granted="daily tag workout")
    assert callback["scope"] == "extapi:daily"
    assert exchange(sandbox, callback["code"])[1]["scope"] == "extapi:daily"
    assert consent(sandbox, person="koa", granted="tag")["scope"] == "extapi:tag"
    query = {"access_token": old["access_token"]}
    assert sandbox.http.post("/oauth/revoke", params=query).status_code == 200
    assert consent(sandbox, granted="daily tag")["scope"] == "extapi:daily extapi:tag"


def test_pkce_can_be_required_and_ignored(sandbox: Sandbox) -> None:
    """Nobody documents it: a client must get along with both."""
    asked = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}
    sandbox.change_options(pkce="required")
    assert consent(sandbox) == {"error": "invalid_request", "state": "here"}
    code = consent(sandbox, **asked, code_challenge_method="S256")["code"]
    assert exchange(sandbox, code)[1]["error"] == "invalid_grant"
    sandbox.change_options(pkce="ignored")
    code = consent(sandbox, **asked, code_challenge_method="plain")["code"]
    assert exchange(sandbox, code, code_verifier="x" * 43)[0] == 200


@pytest.mark.parametrize("state", ["", "a b+c/d=e&f%20", "ü–\"<>'", "x" * 500])
def test_the_state_comes_back_as_it_was(shared: Sandbox, state: str) -> None:
    """To the byte, with a code as with a denial."""
    assert consent(shared, state=state).get("state", "") == state
    assert consent(shared, state=state, decision="deny").get("state", "") == state


@pytest.mark.parametrize(
    "back",
    [
        "http://127.0.0.1/here/",
        "http://127.0.0.1/here?x=1",
        "http://127.0.0.1/HERE",
        "http://localhost/here",
        "https://127.0.0.1/here",
        "http://127.0.0.1/her",
    ],
)
def test_a_registered_address_must_match_exactly(sandbox: Sandbox, back: str) -> None:
    """A slash, a query, another name of the same machine: not the one that was registered."""
    sandbox.change_options(redirect_uris=["http://127.0.0.1/here", "http://127.0.0.1/there"])
    asked = {"response_type": "code", "client_id": "sandbox", "state": "here"}
    answer = sandbox.http.get("/oauth/authorize", params={**asked, "redirect_uri": back})
    assert (answer.status_code, "registered" in answer.text) == (400, True)
    # With two of them, the application must say which.
    assert sandbox.http.get("/oauth/authorize", params=asked).status_code == 400
    good = {**asked, "redirect_uri": "http://127.0.0.1/there"}
    assert sandbox.http.get("/oauth/authorize", params=good).status_code == 200
    assert sandbox.sign_in("koa")["token_type"] == "bearer"


def test_access_tokens_can_be_short_lived(sandbox: Sandbox) -> None:
    """The answer says how long, and it is true."""
    sandbox.change_options(access_seconds=5)
    pair = sandbox.sign_in("runa")
    assert pair["expires_in"] == 5
    assert get(sandbox, pair["access_token"], "sleep").status_code == 200
    sandbox.forward(5)
    assert get(sandbox, pair["access_token"], "sleep").status_code == 401
    assert refresh(sandbox, pair["refresh_token"])[1]["expires_in"] == 5


def test_the_id_token_says_who_signed_in(shared: Sandbox) -> None:
    """It has the shape of a JSON web token; its subject is the id of `personal_info`."""
    parts = shared.sign_in("koa")["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    assert len(parts) == 3
    assert (claims["sub"], claims["aud"]) == (shared.people()[1]["id"], "sandbox")


def test_the_page_is_that_of_a_sandbox(shared: Sandbox) -> None:
    """Nobody takes it for Oura's own, and nothing on it comes from elsewhere."""
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": BACK}
    pages = [shared.http.get("/oauth/authorize", params=a).text for a in (asked, {})]
    assert all("<title>Sandbox: " in page for page in pages)
    assert all("This is a sandbox, not Oura." in page for page in pages)
    assert [word for page in pages for word in ("http://", "src=") if word in page] == ["http://"]
