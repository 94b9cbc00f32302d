"""Add a digest of the documents whose points were pushed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column, empty: the next push flattens everything once more."""
    op.add_column("pushes", sa.Column("source", sa.Text, nullable=False, server_default=""))
