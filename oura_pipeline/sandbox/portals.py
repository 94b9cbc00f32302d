"""Oura's two portals, a row each: addresses, the spelling of scopes, who is refused and how."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.requests import Request

from oura_pipeline.sandbox.cloud import Cloud
from oura_pipeline.sandbox.responses import Refused, oauth_error


@dataclass(frozen=True)
class Portal:
    """One portal: its paths here are those of its own host."""

    name: str
    # More than one where a portal has another address of the same page.
    authorize: tuple[str, ...]
    token: str
    revoke: str
    # What stands before the name of every scope that is asked for.
    prefix: str = ""
    introspect: str | None = None
    # Whether it takes redirect addresses on `http://127.0.0.1`.
    loopback: bool = True


PORTALS: tuple[Portal, ...] = (
    # cloud.ouraring.com and api.ouraring.com.
    Portal("legacy", ("/oauth/authorize", "/authorize"), "/oauth/token", "/oauth/revoke"),
    # moi.ouraring.com: paths and client authentication as its discovery document names them.
    Portal(
        "new",
        ("/oauth/v2/ext/oauth-authorize",),
        "/oauth/v2/ext/oauth-token",
        "/oauth/v2/ext/oauth-revoke",
        prefix="extapi:",
        introspect="/oauth/v2/ext/oauth-introspect",
        loopback=False,
    ),
)
ISSUER = "/oauth/v2/ext/oauth-anonymous"


def portal_of(request: Request) -> Portal:
    """Return the portal that was asked."""
    path = request.url.path
    return next(
        portal
        for portal in PORTALS
        if path in (*portal.authorize, portal.token, portal.revoke, portal.introspect)
    )


def redirect_problem(cloud: Cloud, portal: Portal, redirect_uri: str | None) -> str | None:
    """Return why nobody can be sent back to an address, if so."""
    allowed = cloud.options.redirect_uris
    # Matched exactly: a missing slash at the end is enough to be refused at Oura.
    if not redirect_uri or (allowed and redirect_uri not in allowed):
        return "redirect_uri is not one that the application has registered."
    address = urlsplit(redirect_uri)
    # Plain http is for `localhost` alone at the new portal.
    if not portal.loopback and address.scheme == "http" and address.hostname != "localhost":
        return f"invalid_request: redirect_uri cannot be on http://{address.hostname}."
    return None


def is_registered(cloud: Cloud, portal: Portal) -> bool:
    """Return whether the application belongs to this portal."""
    return cloud.options.portal in ("both", portal.name)


def check_client(request: Request, sent: Mapping[str, str], cloud: Cloud) -> None:
    """Raise `Refused` (400 or 401) for a wrong application, as the portal that was asked does."""
    portal = portal_of(request)
    # An application belongs to one portal. At the other one a refresh was seen to get 400 and the
    # first exchange 401, neither of which tells what is wrong; the token stays good.
    if not is_registered(cloud, portal):
        if sent.get("grant_type") == "refresh_token":
            raise oauth_error("invalid_request", "Invalid request")
        raise Refused(401, {"error": "invalid_client"})
    if credentials(request, sent) != (cloud.options.client_id, cloud.options.client_secret):
        if portal.name == "legacy":
            raise oauth_error("invalid_client", "Invalid client_id.")
        raise Refused(401, {"error": "invalid_client"})


def credentials(request: Request, sent: Mapping[str, str]) -> tuple[str, str]:
    """Return the client's id and secret: of HTTP Basic, else of the form."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return sent.get("client_id", ""), sent.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(text).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    # OAuth has both form-encoded before they are joined, so that a colon in them does no harm.
    return unquote(name), unquote(secret)
