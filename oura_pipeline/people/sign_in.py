"""Signing in with Oura: where a person is sent, and what follows when they return."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta

from authlib.common.security import generate_token  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from oura_pipeline.accounts.consents import Consent
from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.catalog.credentials import OuraError, SignInRequired, TokenPair
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import (
    ClientRefused,
    Forbidden,
    MembershipLapsed,
    OuraUnavailable,
    RateLimited,
    ScopeNotGranted,
)
from oura_pipeline.oura.portals import portal_at
from oura_pipeline.people.callback import code_in, error_in
from oura_pipeline.people.failures import (
    BeingDeleted,
    Misconfigured,
    NobodyKnown,
    NotAdmitted,
    NothingGranted,
    OuraAway,
    OuraRefused,
    SignInFailed,
    StaleLink,
)
from oura_pipeline.people.identity import identity_in
from oura_pipeline.people.leave import revoke_gone
from oura_pipeline.pipeline import Pipeline, open_budget
from oura_pipeline.settings import SignUp

LOG = logging.getLogger(__name__)
STATE_LENGTH, VERIFIER_LENGTH = 43, 64  # characters of 62: 256 bits, and what PKCE asks for
INVITE_LASTS = timedelta(hours=2)  # of whom the operator sends: both steps of a sign-up
MAX_WAIT_SECONDS = 10.0  # that a person waits for Oura's rate limit


def begin(
    pipeline: Pipeline,
    *,
    browser: str | None,
    username: str | None = None,
    invite: str | None = None,
    prompt: str | None = None,
) -> str:
    """Return the address at Oura where a person consents, for one sign-in within ten minutes.

    Args:
        pipeline: the accounts and settings.
        browser: the id of the only browser that may finish it; None: any.
        username: who is meant, where the operator says so; somebody new gets it if it is free.
        invite: the code that somebody new brings; whom the operator sends needs none.
        prompt: `consent`: Oura is to ask although it has an answer.

    Raises:
        Misconfigured: there is no client id.
        PersonRefused: nobody knows yet who the username is at Oura.
    """
    settings = pipeline.settings
    _require_identity(pipeline, username)
    if not settings.oura.client_id:
        raise Misconfigured("This site is not registered with Oura yet. Please tell the operator.")
    if browser is None and invite is None and settings.site.signup is SignUp.INVITE:
        invite = pipeline.accounts.invites.create(INVITE_LASTS)
    state, verifier = generate_token(STATE_LENGTH), generate_token(VERIFIER_LENGTH)
    pipeline.accounts.consents.begin(
        state, verifier=verifier, browser=browser, username=username, invite=invite, prompt=prompt
    )
    address: str = prepare_grant_uri(
        settings.oura.authorize_url,
        settings.oura.client_id,
        "code",
        redirect_uri=settings.site.redirect_uri,
        scope=portal_at(settings.oura.authorize_url).requested(settings.oura.scopes),
        state=state,
        code_challenge=create_s256_code_challenge(verifier),
        code_challenge_method="S256",
        **({"prompt": prompt} if prompt else {}),
    )
    return address


@dataclass(frozen=True, kw_only=True)
class SigningUp:
    """Somebody who is back from Oura and has to answer something, before anything is saved.

    Attributes:
        key: to go on with.
        username: whose account the operator's link would connect, or give the name to; None: they
            choose one.
    """

    key: str = field(repr=False)
    username: str | None = None


def finish(
    pipeline: Pipeline, callback: Mapping[str, str], *, browser: str | None
) -> Person | SigningUp:
    """Return who signed in, with their tokens saved, or who has to answer something first.

    Args:
        pipeline: the accounts, settings and Oura.
        callback: what Oura sent along with the person.
        browser: the id of the browser that they came back with.

    Raises:
        SignInFailed: nothing was saved.
    """
    accounts = pipeline.accounts
    consent = accounts.consents.take(callback.get("state", ""))
    if said := error_in(callback):
        LOG.warning("Oura sent somebody back with an error: %s", said)
    if consent is None or consent.browser not in (None, browser):
        raise StaleLink(
            "This link was already used, is older than ten minutes, or was opened in another "
            "browser. Nothing was changed; please sign in again."
        )
    tokens = _exchanged(pipeline, code_in(callback), consent.verifier)
    # Only Oura's own answer counts: the scopes in the address came through the browser.
    granted = tokens.scopes
    if granted is not None and not granted:
        raise _nothing_granted(pipeline, consent)
    try:
        sign_in = SignIn(
            refresh_token=tokens.refresh_token,
            access_token=tokens.access_token,
            expires_at=tokens.expires_at,
            token_url=tokens.token_url,
            scopes=granted,
            oura_id=_identity(pipeline, tokens, consent if granted is None else None),
        )
        known = accounts.people.by_oura_id(sign_in.oura_id) if sign_in.oura_id else None
        if consent.browser is None:
            return _to_be_asked(pipeline, sign_in, consent, known)
        if known is not None:
            return _reconnected(pipeline, known, sign_in)
        _admit(pipeline, consent.invite)
        return SigningUp(key=accounts.sign_ups.begin(sign_in, invite=consent.invite))
    except (BeingDeleted, NotAdmitted):
        # Nobody needs the fresh tokens: they are not to work for a day more.
        _give_back(pipeline, tokens)
        raise


def choose_username(pipeline: Pipeline, key: str, username: str) -> Person:
    """Finish a sign-up: add the person under this username.

    Raises:
        PersonRefused: the username cannot be used, the invite is used up, or all places are taken.
        StaleLink: the sign-up was finished already, or is older than an hour.
    """
    if pipeline.accounts.sign_ups.get(key) is None:
        raise StaleLink(
            "This sign-up is already finished or older than an hour. Please sign in again; if you "
            "chose a username, you still have it."
        )
    settings = pipeline.settings
    return pipeline.accounts.sign_ups.finish(
        key,
        username,
        people_limit=settings.site.people_limit,
        invite_required=settings.site.signup is SignUp.INVITE,
    )


def decline(pipeline: Pipeline, key: str) -> None:
    """End a sign-up of somebody who said no, and give the consent back at Oura.

    When Oura cannot be reached, the job `retire_people` does so.
    """
    for person_id in pipeline.accounts.sign_ups.cancel(key):
        revoke_gone(pipeline, person_id)


def people_here(pipeline: Pipeline) -> int:
    """Return how many people count towards Oura's limit."""
    counts = pipeline.accounts.people.counts()
    return counts.total() - counts[PersonState.RETIRED]


