"""The declaration of a view: its name, its rows, its exact rules, its columns and its SQL."""

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
        definition: the exact rules, in a few sentences.
        columns: its columns, in the order of the SQL.
        sql: the query.
        stored: whether a large published copy has it as a table.
    """

    name: str
    description: str
    one_row_per: str
    definition: str
    columns: tuple[Column, ...]
    sql: str
    stored: bool = False

    @property
    def full_name(self) -> str:
        """The view's name with its schema, quoted."""
        return f"{SCHEMA}.{quoted(self.name)}"

    @property
    def line(self) -> str:
        """The view's line in `oura.readme`."""
        return f"{self.description} One row per {self.one_row_per}. {self.definition}"


def statements(view: View) -> list[str]:
    """Return the SQL that creates a view with its comments."""
    return [
        f"CREATE OR REPLACE VIEW {view.full_name} AS {view.sql}",
        *comments(view, "VIEW"),
    ]


def comments(view: View, kind: str) -> list[str]:
    """Return the SQL that comments on a VIEW, or on the TABLE that a copy has instead."""
    return [
        f"COMMENT ON {kind} {view.full_name} IS {literal(view.description)}",
        *(
            f"COMMENT ON COLUMN {view.full_name}.{quoted(column.name)} IS {literal(column.comment)}"
            for column in view.columns
        ),
    ]
