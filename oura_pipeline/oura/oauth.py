"""Tokens at Oura: exchanged for a code, renewed and revoked at the portal that issues them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

import httpx
import stamina

from oura_pipeline.catalog.credentials import OuraError, SignInRequired, TokenPair
from oura_pipeline.oura.errors import (
    ClientRefused,
    GarbledAnswer,
    OuraUnavailable,
    RateLimited,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import OuraResponse, send
from oura_pipeline.oura.portals import PREFIX, Portal, issuer
from oura_pipeline.oura.responses import TooManyRequests, detail, fields, retry_after

DEFAULT_TOKEN_SECONDS = 86400  # of an access token, where an answer does not say
# Whatever an answer says: a token that has expired from its first second would be renewed before
# every request. One that has is renewed when it is refused.
SHORTEST_TOKEN_SECONDS = 60.0
DEFAULT_PAUSE_SECONDS = 60.0  # seconds, where a 429 does not say
SHORTEST_PAUSE = 0.5  # seconds, where a 429 says less
ATTEMPTS = 5  # of one request
# For so long a request is repeated; others wait 300 s for the person's lock, which is held.
SECONDS = 90.0
PATIENCE_SECONDS = 10.0  # the same, where somebody waits in front of their browser
_MAX_BYTES = 1024 * 1024
_OLD_SCOPES = {"spo2Daily": "spo2"}  # in Oura's description of the API until version 1.37
_USED_UP = re.compile(r"already used|\brevoked|\btoken\b.{0,20}\bexpired", re.IGNORECASE)
_CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
_TOKEN_ERRORS = ("invalid_token", "invalid_grant")


def parse_scopes(value: object) -> frozenset[str] | None:
    """Return the scopes of an answer or a callback, without prefix; None: it does not say.

    An empty list is said: nothing is granted.
    """
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(names, list):
        return None
    plain = (str(name).removeprefix(PREFIX) for name in names)
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
    """Our application at Oura's portals.

    Args:
        http: the shared client.
        token_urls: of the portals that it may be registered at, in the order in which they are
            tried.
        revoke_urls: where tokens are revoked; empty: at the portal that issued them.
        client_id: of our application.
        client_secret: of our application.
        working: returns the token endpoint that works for our application; None: not known yet.
        clock: returns the present moment, UTC.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        token_urls: Sequence[str],
        revoke_urls: Sequence[str] = (),
        client_id: str,
        client_secret: str,
        working: Callable[[], str | None] = lambda: None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._http = http
        self._token_urls = tuple(token_urls)
        self._revoke_urls = tuple(revoke_urls)
        self._client_id = client_id
        self._client_secret = client_secret
        self._working = working
        self._clock = clock

    def renew(
        self, refresh_token: str, token_url: str | None = None, *, seconds: float = SECONDS
    ) -> TokenPair:
        """Return a new pair for a refresh token, which works only once.

        Args:
            refresh_token: the newest one.
            token_url: the endpoint that gave it, if known.
            seconds: for how long it is asked again where there is no answer.

        Raises:
            SignInRequired: the token was used or revoked.
            ClientRefused: no endpoint accepts our client.
            OuraUnavailable: no answer; whether the token is used up is unknown.
            RateLimited: too many requests.
            UnexpectedAnswer: an answer that we do not understand.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._tokens(form, token_url, kept=refresh_token, seconds=seconds)

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
        return self._tokens(form, token_url, kept=None, seconds=PATIENCE_SECONDS)

    def revoke(self, access_token: str, refresh_token: str, token_url: str | None = None) -> None:
        """Revoke the person's consent at the portal that issued these tokens.

        Args:
            access_token: one that has not expired.
            refresh_token: the newest one.
            token_url: the endpoint that gave them, if known.

        Raises:
            SignInRequired: Oura does not know the tokens, or we do not know who issued them; in
                both cases a renewal tells.
            ClientRefused: Oura does not accept our client.
            OuraUnavailable: no answer.
            RateLimited: too many requests.
            UnexpectedAnswer: Oura does not revoke.
        """
        portal = self._issuer(token_url)
        secrets = (access_token, refresh_token, self._client_secret)
        for request in self._revocations(portal, access_token, refresh_token):
            answer = self._asked(request, attempts=1)
            if answer.status in (404, 405) and portal.revokes_by_query:
                # Oura documents the address of this portal and not the method.
                get = self._http.build_request("GET", request.url)
                answer = self._asked(get, attempts=1)
            if not _is_revoked(answer):
                raise _not_revoked(answer, detail(answer, secrets))

    def _issuer(self, token_url: str | None) -> Portal:
        if issued_at := token_url or self._endpoint():
            return issuer(issued_at, self._revoke_urls)
        # At another portal a token is as good as revoked: it is unknown there.
        raise SignInRequired("it is not known which portal of Oura issued the tokens")

    def _endpoint(self) -> str | None:
        """Return the token endpoint of our application; None: it may be any of them."""
        urls = self._token_urls
        working = urls[0] if len(urls) == 1 else self._working()
        return working if working in urls else None

    def _revocations(
        self, portal: Portal, access_token: str, refresh_token: str
    ) -> Iterator[httpx.Request]:
        tokens = {"access_token": access_token, "refresh_token": refresh_token}
        if portal.revokes_by_query:
            # Where this portal takes which token differs between those who ask it.
            query = {"access_token": access_token}
            bearer = {"Authorization": f"Bearer {refresh_token}"}
            yield self._revocation(portal, "refresh_token", tokens, params=query, headers=bearer)
            return
        # RFC 7009 recommends, and does not require, that the one ends the other. The refresh token
        # comes last: as long as it is good, a renewal tells what is to be tried again.
        for hint in tokens:
            yield self._revocation(portal, hint, tokens)

    def _revocation(
        self, portal: Portal, hint: str, tokens: Mapping[str, str], **query: Any
    ) -> httpx.Request:
        form = {"token": tokens[hint], "token_type_hint": hint, **self._credentials}
        return self._http.build_request("POST", portal.revoke_url, data=form, **query)

    def _tokens(
        self, form: Mapping[str, str], remembered: str | None, *, kept: str | None, seconds: float
    ) -> TokenPair:
        """Ask one endpoint after the other until one returns tokens, or knows why not."""
        secrets = (form.get("code", ""), kept or "", self._client_secret)
        refusals: dict[_Refusal, str] = {}
        ours = (remembered, self._endpoint())
        for url in dict.fromkeys(filter(None, (*ours, *self._token_urls))):
            asked_at = self._clock()
            request = self._token_request(url, form)
            answer = self._asked(request, seconds=seconds, check=_require_json)
            if answer.status == 200:
                return _token_pair(answer, url, asked_at=asked_at, kept=kept)
            why = _refusal(answer)
            refusals.setdefault(why, f"{answer.status}: {detail(answer, secrets) or 'no reason'}")
            if why is _Refusal.GRANT and url in ours:
                break
        raise _refused(refusals)

    def _token_request(self, url: str, form: Mapping[str, str]) -> httpx.Request:
        data = {**form, **self._credentials}
        return self._http.build_request(
            "POST", url, data=data, headers={"Accept": "application/json"}
        )

    @property
    def _credentials(self) -> dict[str, str]:
        return {"client_id": self._client_id, "client_secret": self._client_secret}

    def _asked(
        self,
        request: httpx.Request,
        *,
        attempts: int = ATTEMPTS,
        seconds: float = SECONDS,
        check: Callable[[OuraResponse], None] = lambda answer: None,
    ) -> OuraResponse:
        """Return the first answer that is one, after some attempts within so many seconds."""
        # A refresh token works once, and one whose answer got lost may be used up. Asking again at
        # once loses nothing: the token is tried again in any case, and the sooner the better.
        try:
            for attempt in stamina.retry_context(
                on=lambda error: _pause(error, seconds),
                attempts=attempts,
                timeout=seconds,
                wait_initial=0.5,
                wait_max=10.0,
            ):
                with attempt:
                    answer = send(self._http, request, max_bytes=_MAX_BYTES)
                    _raise_if_unavailable(answer)
                    check(answer)
        except TooManyRequests as refusal:
            pause = refusal.retry_after
            raise RateLimited(DEFAULT_PAUSE_SECONDS if pause is None else pause) from None
        return answer


def _pause(error: Exception, longest: float) -> bool | float:
    """Return the seconds before a request is sent again, or whether it is."""
    if isinstance(error, TooManyRequests) and error.retry_after is not None:
        return error.retry_after <= longest and max(error.retry_after, SHORTEST_PAUSE)
    return isinstance(error, OuraUnavailable | GarbledAnswer | TooManyRequests)


def _require_json(answer: OuraResponse) -> None:
    if answer.status == 200 and not fields(answer):
        raise OuraUnavailable("Oura's token endpoint did not answer with JSON; try again later")


def _is_revoked(answer: OuraResponse) -> bool:
    # A page of HTML is somebody else's answer, whatever its status.
    html = "html" in answer.headers.get("Content-Type", "") or answer.body.lstrip()[:1] == b"<"
    return answer.status < 300 and not html and not fields(answer).get("error")


def _not_revoked(answer: OuraResponse, reason: str) -> OuraError:
    error = fields(answer).get("error")
    said = f"{answer.status}: {reason or 'no reason'}"
    if error in _CLIENT_ERRORS:
        return ClientRefused(
            f"Oura rejects our client ({said}); check OURA_CLIENT_ID and OURA_CLIENT_SECRET"
        )
    if error in _TOKEN_ERRORS or (answer.status == 401 and not error):
        return SignInRequired(f"Oura does not know the token that is to be revoked ({said})")
    return UnexpectedAnswer(
        f"Oura does not revoke a token ({said}); check OURA_REVOKE_URL, or let the person remove "
        "the application in their Oura account"
    )


def _raise_if_unavailable(answer: OuraResponse) -> None:
    # A 429 or a server error says nothing about the token.
    if answer.status == 429:
        raise TooManyRequests(retry_after(answer.headers))
    if answer.status >= 500:
        raise OuraUnavailable(f"Oura's token endpoint failed ({answer.status}); try again later")


def _refusal(answer: OuraResponse) -> _Refusal:
    error = fields(answer).get("error")
    if error in _CLIENT_ERRORS:
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
    """Return a lifetime of so many seconds, a number or text: from a minute to a year."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except OverflowError:
        seconds = math.inf
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        seconds = DEFAULT_TOKEN_SECONDS
    return timedelta(seconds=min(max(seconds, SHORTEST_TOKEN_SECONDS), 366 * 86400.0))
