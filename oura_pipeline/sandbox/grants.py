"""Authorization codes, access tokens and refresh tokens, all in memory."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from oura_pipeline.sandbox.clock import Clock
from oura_pipeline.sandbox.responses import Refused, oauth_error

# Ten minutes, as Oura's page on authentication says.
CODE_SECONDS = 600


@dataclass
class Grant:
    """One consent of one person, which lives on through every refresh of its tokens."""

    username: str
    # As granted: a person may untick some of those that were requested.
    scopes: tuple[str, ...]
    revoked: bool = False
    # The portal that gave the tokens, and alone can take them back; None: any.
    portal: str | None = None


@dataclass(frozen=True)
class Code:
    """What an authorization code is bound to."""

    grant: Grant
    redirect_uri: str
    challenge: str | None
    expires: float


@dataclass
class Grants:
    """Every token of the sandbox, and the people whose membership has lapsed."""

    clock: Clock
    _codes: dict[str, Code] = field(default_factory=dict)
    _access: dict[str, tuple[Grant, float]] = field(default_factory=dict)
    _refresh: dict[str, Grant] = field(default_factory=dict)
    _lapsed: set[str] = field(default_factory=set)
    # Every code and token there ever was, for tests that no file or log may hold one.
    issued: list[str] = field(default_factory=list, repr=False)

    def code(self, grant: Grant, redirect_uri: str, challenge: str | None) -> str:
        """Return a code for the callback, for one use."""
        code = secrets.token_urlsafe(24)
        expires = self.clock.now() + CODE_SECONDS
        self._codes[code] = Code(grant, redirect_uri, challenge, expires)
        self.issued.append(code)
        return code

    def redeem(self, code: str, redirect_uri: str | None, verifier: str | None) -> Grant:
        """Return the grant of a code. Raise `Refused` (400 `invalid_grant`)."""
        # Taken out before the checks: a code that was tried wrongly is used up as well.
        found = self._codes.pop(code, None)
        if found is None or found.expires <= self.clock.now():
            raise _invalid_grant("Code is invalid, expired or already used")
        # The exchange may leave the address out; a different one is wrong.
        if redirect_uri is not None and redirect_uri != found.redirect_uri:
            raise _invalid_grant("redirect_uri does not match")
        if found.challenge is not None and found.challenge != pkce_challenge(verifier or ""):
            raise _invalid_grant("code_verifier does not match")
        return found.grant

    def rotate(self, refresh_token: str) -> Grant:
        """Use up a refresh token and return its grant. Raise `Refused` (400 `invalid_grant`)."""
        # Oura's refresh tokens work once. A client that loses the answer has lost the person.
        grant = self._refresh.pop(refresh_token, None)
        if grant is None or grant.revoked:
            raise _invalid_grant("Token already used or revoked")
        return grant

    def issue(self, grant: Grant, access_seconds: int) -> tuple[str, str]:
        """Return a new access token, good for `access_seconds`, and a new refresh token."""
        access, refresh = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
        self._access[access] = (grant, self.clock.now() + access_seconds)
        # Refresh tokens do not expire here: how long an unused one lives at Oura is not known.
        self._refresh[refresh] = grant
        self.issued += [access, refresh]
        return access, refresh

    def grant_of(self, access_token: str) -> Grant | None:
        """Return the grant of an access token, if it has neither expired nor been revoked."""
        grant, expires = self._access.get(access_token, (None, 0.0))
        return grant if grant and not grant.revoked and self.clock.now() < expires else None

    def refreshable(self, refresh_token: str) -> Grant | None:
        """Return the grant of a refresh token, if neither is used up or revoked."""
        grant = self._refresh.get(refresh_token)
        return grant if grant and not grant.revoked else None

    def owner(self, *, code: str = "", token: str = "") -> str | None:
        """Return the username behind a code, refresh token or valid access token, not using it."""
        if code in self._codes:
            return self._codes[code].grant.username
        grant = self._refresh.get(token) or self.grant_of(token)
        return grant.username if grant else None

    def active_grant(self, username: str) -> Grant | None:
        """Return the newest grant of a person that has tokens and is not revoked."""
        return next((g for g in reversed(self._grants_of(username)) if not g.revoked), None)

    def revoke(self, token: str, portal: str) -> bool:
        """Revoke the grant behind a refresh token or a valid access token of a portal.

        Return False if it has none.
        """
        # An expired access token revokes nothing. Nobody has shown what Oura does with one; this
        # is the reading under which a client has to be most careful.
        grant = self._refresh.get(token) or self.grant_of(token)
        if grant is None or grant.revoked or grant.portal not in (None, portal):
            return False
        grant.revoked = True
        return True

    def change(self, username: str, scopes: tuple[str, ...]) -> None:
        """Change what every token of a person may see, those of old too."""
        for grant in self._grants_of(username):
            grant.scopes = scopes

    def expire_tokens(self, username: str, *, access: bool, refresh: bool) -> None:
        """Invalidate the access tokens, the refresh tokens or both of a person."""
        if access:
            live = self._access.items()
            self._access = {t: pair for t, pair in live if pair[0].username != username}
        if refresh:
            kept = self._refresh.items()
            self._refresh = {t: grant for t, grant in kept if grant.username != username}

    def lapse(self, username: str, *, lapsed: bool) -> None:
        (self._lapsed.add if lapsed else self._lapsed.discard)(username)

    def is_lapsed(self, username: str) -> bool:
        return username in self._lapsed

    def scopes(self) -> dict[str, list[list[str]]]:
        """Return the scopes of each grant that is not revoked, by username."""
        found: dict[str, list[list[str]]] = {}
        for grant in self._grants():
            if not grant.revoked:
                found.setdefault(grant.username, []).append(sorted(grant.scopes))
        return found

    def _grants_of(self, username: str) -> list[Grant]:
        return [grant for grant in self._grants() if grant.username == username]

    def _grants(self) -> Iterable[Grant]:
        found = [grant for grant, _ in self._access.values()] + list(self._refresh.values())
        # By identity: two consents of one person can have the same scopes.
        return {id(grant): grant for grant in found}.values()


def pkce_challenge(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier."""
    return base64url(hashlib.sha256(verifier.encode()).digest())


def base64url(raw: bytes) -> str:
    """Return URL-safe base64 without padding, as PKCE and JSON web tokens write it."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _invalid_grant(description: str) -> Refused:
    return oauth_error("invalid_grant", description)
