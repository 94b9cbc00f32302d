"""Add when a renewal did not help, and what somebody was asked at Oura."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, empty."""
    op.add_column("tokens", sa.Column("in_vain_at", sa.DateTime(timezone=True)))
    op.add_column("consents", sa.Column("prompt", sa.Text))
