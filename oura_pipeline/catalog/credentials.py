"""What Oura gives for a consent, and how it says that the consent is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


class OuraError(Exception):
    """Something went wrong between us and Oura; the other errors are in `oura.errors`."""


class SignInRequired(OuraError):
    """The person's consent is gone: only signing in again helps."""


@dataclass(frozen=True, kw_only=True)
class TokenPair:
    """A new pair of tokens; its repr shows neither.

    Attributes:
        access_token: for the API.
        refresh_token: works once, for the next pair.
        expires_at: when the access token ends, UTC.
        scopes: what the person granted, without Oura's prefix; None: the answer does not say.
        token_url: the endpoint that gave it, to be asked first the next time.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str] | None = None
    token_url: str