def _nothing_granted(pipeline: Pipeline, consent: Consent) -> NothingGranted:
    """Return the failure of an empty grant, with a second and last try."""
    # Confirming Oura's page before it has loaded records this, and Oura does not ask a second time
    # by itself.
    if consent.prompt is not None:
        return NothingGranted(
            "Oura recorded once more that you allow nothing. Nothing was saved. Remove this "
            "application in your Oura account, then sign in again and tick what may be fetched.",
            None,
        )
    address = begin(
        pipeline,
        browser=consent.browser,
        username=consent.username,
        invite=consent.invite,
        prompt="consent",
    )
    return NothingGranted(
        "Oura recorded that you allow nothing. That happens when its page is confirmed before it "
        "has finished loading. Nothing was saved. Oura will ask you again: wait until its page is "
        "complete, and tick what may be fetched.",
        address,
    )


def _exchanged(pipeline: Pipeline, code: str, verifier: str) -> TokenPair:
    try:
        return pipeline.oauth.exchange(code, pipeline.settings.site.redirect_uri, verifier)
    except SignInRequired:
        raise OuraRefused(
            "Oura rejected the code that you came back with: it works once, and for a few minutes. "
            "Nothing was saved; please sign in again."
        ) from None
    except OuraError as error:
        raise _failure(error) from None


def _identity(pipeline: Pipeline, tokens: TokenPair, doubtful: Consent | None) -> str:
    """Return Oura's id of the person the new token belongs to.

    Args:
        pipeline: the settings and Oura.
        tokens: the new ones.
        doubtful: the consent, where it is not known whether anything was granted.
    """
    # Only Oura's answer to the new token is believed; what the browser brings may be forged.
    waits = {"patience": MAX_WAIT_SECONDS, "sleep": _wait_a_little}
    with open_budget(pipeline.settings, pipeline.accounts, **waits) as budget:
        client = OuraClient(
            pipeline.http,
            api_url=pipeline.settings.oura.api_url,
            tokens=_Fresh(tokens.access_token),
            budget=budget,
            attempts=3,
            seconds=MAX_WAIT_SECONDS,
        )
        try:
            found = identity_in(client.personal_info().raw)
        except (SignInRequired, ScopeNotGranted, Forbidden) as error:
            # Oura refuses everything to a token for which nothing was granted.
            raise (_nothing_granted(pipeline, doubtful) if doubtful else _failure(error)) from None
        except OuraError as error:
            raise _failure(error) from None
    if found is None:
        raise NobodyKnown("Oura did not say whose sign-in this is. Nothing was saved.")
    return found


