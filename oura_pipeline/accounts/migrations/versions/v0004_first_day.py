"""Add the first day of which Oura has anything of a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, empty: nobody knows."""
    op.add_column("people", sa.Column("first_day", sa.Date))
