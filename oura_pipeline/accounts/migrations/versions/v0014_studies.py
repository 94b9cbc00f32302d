"""Add studies, and who takes part in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "studies",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_studies"),
    )
    op.create_table(
        "participants",
        sa.Column("study", sa.Text, nullable=False),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("arm", sa.Text),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date),
        sa.Column("consent_version", sa.Text, nullable=False),
        sa.Column("consented_on", sa.Date, nullable=False),
        sa.Column("document_types", sa.Text),
        sa.Column("shift_days", sa.Integer, nullable=False),
        sa.Column("withdrawn_on", sa.Date),
        sa.PrimaryKeyConstraint("study", "username", name="pk_participants"),
        sa.ForeignKeyConstraint(
            ["study"], ["studies.name"], "fk_participants_study", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["username"], ["people.username"], "fk_participants_username", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("study", "code", name="uq_participants_study_code"),
    )
