"""Signing in: the page where a person consents, the two token endpoints, revocation."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import SCOPES
from oura_pipeline.sandbox.cloud import Cloud, cloud_of
from oura_pipeline.sandbox.consent import consent_page, problem_page
from oura_pipeline.sandbox.faults import Fault
from oura_pipeline.sandbox.grants import Grant, base64url
from oura_pipeline.sandbox.handling import respond
from oura_pipeline.sandbox.responses import Refused, json_response, oauth_error

# Oura has two developer portals with a token endpoint each. These are their real paths.
LEGACY_TOKEN = "/oauth/token"  # noqa: S105  a path
NEW_TOKEN = "/oauth/v2/ext/oauth-token"  # noqa: S105  a path


async def _authorize(request: Request) -> Response:
    """Show the consent page, or follow the `person` and `decision` of the query or form."""
    cloud = cloud_of(request)
    parameters = {**request.query_params, **(await form(request))}
    # As OAuth allows: with one registered address an application need not name it.
    if len(cloud.options.redirect_uris) == 1:
        parameters.setdefault("redirect_uri", cloud.options.redirect_uris[0])
    ticked = await _ticked(request)
    # Before all else: nobody may be sent to an address that is not known to be the application's.
    if problem := _problem(cloud, parameters):
        return HTMLResponse(problem_page(problem), 400)
    if error := _error(cloud, parameters):
        return _redirect(parameters["redirect_uri"], error=error, state=parameters.get("state"))
    if parameters.get("decision") == "approve" and parameters.get("person") in cloud.people:
        return _approve(cloud, parameters, ticked)
    people = list(cloud.people.values())
    return HTMLResponse(consent_page(people, parameters, requested_scopes(parameters)))


def _approve(cloud: Cloud, parameters: Mapping[str, str], ticked: list[str] | None) -> Response:
    person, redirect_uri = parameters["person"], parameters["redirect_uri"]
    scopes = requested_scopes(parameters) if ticked is None else [s for s in SCOPES if s in ticked]
    # Oura was seen to reuse an old grant in silence, whatever is ticked the second time.
    old = cloud.grants.active_grant(person) if cloud.options.reuse_grant else None
    grant = old or Grant(person, tuple(scopes))
    ignored = cloud.options.pkce == "ignored"
    challenge = None if ignored else parameters.get("code_challenge") or None
    code = cloud.grants.code(grant, redirect_uri, challenge)
    cloud.requests["authorize", grant.username] += 1
    # Some of Oura's callbacks name no scope: then what was granted is unknown, not nothing.
    scope = _prefixed_scopes(cloud, grant) if cloud.options.callback_scope else None
    return _redirect(redirect_uri, code=code, scope=scope, state=parameters.get("state"))


def issue_token_response(cloud: Cloud, grant: Grant) -> dict[str, Any]:
    """Return a new pair of tokens in the form of Oura's answer; `expires_in` in seconds."""
    access, refresh = cloud.grants.issue(grant, cloud.options.access_seconds)
    body = {
        "token_type": "bearer",
        "access_token": access,
        "expires_in": cloud.options.access_seconds,
        "refresh_token": refresh,
    }
    # These two came with the new portal: answers from before 2026 have neither.
    if cloud.options.token_scope:
        body["scope"] = _prefixed_scopes(cloud, grant)
    if cloud.options.id_token:
        body["id_token"] = _id_token(cloud, grant)
    return body


async def _token(request: Request) -> Response:
    cloud = cloud_of(request)
    sent = await form(request)

    async def handle(fault: Fault | None) -> Response:
        # The client first: a wrong secret or the wrong portal must not use up the code or token.
        _check_client(request, sent, cloud)
        body = issue_token_response(cloud, _grant(sent, cloud))
        return json_response(request, body, headers={"cache-control": "no-store"})

    owner = cloud.grants.owner(code=sent.get("code", ""), token=sent.get("refresh_token", ""))
    return await respond(request, handle, route="token", username=owner)


async def _revoke(request: Request) -> Response:
    """Revoke the grant of an access or refresh token."""
    cloud = cloud_of(request)
    # Oura's page shows an address with `access_token` and names no method. Clients send GET or
    # POST, or the refresh token in `Authorization: <type> <token>`; all of it works here.
    sent = {**request.query_params, **(await form(request))}
    bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
    token = sent.get("access_token") or sent.get("token") or bearer

    async def handle(fault: Fault | None) -> Response:
        # Clients read this 401 as "already revoked", which is as good as done.
        if not cloud.grants.revoke(token):
            raise Refused(401, {"error": "invalid_token"})
        return json_response(request, {})

    owner = cloud.grants.owner(token=token)
    return await respond(request, handle, route="revoke", username=owner)


