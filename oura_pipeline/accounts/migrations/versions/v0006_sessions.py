"""Add the sessions of browsers at the site."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table, empty: cookies of earlier versions open nothing any more."""
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("username", sa.String(32)),
        sa.Column("password", sa.Text),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(
            ["username"],
            ["people.username"],
            name=op.f("fk_sessions_username_people"),
            ondelete="CASCADE",
        ),
    )
