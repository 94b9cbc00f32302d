"""The two portals: addresses, spelling of scopes, redirects, giving tokens back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, Ask, get

LOCAL = "http://localhost:8000/callback"
CLIENT = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
NEW = "/oauth/v2/ext"


def consent(sandbox: Sandbox, path: str, **asked: str) -> dict[str, str]:
    """The query of the callback after a person answered a portal's page."""
    parameters = {
        "response_type": "code",
        "client_id": "sandbox",
        "redirect_uri": LOCAL,
        "state": "here",
        "person": "runa",
        "decision": "approve",
    }
    answer = sandbox.http.post(path, data={**parameters, **asked})
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))


def tokens(sandbox: Sandbox, path: str, code: str, **more: Any) -> dict[str, Any]:
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": LOCAL, **CLIENT}
    answer = sandbox.http.post(path, data={**sent, **more})
    answer.raise_for_status()
    return dict(answer.json())


def revoke(sandbox: Sandbox, path: str, **sent: str) -> tuple[int, str]:
    answer = sandbox.http.post(path, data=sent)
    return answer.status_code, answer.text


def works(sandbox: Sandbox, pair: dict[str, Any]) -> bool:
    return get(sandbox, pair["access_token"], "sleep").status_code == 200


def test_a_whole_sign_in_at_the_new_portal(sandbox: Sandbox) -> None:
    """Discovered, asked with the prefix, answered with `iss`, given back by RFC 7009."""
    sandbox.change_options(portal="new")
    found = sandbox.http.get(f"{NEW}/oauth-anonymous/.well-known/openid-configuration").json()
    callback = consent(
        sandbox, found["authorization_endpoint"], scope="extapi:daily extapi:heart_health"
    )
    assert callback["iss"] == found["issuer"]
    assert callback["scope"] == "extapi:daily extapi:heart_health"
    pair = tokens(sandbox, found["token_endpoint"], callback["code"])
    told = sandbox.http.post(
        found["introspection_endpoint"], data={"token": pair["access_token"], **CLIENT}
    ).json()
    assert (told["active"], told["scope"]) == (True, "extapi:daily extapi:heart_health")
    sent = {"token": pair["refresh_token"], **CLIENT}
    assert revoke(sandbox, found["revocation_endpoint"], **sent) == (200, "")
    assert not works(sandbox, pair)
    told = sandbox.http.post(found["introspection_endpoint"], data=sent).json()
    assert told == {"active": False}


@pytest.mark.parametrize(
    ("path", "asked", "granted"),
    [
        ("/oauth/authorize", "daily tag", "extapi:daily extapi:tag"),
        ("/oauth/authorize", "extapi:daily tag", "extapi:tag"),
        ("/oauth/authorize", "spo2Daily tag", "extapi:tag"),
        (f"{NEW}/oauth-authorize", "extapi:daily extapi:tag", "extapi:daily extapi:tag"),
        (f"{NEW}/oauth-authorize", "daily extapi:tag", "extapi:tag"),
        (f"{NEW}/oauth-authorize", "daily tag", ""),
    ],
)
def test_a_scope_in_the_other_portals_spelling_is_not_granted(
    shared: Sandbox, path: str, asked: str, granted: str
) -> None:
    """In silence: the callback brings a code all the same."""
    callback = consent(shared, path, scope=asked)
    assert (callback["scope"], "code" in callback) == (granted, True)


@pytest.mark.parametrize(
    ("back", "statuses"),
    [
        ("http://localhost:8000/callback", (200, 200)),
        ("http://127.0.0.1:8000/callback", (200, 400)),
        ("http://example.org/callback", (200, 400)),
        ("https://example.org/callback", (200, 200)),
    ],
)
def test_where_each_portal_sends_people_back_to(
    shared: Sandbox, back: str, statuses: tuple[int, int]
) -> None:
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": back}
    pages = [
        shared.http.get(path, params=asked)
        for path in ("/oauth/authorize", f"{NEW}/oauth-authorize")
    ]
    assert tuple(page.status_code for page in pages) == statuses
    assert [("invalid_request" in page.text) for page in pages] == [False, statuses[1] == 400]


