"""Signing in: the page where a person consents, the two token endpoints, revocation.

An application belongs to one portal. At the other portal's token endpoint it is refused: 401 on the
first exchange, 400 `invalid_request` on a refresh, which does not use up the refresh token.
"""

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
from oura_pipeline.sandbox.grants import Grant
from oura_pipeline.sandbox.responses import Refused, error_response, json_response

LEGACY_TOKEN = "/oauth/token"  # noqa: S105  a path
NEW_TOKEN = "/oauth/v2/ext/oauth-token"  # noqa: S105  a path


async def _authorize(request: Request) -> Response:
    """The consent page; `person` and `decision` in the query or form answer it at once."""
    cloud = cloud_of(request)
    asked = {**request.query_params, **(await form(request))}
    if len(cloud.options.redirect_uris) == 1:
        asked.setdefault("redirect_uri", cloud.options.redirect_uris[0])
    scopes = await _ticked(request)
    problem = _problem(cloud, asked)
    if problem:
        return HTMLResponse(problem_page(problem), 400)
    if error := _error(cloud, asked):
        return _redirect(asked["redirect_uri"], error=error, state=asked.get("state"))
    if asked.get("decision") == "approve" and asked.get("person") in cloud.people:
        return _approve(cloud, asked, scopes)
    return HTMLResponse(consent_page(list(cloud.people.values()), asked, requested_scopes(asked)))


def _approve(cloud: Cloud, asked: Mapping[str, str], ticked: list[str] | None) -> Response:
    granted = requested_scopes(asked) if ticked is None else [s for s in SCOPES if s in ticked]
    grant = _old_grant(cloud, asked["person"]) or Grant(asked["person"], tuple(granted))
    code = cloud.grants.code(grant, asked["redirect_uri"], _challenge(cloud, asked))
    cloud.requests["authorize", grant.username] += 1
    scope = _written(cloud, grant) if cloud.options.callback_scope else None
    return _redirect(asked["redirect_uri"], code=code, scope=scope, state=asked.get("state"))


def _old_grant(cloud: Cloud, username: str) -> Grant | None:
    return cloud.grants.active_grant(username) if cloud.options.reuse_grant else None


def _challenge(cloud: Cloud, asked: Mapping[str, str]) -> str | None:
    return None if cloud.options.pkce == "ignored" else asked.get("code_challenge") or None


def issue_token_response(cloud: Cloud, grant: Grant) -> dict[str, Any]:
    """A new pair of tokens, in the form of Oura's token answer; `expires_in` in seconds."""
    access, refresh = cloud.grants.issue(grant, cloud.options.access_seconds)
    answer = {
        "token_type": "bearer",
        "access_token": access,
        "expires_in": cloud.options.access_seconds,
        "refresh_token": refresh,
    }
    if cloud.options.token_scope:
        answer["scope"] = _written(cloud, grant)
    if cloud.options.id_token:
        answer["id_token"] = _id_token(cloud, grant)
    return answer


async def _token(request: Request) -> Response:
    """Exchange a code or refresh a token."""
    cloud = cloud_of(request)
    sent = await form(request)
    owner = cloud.grants.owner(code=sent.get("code", ""), token=sent.get("refresh_token", ""))
    cloud.requests["token", owner or "-"] += 1
    fault = cloud.faults.draw("token", owner)
    try:
        if broken := await cloud.faults.before(fault):
            return broken
        _client(request, sent, cloud)
        body = issue_token_response(cloud, _grant(sent, cloud))
    except Refused as refused:
        return cloud.faults.after(fault, error_response(request, refused))
    headers = {"cache-control": "no-store"}
    return cloud.faults.after(fault, json_response(request, body, headers=headers))


async def _revoke(request: Request) -> Response:
    """Revoke by GET or POST; 401 when already revoked.

    The token is `access_token` (or `token`) of query or form, else that of `Authorization: <type>
    <token>`; both kinds of token will do.
    """
    cloud = cloud_of(request)
    sent = {**request.query_params, **(await form(request))}
    bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
    token = sent.get("access_token") or sent.get("token") or bearer
    owner = cloud.grants.owner(token=token)
    cloud.requests["revoke", owner or "-"] += 1
    fault = cloud.faults.draw("revoke", owner)
    try:
        if broken := await cloud.faults.before(fault):
            return broken
        if not cloud.grants.revoke(token):
            raise Refused(401, {"error": "invalid_token"})
    except Refused as refused:
        return cloud.faults.after(fault, error_response(request, refused))
    return cloud.faults.after(fault, json_response(request, {}))


