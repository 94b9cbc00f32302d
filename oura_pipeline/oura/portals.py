"""Oura's two developer portals: their addresses, and how each of them wants to be asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

CLIENT_SECRET_POST = "client_secret_post"  # noqa: S105  (OAuth's name: both in the form)


@dataclass(frozen=True, kw_only=True)
class Portal:
    """A portal; an application is registered at one of them, which issues all of its tokens.

    Attributes:
        name: in our documents.
        authorize_url: where people consent.
        token_url: where codes become tokens, and tokens are renewed.
        revoke_url: where tokens are revoked.
        introspect_url: where it is said whether a token works; empty: nowhere.
        client_authentication: how the application says who it is, as OAuth calls it.
        scope_prefix: what stands in front of a scope where somebody is sent to consent.
        revokes_by_query: whether the access token stands in the address; else as RFC 7009 has it.
        refused_hosts: of redirect addresses, though they are this machine.
    """

    name: str
    authorize_url: str
    token_url: str
    revoke_url: str
    introspect_url: str = ""
    client_authentication: str = CLIENT_SECRET_POST
    scope_prefix: str = ""
    revokes_by_query: bool = False
    refused_hosts: frozenset[str] = frozenset()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address of the portal."""
        named = (self.authorize_url, self.token_url, self.revoke_url, self.introspect_url)
        return tuple(filter(None, named))

    def requested(self, scopes: str) -> str:
        """Return scopes, separated by spaces, as they are asked for here."""
        plain = (scope.removeprefix(PREFIX) for scope in scopes.split())
        return " ".join(self.scope_prefix + scope for scope in plain)


PREFIX = "extapi:"  # in every answer of Oura, whatever was asked for

# Oura documents the revocation of CLOUD as an address only. It takes bare scopes, also for
# applications of MOI, to whose page it leads. MOI's own description of its endpoints says the rest;
# it was seen to grant nothing for bare scopes, and to refuse 127.0.0.1.
CLOUD = Portal(
    name="cloud",
    authorize_url="https://cloud.ouraring.com/oauth/authorize",
    token_url="https://api.ouraring.com/oauth/token",  # noqa: S106  (an address)
    revoke_url="https://api.ouraring.com/oauth/revoke",
    revokes_by_query=True,
)
MOI = Portal(
    name="moi",
    authorize_url="https://moi.ouraring.com/oauth/v2/ext/oauth-authorize",
    token_url="https://moi.ouraring.com/oauth/v2/ext/oauth-token",  # noqa: S106  (an address)
    revoke_url="https://moi.ouraring.com/oauth/v2/ext/oauth-revoke",
    introspect_url="https://moi.ouraring.com/oauth/v2/ext/oauth-introspect",
    scope_prefix=PREFIX,
    refused_hosts=frozenset({"127.0.0.1"}),
)
PORTALS = (CLOUD, MOI)
_STANDARD = replace(CLOUD, name="another", revokes_by_query=False)


def portal_at(address: str) -> Portal:
    """Return the portal that an address belongs to, or is like: a stand-in keeps Oura's paths."""
    host = urlsplit(address).hostname
    for portal in PORTALS:
        if address in portal.addresses or host == urlsplit(portal.authorize_url).hostname:
            return portal
    alike = (p for p in PORTALS if _name(address) in {_name(known) for known in p.addresses})
    return next(alike, _STANDARD)


def issuer(token_url: str, revoke_urls: Sequence[str] = ()) -> Portal:
    """Return the portal that issues tokens at an address.

    Args:
        token_url: the address.
        revoke_urls: those of the settings; empty: it is the portal's own.
    """
    portal = portal_at(token_url)
    if token_url != portal.token_url:  # a stand-in, with its addresses side by side
        portal = replace(
            portal,
            authorize_url=urljoin(token_url, _name(portal.authorize_url)),
            token_url=token_url,
            revoke_url=urljoin(token_url, _name(portal.revoke_url)),
            introspect_url=portal.introspect_url and urljoin(token_url, _name(MOI.introspect_url)),
        )
    return _revoking_at(portal, revoke_urls)


def _revoking_at(portal: Portal, revoke_urls: Iterable[str]) -> Portal:
    # An address that is, or is like, the other portal's is not for this one's tokens.
    foreign = {known.name for known in PORTALS} - {portal.name}
    for url in revoke_urls:
        like = portal_at(url)
        if portal.name == _STANDARD.name or like.name not in foreign:
            return replace(portal, revoke_url=url, revokes_by_query=like.revokes_by_query)
    return portal


def _name(address: str) -> str:
    return urlsplit(address).path.rstrip("/").rpartition("/")[2]