def test_the_redirect_address_is_compared_with_its_port_and_slash(sandbox: Sandbox) -> None:
    sandbox.change_options(redirect_uris=[LOCAL])
    asked = {"response_type": "code", "client_id": "sandbox"}
    for back in ("http://localhost:8001/callback", LOCAL + "/", "http://localhost/callback"):
        page = sandbox.http.get(f"{NEW}/oauth-authorize", params={**asked, "redirect_uri": back})
        assert page.status_code == 400


def test_an_application_of_the_old_portal_is_not_known_at_the_new_one() -> None:
    with running(replace(OPTIONS, portal="legacy")) as sandbox:
        asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": LOCAL}
        assert sandbox.http.get(f"{NEW}/oauth-authorize", params=asked).status_code == 400
        code = consent(sandbox, "/oauth/authorize")["code"]
        pair = tokens(sandbox, "/oauth/token", code)
        refused = (401, '{"error":"invalid_client"}')
        sent = {"token": pair["refresh_token"], **CLIENT}
        assert revoke(sandbox, f"{NEW}/oauth-revoke", **sent) == refused
        assert works(sandbox, pair)
        assert revoke(sandbox, "/oauth/revoke", **sent) == (200, "{}")
        assert not works(sandbox, pair)


def test_an_application_of_the_new_portal_may_ask_at_the_old_page() -> None:
    """It leads to the new portal; the old token and revoke addresses know nothing of it."""
    with running(replace(OPTIONS, portal="new")) as sandbox:
        code = consent(sandbox, "/oauth/authorize", scope="daily")["code"]
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            tokens(sandbox, "/oauth/token", code)
        pair = tokens(sandbox, f"{NEW}/oauth-token", code)
        query = {"access_token": pair["access_token"]}
        assert sandbox.http.post("/oauth/revoke", params=query).status_code == 401
        assert works(sandbox, pair)


@pytest.mark.parametrize("path", ["/oauth/revoke", f"{NEW}/oauth-revoke"])
@pytest.mark.parametrize(
    "client", [{"client_id": "sandbox", "client_secret": "wrong"}, {"client_id": "someone"}]
)
def test_wrong_credentials_revoke_nothing(
    sandbox: Sandbox, path: str, client: dict[str, str]
) -> None:
    pair = sandbox.sign_in("runa")
    refused = (401, '{"error":"invalid_client"}')
    assert revoke(sandbox, path, token=pair["refresh_token"], **client) == refused
    assert works(sandbox, pair)


def test_the_new_portal_wants_credentials_and_a_token(sandbox: Sandbox) -> None:
    pair = sandbox.sign_in("runa")
    path = f"{NEW}/oauth-revoke"
    assert revoke(sandbox, path, token=pair["refresh_token"])[0] == 401
    assert revoke(sandbox, path, **CLIENT)[0] == 400
    query = {"token": pair["refresh_token"], **CLIENT}
    assert sandbox.http.post(path, params=query).status_code == 401
    assert sandbox.http.get(path, params=query).status_code == 405


def test_only_the_portal_that_gave_a_token_takes_it_back(sandbox: Sandbox) -> None:
    """RFC 7009 answers 200 for a token that is unknown: it says nothing about the others."""
    pair = tokens(sandbox, "/oauth/token", consent(sandbox, "/oauth/authorize")["code"])
    sent = {"token": pair["refresh_token"], **CLIENT}
    assert revoke(sandbox, f"{NEW}/oauth-revoke", **sent) == (200, "")
    assert works(sandbox, pair)
    assert revoke(sandbox, "/oauth/revoke", **sent)[0] == 200
    assert not works(sandbox, pair)


def test_credentials_of_a_revocation_may_come_as_http_basic(sandbox: Sandbox) -> None:
    code = consent(sandbox, f"{NEW}/oauth-authorize")["code"]
    pair = tokens(sandbox, f"{NEW}/oauth-token", code)
    basic = httpx.BasicAuth("sandbox", "sandbox-secret")
    sent = {"token": pair["refresh_token"]}
    assert sandbox.http.post(f"{NEW}/oauth-revoke", data=sent, auth=basic).status_code == 200
    assert not works(sandbox, pair)


