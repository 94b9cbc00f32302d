"""Tokens at Oura: exchanged for a code, renewed and revoked.

Oura has two token endpoints, and an application belongs to one of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

import httpx

from oura_pipeline.catalog.credentials import OuraError, SignInRequired, TokenPair
from oura_pipeline.oura.errors import (
    ClientRefused,
    OuraUnavailable,
    RateLimited,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import OuraResponse, send
from oura_pipeline.oura.responses import detail, fields, retry_after

DEFAULT_TOKEN_SECONDS = 86400  # of an access token, where an answer does not say
DEFAULT_PAUSE_SECONDS = 60.0  # seconds, where a 429 does not say
_MAX_BYTES = 1024 * 1024
_OLD_SCOPES = {"spo2Daily": "spo2"}  # in Oura's description of the API until version 1.37
_USED_UP = re.compile(r"already used|\brevoked|\btoken\b.{0,20}\bexpired", re.IGNORECASE)


def parse_scopes(value: object) -> frozenset[str] | None:
    """Return the scopes of an answer or a callback, without prefix; None: it names none."""
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(names, list) or not names:
        return None
    plain = (str(name).removeprefix("extapi:") for name in names)
    usable = (name for name in plain if name.isascii() and name.isprintable())
    return frozenset(_OLD_SCOPES.get(name, name) for name in usable)


def _now() -> datetime:
    return datetime.now(UTC)


class _Refusal(Enum):
    """Why an endpoint gave no tokens."""

    GRANT = auto()  # the refresh token or the code is not valid
    CLIENT = auto()  # our client is unknown, or this is the wrong endpoint
    OTHER = auto()


class OAuth:
    """Our application at Oura's token endpoints.

    Args:
        http: the shared client.
        token_urls: the endpoints, in the order in which they are tried.
        revoke_url: where tokens are revoked.
        client_id: of our application.
        client_secret: of our application.
        clock: returns the present moment, UTC.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        token_urls: Sequence[str],
        revoke_url: str,
        client_id: str,
        client_secret: str,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._http = http
        self._token_urls = tuple(token_urls)
        self._revoke_url = revoke_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock

    def renew(self, refresh_token: str, token_url: str | None = None) -> TokenPair:
        """Return a new pair for a refresh token, which works only once.

        Args:
            refresh_token: the newest one.
            token_url: the endpoint that gave it, if known.

        Raises:
            SignInRequired: the token was used or revoked.
            ClientRefused: no endpoint accepts our client.
            OuraUnavailable: no answer; whether the token is used up is unknown.
            RateLimited: too many requests.
            UnexpectedAnswer: an answer that we do not understand.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._tokens(form, token_url, kept=refresh_token)

    def exchange(
        self,
        code: str,
        redirect_uri: str | None = None,
        verifier: str | None = None,
        token_url: str | None = None,
    ) -> TokenPair:
        """Return the first pair, for the code of a sign-in.

        Args:
            code: works once, for 10 minutes.
            redirect_uri: the one that the sign-in was started with.
            verifier: of PKCE, where the sign-in was started with a challenge.
            token_url: the endpoint to be tried first.

        Raises:
            OuraError: as for `renew`; `SignInRequired`: the code is not valid (any more).
        """
        form = {"grant_type": "authorization_code", "code": code}
        if redirect_uri:
            form["redirect_uri"] = redirect_uri
        if verifier:
            form["code_verifier"] = verifier
        return self._tokens(form, token_url, kept=None)

    def revoke(self, access_token: str, refresh_token: str | None = None) -> None:
        """Revoke the person's consent; fine if it is gone already.

        Raises:
            OuraUnavailable: no answer.
            RateLimited: too many requests.
            UnexpectedAnswer: Oura does not revoke.
        """
        secrets = (access_token, refresh_token or "", self._client_secret)
        for method in ("POST", "GET"):  # Oura documents the URL and not the method
            request = self._http.build_request(
                method,
                self._revoke_url,
                params={"access_token": access_token},
                headers={"Authorization": f"Bearer {refresh_token or access_token}"},
            )
            answer = send(self._http, request, max_bytes=_MAX_BYTES)
            if answer.status < 300 or answer.status == 401:
                return
            _raise_if_unavailable(answer)
        raise UnexpectedAnswer(
            f"Oura does not revoke a token ({answer.status}: {detail(answer, secrets)}); check "
            "OURA_REVOKE_URL, or let the person remove the application in their Oura account"
        )

    def _tokens(
        self, form: Mapping[str, str], remembered: str | None, *, kept: str | None
    ) -> TokenPair:
        """Ask one endpoint after the other until one returns tokens, or knows why not."""
        secrets = (form.get("code", ""), kept or "", self._client_secret)
        refusals: dict[_Refusal, str] = {}
        for url in dict.fromkeys(filter(None, (remembered, *self._token_urls))):
            asked_at = self._clock()
            answer = self._post(url, form)
            if answer.status == 200:
                return _token_pair(answer, url, asked_at=asked_at, kept=kept)
            # Only after a refusal may the other endpoint be tried. One that did not answer may have
            # used up the refresh token.
            _raise_if_unavailable(answer)
            why = _refusal(answer)
            refusals.setdefault(why, f"{answer.status}: {detail(answer, secrets) or 'no reason'}")
            if why is _Refusal.GRANT and url == remembered:
                break
        raise _refused(refusals)

    def _post(self, url: str, form: Mapping[str, str]) -> OuraResponse:
        ours = {"client_id": self._client_id, "client_secret": self._client_secret}
        request = self._http.build_request(
            "POST", url, data={**form, **ours}, headers={"Accept": "application/json"}
        )
        return send(self._http, request, max_bytes=_MAX_BYTES)


def _raise_if_unavailable(answer: OuraResponse) -> None:
    # A 429 or a server error says nothing about the token.
    if answer.status == 429:
        seconds = retry_after(answer.headers)
        raise RateLimited(DEFAULT_PAUSE_SECONDS if seconds is None else seconds)
    if answer.status >= 500:
        raise OuraUnavailable(f"Oura's token endpoint failed ({answer.status}); try again later")


def _refusal(answer: OuraResponse) -> _Refusal:
    error = fields(answer).get("error")
    if error in ("invalid_client", "unauthorized_client"):
        return _Refusal.CLIENT
    if error == "invalid_grant" or _USED_UP.search(detail(answer)):
        return _Refusal.GRANT
    # An endpoint that the application does not belong to answers 400 `invalid_request` to a refresh
    # token and 401 to a code.
    wrong_portal = error == "invalid_request" or answer.status == 401
    return _Refusal.CLIENT if wrong_portal else _Refusal.OTHER


def _refused(refusals: Mapping[_Refusal, str]) -> OuraError:
    # The endpoint that understood the request is the one to believe.
    if reason := refusals.get(_Refusal.GRANT):
        return SignInRequired(f"Oura no longer accepts the sign-in ({reason}); sign in again")
    if reason := refusals.get(_Refusal.CLIENT):
        return ClientRefused(
            f"Oura rejects our client ({reason}); check OURA_CLIENT_ID, OURA_CLIENT_SECRET and "
            "OURA_TOKEN_URL"
        )
    return UnexpectedAnswer(
        f"Oura's token endpoint returned no token ({refusals.get(_Refusal.OTHER)}); check "
        "OURA_TOKEN_URL"
    )


def _token_pair(
    answer: OuraResponse, url: str, *, asked_at: datetime, kept: str | None
) -> TokenPair:
    body = fields(answer)
    if not body:
        raise OuraUnavailable("Oura's token endpoint did not answer with JSON; try again later")
    access_token = _text(body.get("access_token"))
    refresh_token = _text(body.get("refresh_token")) or kept
    if access_token is None or refresh_token is None:
        raise UnexpectedAnswer(
            "Oura's token endpoint answered without tokens; check OURA_TOKEN_URL, and let the "
            "person sign in again if that persists"
        )
    return TokenPair(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at=asked_at + _lifetime(body.get("expires_in")),
        scopes=parse_scopes(body.get("scope")),
        token_url=url,
    )


def _text(value: object) -> str | None:
    # A token must fit into a header.
    usable = isinstance(value, str) and value.isascii() and value.isprintable()
    return str(value) if usable and value else None


def _lifetime(value: Any) -> timedelta:
    """Return a lifetime of so many seconds, a number or text; a year at most."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        seconds = DEFAULT_TOKEN_SECONDS
    return timedelta(seconds=min(max(seconds, 0.0), 366 * 86400.0))
