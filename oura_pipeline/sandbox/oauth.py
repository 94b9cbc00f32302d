"""Signing in: the page where a person consents, and the two token endpoints."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import SCOPES
from oura_pipeline.sandbox.cloud import Cloud, cloud_of
from oura_pipeline.sandbox.consent import consent_page, problem_page
from oura_pipeline.sandbox.faults import Fault
from oura_pipeline.sandbox.forms import form, form_lists
from oura_pipeline.sandbox.grants import Grant, base64url
from oura_pipeline.sandbox.handling import respond
from oura_pipeline.sandbox.portals import (
    ISSUER,
    PORTALS,
    Portal,
    check_client,
    is_registered,
    portal_of,
    redirect_problem,
)
from oura_pipeline.sandbox.responses import Refused, json_response


async def _authorize(request: Request) -> Response:
    """Show the consent page, or follow the `person` and `decision` of the query or form."""
    cloud, portal = cloud_of(request), portal_of(request)
    parameters = {**request.query_params, **(await form(request))}
    # As OAuth allows: with one registered address an application need not name it.
    if len(cloud.options.redirect_uris) == 1:
        parameters.setdefault("redirect_uri", cloud.options.redirect_uris[0])
    # Before all else: nobody may be sent to an address that is not known to be the application's.
    if problem := _problem(cloud, portal, parameters):
        return HTMLResponse(problem_page(problem), 400)
    if error := _error(cloud, parameters):
        return _redirect(parameters["redirect_uri"], error=error, state=parameters.get("state"))
    asked = requested_scopes(portal, parameters)
    if parameters.get("decision") == "approve" and parameters.get("person") in cloud.people:
        ticked = await _ticked(request)
        scopes = asked if ticked is None else [scope for scope in SCOPES if scope in ticked]
        return _approve(request, parameters, tuple(scopes))
    names, path = list(cloud.people), request.url.path
    # Who has not signed in yet, which in a demo is one of them; else the first.
    new = (name for name in names if cloud.grants.active_grant(name) is None)
    picked = next(new, names[0] if names else "")
    people = list(cloud.people.values())
    return HTMLResponse(consent_page(people, parameters, asked, path=path, picked=picked))


def _approve(request: Request, parameters: Mapping[str, str], scopes: tuple[str, ...]) -> Response:
    cloud, portal = cloud_of(request), portal_of(request)
    person, redirect_uri = parameters["person"], parameters["redirect_uri"]
    fault = cloud.faults.draw("authorize", person)
    cloud.requests["authorize", person] += 1
    if fault and fault.kind == "callback":
        return _redirect(redirect_uri, **fault.body, state=parameters.get("state"))
    if fault and fault.kind == "empty_grant":
        cloud.empty_grants.add(person)
    grant = _consented(cloud, person, scopes, anew=parameters.get("prompt") == "consent")
    ignored = cloud.options.pkce == "ignored"
    challenge = None if ignored else parameters.get("code_challenge") or None
    return _redirect(
        redirect_uri,
        code=cloud.grants.code(grant, redirect_uri, challenge),
        # Some of Oura's callbacks name no scope: then what was granted is unknown, not nothing.
        scope=_prefixed_scopes(cloud, grant) if cloud.options.callback_scope else None,
        iss=f"{request.base_url}{ISSUER[1:]}" if portal.name == "new" else None,
        state=parameters.get("state"),
    )


def _consented(cloud: Cloud, person: str, scopes: tuple[str, ...], *, anew: bool) -> Grant:
    """Return the grant that a consent makes, or an older one that counts in its place."""
    # A click before the page was ready was seen to record a grant of nothing, which Oura then
    # uses in silence, whatever is ticked, until `prompt=consent` is sent.
    if anew:
        cloud.empty_grants.discard(person)
    elif person in cloud.empty_grants:
        return Grant(person, ())
    # Oura was also seen to reuse an old grant in silence.
    old = cloud.grants.active_grant(person) if cloud.options.reuse_grant and not anew else None
    return old or Grant(person, scopes)


def issue_token_response(cloud: Cloud, grant: Grant) -> dict[str, Any]:
    """Return a new pair of tokens in the form of Oura's answer; `expires_in` in seconds."""
    access, refresh = cloud.grants.issue(grant, cloud.options.access_seconds)
    body = {
        "token_type": "bearer",
        "access_token": access,
        **_expires_in(cloud),
        "refresh_token": refresh,
    }
    # These two came with the new portal: answers from before 2026 have neither.
    if cloud.options.token_scope:
        body["scope"] = _prefixed_scopes(cloud, grant)
    if cloud.options.id_token:
        body["id_token"] = _id_token(cloud, grant)
    return body


def _expires_in(cloud: Cloud) -> dict[str, Any]:
    told = cloud.options.expires_in
    if told == "absent":
        return {}
    return {"expires_in": msgspec.Raw(told.encode()) if told else cloud.options.access_seconds}


async def _token(request: Request) -> Response:
    cloud = cloud_of(request)
    sent = await form(request)

    async def handle(fault: Fault | None) -> Response:
        # The client first: a wrong secret or the wrong portal must not use up the code or token.
        check_client(request, sent, cloud)
        grant = _grant(sent, cloud)
        grant.portal = portal_of(request).name
        body = issue_token_response(cloud, grant)
        return json_response(request, body, headers={"cache-control": "no-store"})

    owner = cloud.grants.owner(code=sent.get("code", ""), token=sent.get("refresh_token", ""))
    return await respond(request, handle, route="token", username=owner)


ROUTES = [
    *(
        Route(path, _authorize, methods=["GET", "POST"])
        for portal in PORTALS
        for path in portal.authorize
    ),
    *(Route(portal.token, _token, methods=["POST"]) for portal in PORTALS),
]


async def _ticked(request: Request) -> list[str] | None:
    """Return the scopes that were ticked; None, for all requested ones, if nothing says so."""
    sent = await form_lists(request)
    ticked = [*sent.get("granted", []), *request.query_params.getlist("granted")]
    return [name for text in ticked for name in text.split()] if ticked else None


def requested_scopes(portal: Portal, parameters: Mapping[str, str]) -> list[str]:
    """Return the scopes that an application requests: none named means all, as at Oura."""
    named = parameters.get("scope", "").split()
    # Unknown names are dropped in silence, as was seen: among them those in the spelling of the
    # other portal, and `spo2Daily`, which Oura's description had until version 1.37.
    known = [scope for scope in SCOPES if portal.prefix + scope in named]
    return known if named else list(SCOPES)


def _problem(cloud: Cloud, portal: Portal, parameters: Mapping[str, str]) -> str | None:
    """Return why nobody can be sent back to the application, if so."""
    # The page of the old portal leads to the new one, and knows the applications of both.
    known = portal.name == "legacy" or is_registered(cloud, portal)
    if not known or parameters.get("client_id") != cloud.options.client_id:
        return "Unknown client_id."
    return redirect_problem(cloud, portal, parameters.get("redirect_uri"))


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


def _grant(sent: Mapping[str, str], cloud: Cloud) -> Grant:
    if sent.get("grant_type") == "authorization_code":
        code, redirect_uri = sent.get("code", ""), sent.get("redirect_uri")
        return cloud.grants.redeem(code, redirect_uri, sent.get("code_verifier"))
    if sent.get("grant_type") == "refresh_token":
        return cloud.grants.rotate(sent.get("refresh_token", ""))
    # `client_credentials` among them: nobody gets a token without a person.
    raise Refused(400, {"error": "unsupported_grant_type"})
