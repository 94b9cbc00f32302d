"""Giving tokens back, asking whether they still work, and what the new portal says of itself."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.sandbox.catalog import SCOPES
from oura_pipeline.sandbox.cloud import Cloud, cloud_of
from oura_pipeline.sandbox.faults import Fault
from oura_pipeline.sandbox.forms import form
from oura_pipeline.sandbox.handling import respond
from oura_pipeline.sandbox.portals import (
    ISSUER,
    PORTALS,
    Portal,
    check_client,
    credentials,
    is_registered,
)
from oura_pipeline.sandbox.responses import Refused, json_response, oauth_error

_LEGACY, _NEW = PORTALS


async def _revoke_at_legacy(request: Request) -> Response:
    """Revoke the grant of an access or refresh token."""
    cloud = cloud_of(request)
    # Oura's page shows an address with `access_token` and names no method. Clients send GET or
    # POST, or the refresh token in `Authorization: <type> <token>`; all of it works here.
    sent = {**request.query_params, **(await form(request))}
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    bearer = "" if scheme.lower() == "basic" else bearer.strip()
    token = sent.get("access_token") or sent.get("token") or bearer

    async def handle(fault: Fault | None) -> Response:
        named = credentials(request, sent)
        right = (cloud.options.client_id, cloud.options.client_secret)
        # No credentials are fine, wrong ones are not.
        if not is_registered(cloud, _LEGACY) or named not in (("", ""), right):
            raise Refused(401, {"error": "invalid_client"})
        # Clients read this 401 as "already revoked", which is as good as done.
        if not cloud.grants.revoke(token, _LEGACY.name):
            raise Refused(401, {"error": "invalid_token"})
        return json_response(request, {})

    owner = cloud.grants.owner(token=token)
    return await respond(request, handle, route="revoke", username=owner)


async def _revoke_at_new(request: Request) -> Response:
    """Revoke as RFC 7009 says: a form, with the client's credentials."""
    cloud, sent = cloud_of(request), await form(request)
    token = sent.get("token", "")

    async def handle(fault: Fault | None) -> Response:
        check_client(request, sent, cloud)
        if not token:
            raise oauth_error("invalid_request", "token is missing")
        # A token that is not known is not an error, also when the other portal knows it.
        cloud.grants.revoke(token, _NEW.name)
        return Response(status_code=200)

    owner = cloud.grants.owner(token=token)
    return await respond(request, handle, route="revoke", username=owner)


async def _introspect(request: Request) -> Response:
    """Say whether a token works, as RFC 7662 has it."""
    cloud, sent = cloud_of(request), await form(request)

    async def handle(fault: Fault | None) -> Response:
        check_client(request, sent, cloud)
        return json_response(request, _described(cloud, sent.get("token", "")))

    return await respond(request, handle, route="introspect")


def _described(cloud: Cloud, token: str) -> dict[str, Any]:
    grant = cloud.grants.grant_of(token) or cloud.grants.refreshable(token)
    if grant is None:
        return {"active": False}
    scopes = " ".join(f"{cloud.options.scope_prefix}{scope}" for scope in grant.scopes)
    subject = cloud.person_data(grant.username).person.id
    return {"active": True, "client_id": cloud.options.client_id, "scope": scopes, "sub": subject}


async def _discovery(request: Request) -> Response:
    base = str(request.base_url).rstrip("/")
    return json_response(request, _discovered(base, _NEW))


def _discovered(base: str, portal: Portal) -> dict[str, Any]:
    return {
        "issuer": base + ISSUER,
        "authorization_endpoint": base + portal.authorize[0],
        "token_endpoint": base + portal.token,
        "revocation_endpoint": base + portal.revoke,
        "introspection_endpoint": f"{base}{portal.introspect}",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "scopes_supported": ["openid", *(portal.prefix + scope for scope in SCOPES)],
    }


ROUTES = [
    Route(_LEGACY.revoke, _revoke_at_legacy, methods=["GET", "POST"]),
    Route(_NEW.revoke, _revoke_at_new, methods=["POST"]),
    Route(str(_NEW.introspect), _introspect, methods=["POST"]),
    Route(f"{ISSUER}/.well-known/openid-configuration", _discovery, methods=["GET"]),
]
