"""How long what belongs to a sign-in under way is kept.

What surprises: nothing runs by the clock here. Whoever begins something forgets what is over.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, delete

from oura_pipeline.accounts.base import now
from oura_pipeline.accounts.schema import consents, sign_ups

CONSENT_LASTS = timedelta(minutes=10)
SIGN_UP_LASTS = timedelta(hours=1)


def forget_expired(connection: Connection) -> None:
    """Delete the consents and sign-ups that are over."""
    for table, lasts in ((consents, CONSENT_LASTS), (sign_ups, SIGN_UP_LASTS)):
        connection.execute(delete(table).where(table.c.begun_at < now() - lasts))
