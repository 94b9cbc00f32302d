"""Make every table of the accounts database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, those first that others refer to."""
    _people()
    _tokens()
    _fetches()
    _pushes()
    _withdrawn()
    _offsets()
    _webhooks()
    _invites()
    _consents()
    _sign_ups()


def _person_columns(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    return (
        sa.Column("username", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["username"], ["people.username"], f"fk_{table}_username", ondelete="CASCADE"
        ),
    )


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("oura_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("scopes", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("connected_since", INSTANT, nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("state_since", INSTANT, nullable=False),
        sa.Column("sync_asked_at", INSTANT),
        sa.Column("notified_at", INSTANT),
        sa.PrimaryKeyConstraint("username", name="pk_people"),
        sa.UniqueConstraint("id", name="uq_people_id"),
        sa.UniqueConstraint("oura_id", name="uq_people_oura_id"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        *_person_columns("tokens"),
        sa.Column("refresh_token", sa.Text, nullable=False),
        sa.Column("access_token", sa.Text),
        sa.Column("expires_at", INSTANT),
        sa.Column("renewed_at", INSTANT),
        sa.Column("token_url", sa.Text),
        sa.Column("renewal_started_at", INSTANT),
        sa.Column("renewal_fingerprint", sa.Text),
        sa.PrimaryKeyConstraint("username", name="pk_tokens"),
    )


def _fetches() -> None:
    op.create_table(
        "fetches",
        sa.Column("document_type", sa.Text, nullable=False),
        *_person_columns("fetches"),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("documents", sa.Integer, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("document_type", "username", "day", name="pk_fetches"),
        sqlite_with_rowid=False,
    )


def _pushes() -> None:
    op.create_table(
        "pushes",
        sa.Column("document_type", sa.Text, nullable=False),
        *_person_columns("pushes"),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("index", sa.LargeBinary, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("document_type", "username", "day", name="pk_pushes"),
    )


def _withdrawn() -> None:
    op.create_table(
        "withdrawn",
        *_person_columns("withdrawn"),
        sa.Column("document_type", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("times", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("username", "document_type", "day", "metric", name="pk_withdrawn"),
    )


def _offsets() -> None:
    op.create_table(
        "offsets",
        *_person_columns("offsets"),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("username", "at", name="pk_offsets"),
        sqlite_with_rowid=False,
    )


def _webhooks() -> None:
    op.create_table(
        "webhook_subscriptions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("data_type", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("callback_url", sa.Text, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_subscriptions"),
    )
    op.create_table(
        "webhook_inbox",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("oura_id", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_inbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_inbox_oura_id", "webhook_inbox", ["oura_id"])
    op.create_index("ix_webhook_inbox_done_at", "webhook_inbox", ["done_at"])
    op.create_index("ix_webhook_inbox_digest", "webhook_inbox", ["digest"], unique=True)
    op.create_table(
        "deliveries",
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("data_type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("receipt", "data_type", name="pk_deliveries"),
    )


def _invites() -> None:
    op.create_table(
        "invites",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.Column("username", sa.String(32)),
        sa.PrimaryKeyConstraint("digest", name="pk_invites"),
        sa.ForeignKeyConstraint(
            ["username"], ["people.username"], "fk_invites_username", ondelete="SET NULL"
        ),
    )


def _consents() -> None:
    op.create_table(
        "consents",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("verifier", sa.Text, nullable=False),
        sa.Column("browser", sa.Text),
        sa.Column("invite", sa.Text),
        sa.Column("username", sa.String(32)),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_consents"),
    )


def _sign_ups() -> None:
    op.create_table(
        "sign_ups",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("oura_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("scopes", sa.Text),
        sa.Column("refresh_token", sa.Text, nullable=False),
        sa.Column("access_token", sa.Text),
        sa.Column("expires_at", INSTANT),
        sa.Column("renewed_at", INSTANT),
        sa.Column("token_url", sa.Text),
        sa.Column("invite", sa.Text),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_ups"),
        sa.UniqueConstraint("oura_id", name="uq_sign_ups_oura_id"),
    )