@pytest.mark.parametrize("kind", ["error", "rate_limited", "gateway_timeout", "drop"])
@pytest.mark.parametrize("route", ["token", "revoke"])
def test_a_fault_before_anything_was_done(sandbox: Sandbox, kind: str, route: str) -> None:
    """The same request works when it is sent again."""
    pair = sandbox.sign_in("runa")
    path = f"/oauth/{route}"
    token = {"token": pair["refresh_token"], "refresh_token": pair["refresh_token"]}
    sent = {"grant_type": "refresh_token", **token, **CLIENT}
    sandbox.fault(kind, route=route, person="runa")
    if kind == "drop":
        with pytest.raises(httpx.RemoteProtocolError):
            sandbox.http.post(path, data=sent)
    else:
        assert sandbox.http.post(path, data=sent).status_code in (429, 500, 504)
    assert sandbox.http.post(path, data=sent).status_code == 200


def test_an_empty_grant_is_used_until_consent_is_asked_for_anew(sandbox: Sandbox) -> None:
    """Whatever is ticked: the token of it sees nothing."""
    sandbox.fault("empty_grant", route="authorize", person="runa")
    for _ in range(2):
        callback = consent(sandbox, "/oauth/authorize", scope="daily", granted="daily")
        pair = tokens(sandbox, "/oauth/token", callback["code"])
        assert (callback["scope"], pair["scope"]) == ("", "")
        assert get(sandbox, pair["access_token"], "sleep").status_code == 401
    callback = consent(sandbox, "/oauth/authorize", scope="daily", prompt="consent")
    assert callback["scope"] == "extapi:daily"
    assert consent(sandbox, "/oauth/authorize", scope="daily")["scope"] == "extapi:daily"


def test_the_page_keeps_what_the_application_asked(shared: Sandbox) -> None:
    """Its form goes to the portal that showed it, with `prompt`."""
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": LOCAL}
    page = shared.http.get(f"{NEW}/oauth-authorize", params={**asked, "prompt": "consent"}).text
    assert f'action="{NEW}/oauth-authorize"' in page
    assert '<input type="hidden" name="prompt" value="consent">' in page


def test_a_callback_can_bring_any_error(sandbox: Sandbox) -> None:
    body = {"error": "invalid_scope", "error_description": "Scope is malformed"}
    sandbox.fault("callback", route="authorize", body=body)
    assert consent(sandbox, "/oauth/authorize") == {**body, "state": "here"}
    assert "code" in consent(sandbox, "/oauth/authorize")


@pytest.mark.parametrize(
    ("told", "expected"),
    [("0", 0), ("-5", -5), ("1e300", 1e300), ('"3600"', "3600"), ("null", None), ("true", True)],
)
def test_expires_in_of_any_size(sandbox: Sandbox, told: str, expected: Any) -> None:
    """The token lives as long as ever: only the answer is odd."""
    sandbox.change_options(expires_in=told)
    pair = sandbox.sign_in("runa")
    assert pair["expires_in"] == expected
    assert works(sandbox, pair)


def test_expires_in_may_be_absent(sandbox: Sandbox) -> None:
    sandbox.change_options(expires_in="absent")
    assert "expires_in" not in sandbox.sign_in("runa")


@pytest.mark.parametrize(
    ("status", "detail"),
    [(403, "Forbidden"), (401, "expired_oura_membership"), (403, "Subscription expired")],
)
def test_a_lapsed_membership_in_several_words(
    sandbox: Sandbox, ask: Ask, status: int, detail: str
) -> None:
    sandbox.change_options(lapsed_status=status, lapsed_detail=detail)
    sandbox.change_person("runa", membership=False)
    answer = ask("runa", "sleep")
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert ask("runa", "personal_info").status_code == 200
    assert ask("koa", "sleep").status_code == 200


def test_a_401_that_says_nothing(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("error", status=401, body="", count=None, person="runa")
    answers = [ask("runa", name) for name in ("sleep", "workout", "personal_info")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(401, b"")] * 3
