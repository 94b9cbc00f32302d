"""The tables of the accounts database, as the code of this version reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from oura_pipeline.ledger import FetchStatus

# New databases are created from here, older ones upgraded by `migrations/`; a test keeps both the
# same.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database."""

    # SQLite stores no zone, and Postgres converts to the zone of the session.

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC.

        Raises:
            ValueError: the value has no zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone: give a datetime with tzinfo")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From UTC."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


def _username(**options: Any) -> Column[str]:
    # Every row of a person is deleted with them.
    cascade = ForeignKey("people.username", ondelete="CASCADE")
    return Column("username", String(32), cascade, nullable=False, **options)


def _person_day() -> list[Column[Any]]:
    """Return the key of a ledger's row, in an order by which a type's rows stand together."""
    return [
        Column("document_type", Text, primary_key=True),
        _username(primary_key=True),
        Column("day", Date, primary_key=True),
    ]


people = Table(
    "people",
    metadata,
    Column("username", String(32), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("oura_id", Text, unique=True),
    Column("name", Text),
    Column("scopes", Text),  # separated by spaces; NULL: not known, empty: none
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("connected_since", Instant, nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("state_since", Instant, nullable=False),
    Column("sync_asked_at", Instant),
    Column("notified_at", Instant),
    Column("first_day", Date),  # one row for all days before it; NULL: not known
    # Of 4096 parts of about the same size, into which everybody falls by their id.
    Column("shard", Integer, nullable=False, index=True, server_default="0"),
)

former_usernames = Table(
    "former_usernames",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("left_at", Instant, nullable=False),
    # Whether the file of the database was rewritten without their rows since.
    Column("scrubbed", Boolean, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    _username(primary_key=True),
    Column("refresh_token", Text, nullable=False),  # encrypted
    Column("access_token", Text),  # encrypted
    Column("expires_at", Instant),
    Column("renewed_at", Instant),
    Column("token_url", Text),
    Column("renewal_started_at", Instant),
    Column("renewal_fingerprint", Text),
    Column("in_vain_at", Instant),  # when Oura refused the access token right after its renewal
)

fetches = Table(
    "fetches",
    metadata,
    *_person_day(),
    Column("status", Text, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("error", Text),
    Column("run_id", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lost_from", Integer),
    Column("lost_at", Instant),
    sqlite_with_rowid=False,
)

IS_FAILED = fetches.c.status == literal_column("'failed'")
"""As the index below has it: SQLite does not use that for a parameter."""
IS_LOST = fetches.c.lost_at.is_not(None)

# Of millions of rows they are few, and asked for every few minutes.
for _name, _those in {"failed": IS_FAILED, "lost": IS_LOST}.items():
    Index(
        f"ix_fetches_{_name}",
        *fetches.primary_key,
        sqlite_where=_those,
        postgresql_where=_those,
    )

fetch_months = Table(
    "fetch_months",
    metadata,
    Column("document_type", Text, primary_key=True),
    _username(primary_key=True),
    Column("month", Integer, primary_key=True),  # twelve times the year, and the month
    # Of its rows in `fetches`, which are 30 times as many:
    Column("days", Integer, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("newest", Instant, nullable=False, index=True),
    Column("seconds", BigInteger, nullable=False),
    Column("documents", BigInteger, nullable=False),
    Column("placed", BigInteger, nullable=False),
    # How many of its days have each status, and the last that has documents.
    *(Column(status, Integer, nullable=False, server_default="0") for status in FetchStatus),
    Column("last_landed", Date),
    sqlite_with_rowid=False,
)

pushes = Table(
    "pushes",
    metadata,
    *_person_day(),
    Column("points", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("index", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    Column("source", Text, nullable=False, server_default=""),
)

waiting_pushes = Table(
    "waiting_pushes",
    metadata,
    *_person_day(),
    Column("at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
)

withdrawn = Table(
    "withdrawn",
    metadata,
    _username(primary_key=True),
    Column("document_type", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("times", Text, nullable=False),  # seconds since 1970, ascending, separated by spaces
    Column("at", Instant, nullable=False),
)

webhook_subscriptions = Table(
    "webhook_subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("data_type", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("callback_url", Text, nullable=False),
    Column("expires_at", Instant),
)

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("oura_id", Text, index=True),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("done_at", Instant, index=True),
    Column("digest", Text, nullable=False, index=True, unique=True),  # of the body
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("receipt", Text, primary_key=True),
    Column("data_type", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False),
)

request_count = Table(
    "request_count",
    metadata,
    Column("id", Integer, primary_key=True),  # one row, for whoever sends requests locks it
    # How many were sent until when, for each part of the last period: seconds since 1970, number.
    Column("sent", JSON, nullable=False),
    Column("paused_until", Float, nullable=False),  # seconds since 1970
)

consents = Table(
    "consents",
    metadata,
    Column("digest", Text, primary_key=True),  # of the state
    Column("verifier", Text, nullable=False),  # encrypted
    Column("browser", Text),  # encrypted
    Column("invite", Text),  # encrypted
    Column("username", String(32)),  # of somebody who may not be here yet
    Column("begun_at", Instant, nullable=False),
    Column("prompt", Text),  # OAuth's parameter; NULL: none
)

sign_ups = Table(
    "sign_ups",
    metadata,
    Column("digest", Text, primary_key=True),  # of the key
    Column("oura_id", Text, unique=True),
    Column("name", Text),
    Column("scopes", Text),
    Column("refresh_token", Text, nullable=False),  # encrypted
    Column("access_token", Text),  # encrypted
    Column("expires_at", Instant),
    Column("renewed_at", Instant),
    Column("token_url", Text),
    Column("invite", Text),  # encrypted
    Column("begun_at", Instant, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),  # of the id in the cookie
    # NULL: the operator's.
    Column(
        "username",
        String(32),
        ForeignKey("people.username", name="fk_sessions_username_people", ondelete="CASCADE"),
    ),
    Column("password", Text),  # a hash of the operator's
    Column("signed_in_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)

invites = Table(
    "invites",
    metadata,
    Column("digest", Text, primary_key=True),  # of the secret in the link
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("username", String(32), ForeignKey("people.username", ondelete="SET NULL")),
)

studies = Table(
    "studies",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", Instant, nullable=False),
)

participants = Table(
    "participants",
    metadata,
    Column("study", Text, ForeignKey("studies.name", ondelete="CASCADE"), primary_key=True),
    _username(primary_key=True),
    Column("code", Text, nullable=False),  # the pseudonym
    Column("arm", Text),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date),  # NULL: it goes on
    Column("consent_version", Text, nullable=False),
    Column("consented_on", Date, nullable=False),
    Column("document_types", Text),  # separated by spaces; NULL: all
    Column("shift_days", Integer, nullable=False),  # whole weeks by which exported dates move
    Column("withdrawn_on", Date),
    UniqueConstraint("study", "code"),
)
