"""What a view is: a name, what one row is, its exact rules, its columns and its SQL.

What surprises: nothing of the SQL is in the columns. Their order is that of the SQL, and a test
compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from oura_pipeline.warehouse.tables import SCHEMA, literal, quoted


@dataclass(frozen=True)
class Column:
    """A column of a view: its name and what it means, with its unit."""

    name: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class View:
    """A view of schema `oura`.

    Attributes:
        name: its name, without the schema.
        description: one sentence.
        one_row_per: what one row is.
        definition: the exact rules, some sentences.
        columns: what it has, in the order of its SQL.
        sql: the query.
    """

    name: str
    description: str
    one_row_per: str
    definition: str
    columns: tuple[Column, ...]
    sql: str

    @property
    def full_name(self) -> str:
        """Its name with its schema."""
        return f"{SCHEMA}.{quoted(self.name)}"

    @property
    def line(self) -> str:
        """What `oura.readme` says of it."""
        return f"{self.description} One row per {self.one_row_per}. {self.definition}"


def statements(view: View) -> list[str]:
    """The SQL that makes a view and lets it describe itself."""
    return [
        f"CREATE OR REPLACE VIEW {view.full_name} AS {view.sql}",
        f"COMMENT ON VIEW {view.full_name} IS {literal(view.description)}",
        *(
            f"COMMENT ON COLUMN {view.full_name}.{quoted(column.name)} IS {literal(column.comment)}"
            for column in view.columns
        ),
    ]
