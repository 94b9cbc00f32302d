"""Who may see what: codes, access tokens and refresh tokens, all in memory.

Refresh tokens work once. Granted scopes belong to the grant, which lives on through every refresh.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field

from oura_pipeline.sandbox.clock import Clock
from oura_pipeline.sandbox.responses import Refused

CODE_SECONDS = 600


@dataclass
class Grant:
    """One consent of one person: `scopes` as granted, which may be fewer than asked."""

    username: str
    scopes: tuple[str, ...]
    revoked: bool = False


@dataclass(frozen=True)
class Code:
    """An authorization code and what it is bound to."""

    grant: Grant
    redirect_uri: str
    challenge: str | None
    expires: float


@dataclass
class Grants:
    """Issues and checks every token of the sandbox; `issued` is every code and token there was."""

    clock: Clock
    _codes: dict[str, Code] = field(default_factory=dict)
    _access: dict[str, tuple[Grant, float]] = field(default_factory=dict)
    _refresh: dict[str, Grant] = field(default_factory=dict)
    _lapsed: set[str] = field(default_factory=set)
    issued: list[str] = field(default_factory=list, repr=False)

    def code(self, grant: Grant, redirect_uri: str, challenge: str | None) -> str:
        """A code for the callback: ten minutes, one use."""
        code = secrets.token_urlsafe(24)
        expires = self.clock.now() + CODE_SECONDS
        self._codes[code] = Code(grant, redirect_uri, challenge, expires)
        self.issued.append(code)
        return code

    def redeem(self, code: str, redirect_uri: str | None, verifier: str | None) -> Grant:
        """The grant of a code. Raises `Refused` (400 `invalid_grant`)."""
        found = self._codes.pop(code, None)
        if found is None or found.expires <= self.clock.now():
            raise invalid_grant("Code is invalid, expired or already used")
        if redirect_uri is not None and redirect_uri != found.redirect_uri:
            raise invalid_grant("redirect_uri does not match")
        if found.challenge is not None and found.challenge != pkce_challenge(verifier or ""):
            raise invalid_grant("code_verifier does not match")
        return found.grant

    def rotate(self, refresh_token: str) -> Grant:
        """The grant of a refresh token, now used up. Raises `Refused` (400 `invalid_grant`)."""
        grant = self._refresh.pop(refresh_token, None)
        if grant is None or grant.revoked:
            raise invalid_grant("Token already used or revoked")
        return grant

    def issue(self, grant: Grant, access_seconds: int) -> tuple[str, str]:
        """A new access token, which lives so long, and a new refresh token."""
        access, refresh = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
        self._access[access] = (grant, self.clock.now() + access_seconds)
        self._refresh[refresh] = grant
        self.issued += [access, refresh]
        return access, refresh

    def grant_of(self, access_token: str) -> Grant | None:
        """Whose access token this is, if it is alive."""
        grant, expires = self._access.get(access_token, (None, 0.0))
        return grant if grant and not grant.revoked and self.clock.now() < expires else None

    def owner(self, *, code: str = "", token: str = "") -> str | None:
        """The username behind a code, a refresh token or a living access token; it is not used."""
        if code in self._codes:
            return self._codes[code].grant.username
        grant = self._refresh.get(token) or self.grant_of(token)
        return grant.username if grant else None

    def active_grant(self, username: str) -> Grant | None:
        """The newest grant of a person that has tokens and is not revoked."""
        return next((g for g in reversed(self._of(username)) if not g.revoked), None)

    def revoke(self, token: str) -> bool:
        """Revoke the grant behind a refresh token or a living access token; False: there is none.

        An expired access token revokes nothing (the strictest reading of FACTS §5).
        """
        grant = self._refresh.get(token) or self.grant_of(token)
        if grant is None or grant.revoked:
            return False
        grant.revoked = True
        return True

    def change(self, username: str, scopes: tuple[str, ...]) -> None:
        """Change what every token of a person may see."""
        for grant in self._of(username):
            grant.scopes = scopes

    def end(self, username: str, *, access: bool, refresh: bool) -> None:
        """Kill the access tokens, the refresh tokens or both of a person."""
        if access:
            live = self._access.items()
            self._access = {t: pair for t, pair in live if pair[0].username != username}
        if refresh:
            kept = self._refresh.items()
            self._refresh = {t: grant for t, grant in kept if grant.username != username}

    def lapse(self, username: str, *, lapsed: bool) -> None:
        """End (or restore) a person's membership."""
        (self._lapsed.add if lapsed else self._lapsed.discard)(username)

    def is_lapsed(self, username: str) -> bool:
        """Whether a person's membership has ended."""
        return username in self._lapsed

    def scopes_of(self, username: str) -> list[list[str]]:
        """The scopes of each grant of a person that is alive."""
        return [sorted(grant.scopes) for grant in self._of(username) if not grant.revoked]

    def _of(self, username: str) -> list[Grant]:
        found = [grant for grant, _ in self._access.values()] + list(self._refresh.values())
        return list({id(g): g for g in found if g.username == username}.values())


def pkce_challenge(verifier: str) -> str:
    """PKCE S256: what a verifier's challenge must be."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def invalid_grant(description: str) -> Refused:
    """400 `invalid_grant`."""
    return Refused(400, {"error": "invalid_grant", "error_description": description})