ROUTES = [
    Route("/oauth/authorize", _authorize, methods=["GET", "POST"]),
    Route("/authorize", _authorize, methods=["GET", "POST"]),
    Route(LEGACY_TOKEN, _token, methods=["POST"]),
    Route(NEW_TOKEN, _token, methods=["POST"]),
    Route("/oauth/revoke", _revoke, methods=["GET", "POST"]),
]


async def form(request: Request) -> dict[str, str]:
    """The fields of a form-encoded body, the last of each name; nothing for another body."""
    return {name: values[-1] for name, values in (await _fields(request)).items()}


async def _fields(request: Request) -> dict[str, list[str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    return parse_qs((await request.body()).decode(), keep_blank_values=True)


async def _ticked(request: Request) -> list[str] | None:
    """The scopes that were ticked; None when the answer does not say (then all that were asked)."""
    sent = await _fields(request)
    ticked = [*sent.get("granted", []), *request.query_params.getlist("granted")]
    return [name for text in ticked for name in text.split()] if ticked else None


def requested_scopes(asked: Mapping[str, str]) -> list[str]:
    """The scopes an application asks for: none named means all; `spo2Daily` is an old name."""
    text = asked.get("scope", "").replace("extapi:", "").replace("spo2Daily", "spo2")
    named = text.split()
    return [scope for scope in SCOPES if scope in named] if named else list(SCOPES)


def _problem(cloud: Cloud, asked: Mapping[str, str]) -> str | None:
    """Why nobody can be sent back: shown instead of a redirect."""
    if asked.get("client_id") != cloud.options.client_id:
        return "Unknown client_id."
    allowed, back = cloud.options.redirect_uris, asked.get("redirect_uri")
    if not back or (allowed and back not in allowed):
        return "redirect_uri is not one that the application has registered."
    return None


def _error(cloud: Cloud, asked: Mapping[str, str]) -> str | None:
    """What the application is told instead of a code, by its name in OAuth."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    if cloud.options.pkce == "required" and not asked.get("code_challenge"):
        return "invalid_request"
    if cloud.options.pkce != "ignored" and asked.get("code_challenge_method", "S256") != "S256":
        return "invalid_request"
    return "access_denied" if asked.get("decision") == "deny" else None


def _redirect(back: str, **answer: str | None) -> Response:
    query = urlencode({name: value for name, value in answer.items() if value is not None})
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{query}", 302)


def _written(cloud: Cloud, grant: Grant) -> str:
    """Scopes as Oura names granted ones: `extapi:daily extapi:heartrate`."""
    return " ".join(f"{cloud.options.scope_prefix}{scope}" for scope in grant.scopes)


def _id_token(cloud: Cloud, grant: Grant) -> str:
    """A signed JSON web token that says who signed in; whoever does not need it ignores it."""
    now = int(cloud.clock.now())
    claims = {
        "iss": "https://moi.ouraring.com",
        "sub": cloud.person_data(grant.username).person.id,
        "aud": cloud.options.client_id,
        "iat": now,
        "exp": now + cloud.options.access_seconds,
    }
    parts = [_base64url(msgspec.json.encode(part)) for part in ({"alg": "HS256"}, claims)]
    signed = hmac.new(cloud.options.client_secret.encode(), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, _base64url(signed.digest())])


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _client(request: Request, sent: Mapping[str, str], cloud: Cloud) -> None:
    """Check who asks. Raises `Refused`: 400 or 401, in the form of the portal that was asked."""
    here = "legacy" if request.url.path == LEGACY_TOKEN else "new"
    refreshing = sent.get("grant_type") == "refresh_token"
    if cloud.options.portal not in ("both", here):
        if refreshing:
            body = {"error": "invalid_request", "error_description": "Invalid request"}
            raise Refused(400, body)
        raise Refused(401, {"error": "invalid_client"})
    given = _credentials(request, sent)
    if given != (cloud.options.client_id, cloud.options.client_secret):
        raise _bad_client(here)


def _bad_client(here: str) -> Refused:
    if here == "new":
        return Refused(401, {"error": "invalid_client"})
    description = "Invalid client_id."
    return Refused(400, {"error": "invalid_client", "error_description": description})


def _credentials(request: Request, sent: Mapping[str, str]) -> tuple[str, str]:
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return sent.get("client_id", ""), sent.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)


def _grant(sent: Mapping[str, str], cloud: Cloud) -> Grant:
    if sent.get("grant_type") == "authorization_code":
        code, back = sent.get("code", ""), sent.get("redirect_uri")
        return cloud.grants.redeem(code, back, sent.get("code_verifier"))
    if sent.get("grant_type") == "refresh_token":
        return cloud.grants.rotate(sent.get("refresh_token", ""))
    body: dict[str, Any] = {"error": "unsupported_grant_type"}
    raise Refused(400, body)
