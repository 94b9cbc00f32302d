"""Add the shard of each person."""

from __future__ import annotations

from zlib import crc32

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_SHARDS = 4096


def upgrade() -> None:
    """Add the column, with the part into which the id of each person falls, and its index."""
    op.add_column("people", sa.Column("shard", sa.Integer, nullable=False, server_default="0"))
    people = sa.table("people", sa.column("id"), sa.column("shard"))
    connection = op.get_bind()
    its = people.c.id == sa.bindparam("person")
    rows = [
        {"person": person_id, "part": crc32(person_id.encode()) % _SHARDS}
        for person_id in connection.scalars(sa.select(people.c.id)).all()
    ]
    if rows:
        connection.execute(people.update().where(its).values(shard=sa.bindparam("part")), rows)
    op.create_index("ix_people_shard", "people", ["shard"])
