"""Add the count of the requests to Oura, for accounts on Postgres."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table; whoever sends the first request adds the row."""
    op.create_table(
        "request_count",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("sent", sa.JSON, nullable=False),
        sa.Column("paused_until", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_request_count"),
    )