ROUTES = [
    Route("/oauth/authorize", _authorize, methods=["GET", "POST"]),
    # The new portal's address of the same page.
    Route("/authorize", _authorize, methods=["GET", "POST"]),
    Route(LEGACY_TOKEN, _token, methods=["POST"]),
    Route(NEW_TOKEN, _token, methods=["POST"]),
    Route("/oauth/revoke", _revoke, methods=["GET", "POST"]),
]


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form-encoded body, the last of each name; {} for another body."""
    return {name: values[-1] for name, values in (await _fields(request)).items()}


async def _fields(request: Request) -> dict[str, list[str]]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        return {}
    # Blank values count: the page's empty `granted` says that nothing was ticked.
    return parse_qs((await request.body()).decode(), keep_blank_values=True)


async def _ticked(request: Request) -> list[str] | None:
    """Return the scopes that were ticked; None, for all requested ones, if nothing says so."""
    sent = await _fields(request)
    ticked = [*sent.get("granted", []), *request.query_params.getlist("granted")]
    return [name for text in ticked for name in text.split()] if ticked else None


def requested_scopes(parameters: Mapping[str, str]) -> list[str]:
    """Return the scopes that an application requests: none named means all, as at Oura."""
    # Both spellings of a name are taken: which one Oura wants depends on the portal. `spo2Daily`
    # is what its description called `spo2` until version 1.37.
    text = parameters.get("scope", "").replace("extapi:", "").replace("spo2Daily", "spo2")
    named = text.split()
    # Unknown names are dropped in silence, as was seen.
    return [scope for scope in SCOPES if scope in named] if named else list(SCOPES)


def _problem(cloud: Cloud, parameters: Mapping[str, str]) -> str | None:
    """Return why nobody can be sent back to the application, if so."""
    if parameters.get("client_id") != cloud.options.client_id:
        return "Unknown client_id."
    allowed, redirect_uri = cloud.options.redirect_uris, parameters.get("redirect_uri")
    # Matched exactly: a missing slash at the end is enough to be refused at Oura.
    if not redirect_uri or (allowed and redirect_uri not in allowed):
        return "redirect_uri is not one that the application has registered."
    return None


def _error(cloud: Cloud, parameters: Mapping[str, str]) -> str | None:
    """Return OAuth's name of the error that the application gets instead of a code, if any."""
    if parameters.get("response_type") != "code":
        return "unsupported_response_type"
    if cloud.options.pkce == "required" and not parameters.get("code_challenge"):
        return "invalid_request"
    method = parameters.get("code_challenge_method", "S256")
    # `plain` would send the verifier itself through the browser.
    if cloud.options.pkce != "ignored" and method != "S256":
        return "invalid_request"
    return "access_denied" if parameters.get("decision") == "deny" else None


def _redirect(redirect_uri: str, **answer: str | None) -> Response:
    query = urlencode({name: value for name, value in answer.items() if value is not None})
    return RedirectResponse(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}", 302)


def _prefixed_scopes(cloud: Cloud, grant: Grant) -> str:
    # Granted scopes come back as `extapi:daily extapi:heartrate`, however they were requested.
    return " ".join(f"{cloud.options.scope_prefix}{scope}" for scope in grant.scopes)


def _id_token(cloud: Cloud, grant: Grant) -> str:
    """Return a signed JSON web token that says who signed in."""
    now = int(cloud.clock.now())
    claims = {
        # The new portal's host, whichever portal answers.
        "iss": "https://moi.ouraring.com",
        "sub": cloud.person_data(grant.username).person.id,
        "aud": cloud.options.client_id,
        "iat": now,
        "exp": now + cloud.options.access_seconds,
    }
    parts = [base64url(msgspec.json.encode(part)) for part in ({"alg": "HS256"}, claims)]
    signed = hmac.new(cloud.options.client_secret.encode(), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64url(signed.digest())])


def _check_client(request: Request, sent: Mapping[str, str], cloud: Cloud) -> None:
    """Raise `Refused` (400 or 401) for a wrong application, as the portal that was asked does."""
    legacy = request.url.path == LEGACY_TOKEN
    # An application belongs to one portal. At the other one a refresh was seen to get 400 and the
    # first exchange 401, neither of which tells what is wrong; the token stays good.
    if cloud.options.portal not in ("both", "legacy" if legacy else "new"):
        if sent.get("grant_type") == "refresh_token":
            raise oauth_error("invalid_request", "Invalid request")
        raise Refused(401, {"error": "invalid_client"})
    if _credentials(request, sent) != (cloud.options.client_id, cloud.options.client_secret):
        if legacy:
            raise oauth_error("invalid_client", "Invalid client_id.")
        raise Refused(401, {"error": "invalid_client"})


def _credentials(request: Request, sent: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return sent.get("client_id", ""), sent.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    # OAuth has both form-encoded before they are joined, so that a colon in them does no harm.
    return unquote(name), unquote(secret)


def _grant(sent: Mapping[str, str], cloud: Cloud) -> Grant:
    if sent.get("grant_type") == "authorization_code":
        code, redirect_uri = sent.get("code", ""), sent.get("redirect_uri")
        return cloud.grants.redeem(code, redirect_uri, sent.get("code_verifier"))
    if sent.get("grant_type") == "refresh_token":
        return cloud.grants.rotate(sent.get("refresh_token", ""))
    # `client_credentials` among them: nobody gets a token without a person.
    raise Refused(400, {"error": "unsupported_grant_type"})