def _require_identity(pipeline: Pipeline, username: str | None) -> None:
    # Whoever opened the link first would be taken for them.
    named = pipeline.accounts.people.all(usernames=[username] if username else [])
    if any(person.oura_id is None for person in named):
        raise PersonRefused(
            f"nobody knows yet who {username} is at Oura: run `oura-pipeline sync --person "
            f"{username}`, or remove them and let them sign up"
        )


def _to_be_asked(
    pipeline: Pipeline, sign_in: SignIn, consent: Consent, known: Person | None
) -> SigningUp:
    """Keep what somebody brought who followed the operator's link, and ask them.

    The link is bound to no browser, and may have reached somebody else than it was made for.
    """
    if known is None:
        _admit(pipeline, consent.invite)
    elif known.state is PersonState.RETIRED:
        raise BeingDeleted(_BEING_DELETED)
    key = pipeline.accounts.sign_ups.begin(sign_in, invite=consent.invite)
    return SigningUp(key=key, username=known.username if known else _free(pipeline, consent))


def _free(pipeline: Pipeline, consent: Consent) -> str | None:
    """Return the username that the operator meant for somebody new, if nobody has it."""
    meant = consent.username
    return None if meant is None or pipeline.accounts.people.all(usernames=[meant]) else meant


def confirm(pipeline: Pipeline, key: str, username: str) -> Person:
    """Connect who said yes to the operator's link: as who they are here, or as somebody new.

    Raises:
        PersonRefused, StaleLink: as for `choose_username`.
    """
    waiting = pipeline.accounts.sign_ups.get(key)
    if waiting and waiting.oura_id and pipeline.accounts.people.by_oura_id(waiting.oura_id):
        person = pipeline.accounts.sign_ups.reconnect(key)
        pipeline.accounts.fetches.forget_not_granted(person.username)
        return person
    return choose_username(pipeline, key, username)


def _reconnected(pipeline: Pipeline, known: Person, sign_in: SignIn) -> Person:
    if known.state is PersonState.RETIRED:
        raise BeingDeleted(_BEING_DELETED)
    person = pipeline.accounts.people.reconnect(known.username, sign_in)
    pipeline.accounts.fetches.forget_not_granted(known.username)
    return person


def _admit(pipeline: Pipeline, invite: str | None) -> None:
    """Raise `NotAdmitted` for somebody new who may not sign up."""
    settings = pipeline.settings
    if settings.site.signup is SignUp.CLOSED:
        raise NotAdmitted("Sign-up is closed at the moment. Nothing was saved.")
    if settings.site.signup is SignUp.INVITE and not (
        invite and pipeline.accounts.invites.is_valid(invite)
    ):
        raise NotAdmitted(
            "You are new here, and need a valid invite for the first sign-in. Nothing was saved; "
            "ask the operator for one."
        )
    if 0 < settings.site.people_limit <= people_here(pipeline):
        raise NotAdmitted(
            f"All {settings.site.people_limit} places that Oura allows are taken. Nothing was "
            "saved; ask the operator."
        )


def _give_back(pipeline: Pipeline, tokens: TokenPair) -> None:
    # Failing is no harm: tokens that nobody keeps end by themselves.
    with suppress(OuraError):
        pipeline.oauth.revoke(tokens.access_token, tokens.refresh_token, tokens.token_url)


def _failure(error: OuraError) -> SignInFailed:
    match error:
        case OuraUnavailable() | RateLimited():
            return OuraAway(
                "Oura does not answer at the moment. Nothing was saved; please try again."
            )
        case ClientRefused():
            return Misconfigured(
                "Oura does not accept this site's registration. Nothing was saved; please tell the "
                "operator."
            )
        case MembershipLapsed():
            return NobodyKnown(
                "Oura keeps your data back, as it does without a membership; you can check yours "
                "in the Oura app. Nothing was saved."
            )
        case _:
            return NobodyKnown("Oura sent an unexpected answer. Nothing was saved.")


def _wait_a_little(seconds: float) -> None:
    if seconds > MAX_WAIT_SECONDS:
        raise RateLimited(seconds)
    time.sleep(seconds)


_BEING_DELETED = (
    "Your data is being deleted, as you asked. You can sign in again when that is done."
)


@dataclass(frozen=True, repr=False)
class _Fresh:
    """A token that was just issued; it cannot be renewed."""

    token: str

    def access_token(self) -> str:
        return self.token

    def renew(self, refused: str) -> str:
        raise SignInRequired("Oura refuses a token that it has just issued; sign in again")

    def trial(self) -> AbstractContextManager[object]:
        return nullcontext()

    def renewed_in_vain(self, token: str) -> None:
        """Nothing is remembered: nobody is there yet."""
