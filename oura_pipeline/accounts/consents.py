"""Sign-ins under way: people who were sent to Oura and have not come back yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, insert

from oura_pipeline.accounts.base import EncryptedStore, now
from oura_pipeline.accounts.errors import KeyRefused
from oura_pipeline.accounts.schema import consents
from oura_pipeline.days import digest

CONSENT_LASTS = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What was remembered of somebody who was sent to Oura; its repr shows no secret.

    Attributes:
        verifier: of PKCE.
        browser: the id of the only browser that may finish it; None: any.
        username: who is to sign in, here already or not; None: anybody.
        invite: the code they came with.
        begun_at: when they were sent, UTC.
        prompt: OAuth's parameter that they were sent with; None: none.
    """

    verifier: str = field(repr=False)
    browser: str | None = field(repr=False)
    username: str | None
    invite: str | None = field(repr=False)
    begun_at: datetime
    prompt: str | None = None


class Consents(EncryptedStore):
    """Everybody who was sent to Oura."""

    def begin(
        self,
        state: str,
        *,
        verifier: str,
        browser: str | None,
        username: str | None = None,
        invite: str | None = None,
        prompt: str | None = None,
    ) -> None:
        """Remember who is sent to Oura with this state; forget those who never came back."""
        with self._database.writing() as connection:
            # Whoever is sent to Oura deletes what is over: nothing runs by the clock for this.
            connection.execute(delete(consents).where(consents.c.begun_at < now() - CONSENT_LASTS))
            row = {
                "digest": digest(state),
                "verifier": self._cipher.encrypt(verifier),
                "browser": self._cipher.encrypt_if(browser),
                "invite": self._cipher.encrypt_if(invite),
                "username": username,
                "begun_at": now(),
                "prompt": prompt,
            }
            connection.execute(insert(consents).values(row))

    def take(self, state: str) -> Consent | None:
        """Return what was remembered with this state, once; None: nothing, or it is too old."""
        # Deleted by the same statement: of two requests with one state only one gets the consent.
        taken = delete(consents).where(consents.c.digest == digest(state)).returning(consents)
        with self._database.writing() as connection:
            row = connection.execute(taken).one_or_none()
        if row is None or row.begun_at < now() - CONSENT_LASTS:
            return None
        try:
            return Consent(
                verifier=self._cipher.decrypt(row.verifier),
                browser=self._cipher.decrypt_if(row.browser),
                username=row.username,
                invite=self._cipher.decrypt_if(row.invite),
                begun_at=row.begun_at,
                prompt=row.prompt,
            )
        except KeyRefused:  # encrypted with a key that was removed since
            return None
