"""Add the usernames of people who left, as digests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table, empty: nobody has left since."""
    op.create_table(
        "former_usernames",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scrubbed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_former_usernames")),
    )
