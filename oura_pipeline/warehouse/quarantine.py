"""Documents that cannot be landed, kept as received in `oura.quarantine` until they come right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.warehouse.ledgers import QUARANTINE
from oura_pipeline.warehouse.staging import LandingRequest
from oura_pipeline.warehouse.tables import has_ledger, table_name

_TABLE = QUARANTINE.full_name
# Without an id, a document is the same one as long as its text is.
_SAME = "q.username = s.username AND coalesce(q.id, q.document) = coalesce(s.id, s.document)"


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """Something odd about a document.

    Attributes:
        username: whose.
        document_type: name of its type.
        day: the day it belongs to; None: it does not say.
        id: Oura's identifier; None: it has none.
        reason: what is odd: the field, never a value.
    """

    username: str
    document_type: str
    day: date | None
    id: str | None
    reason: str

    @property
    def text(self) -> str:
        """The type, the day, the id and the reason, for people."""
        when = f"of {self.day}" if self.day else "of an unknown day"
        which = f" (id {self.id})" if self.id else ""
        return f"{self.document_type} {when}{which}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class QuarantinedDocument(Oddity):
    """A document that could not be landed.

    Attributes:
        first_seen: when it first came, UTC.
        last_seen: when it last came, UTC.
        document: as received; bytes that are not UTF-8 are written like `\\xff`.
    """

    first_seen: datetime
    last_seen: datetime
    document: str = field(repr=False)


def find_quarantined(
    connection: duckdb.DuckDBPyConnection,
    usernames: Collection[str] | None = None,
    document_type: str | None = None,
) -> list[QuarantinedDocument]:
    """Return the documents that match, by person, type, day and id; None matches all."""
    if not has_ledger(connection, QUARANTINE):
        return []
    names = [column.name for column in QUARANTINE.columns if not column.name.startswith("asked_")]
    rows = connection.execute(
        f"SELECT {', '.join(names)} FROM {_TABLE} "
        "WHERE ($usernames IS NULL OR list_contains($usernames::VARCHAR[], username)) "
        "AND ($document_type IS NULL OR document_type = $document_type) "
        "ORDER BY username ASC, document_type ASC, day ASC NULLS FIRST, id ASC NULLS FIRST, "
        "document ASC",
        {
            "usernames": None if usernames is None else list(usernames),
            "document_type": document_type,
        },
    ).fetchall()
    return [QuarantinedDocument(**dict(zip(names, row, strict=True))) for row in rows]


def has_quarantined(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> bool:
    """Return whether documents of a type are in the quarantine."""
    return bool(
        connection.execute(
            f"SELECT 1 FROM {_TABLE} WHERE document_type = ? LIMIT 1", [document_type.name]
        ).fetchall()
    )


def keep_earlier_versions(
    connection: duckdb.DuckDBPyConnection, document_type: DocumentType
) -> None:
    """Take out of `changes` the deletion of rows whose document came, but cannot be used."""
    # It is not gone: what it said before is the last that is known of it.
    same = ["t.day = s.day"] if document_type.daily else []
    if any(field.name == "id" for field in document_type.fields):
        same.append("t.id = s.id")
    if not document_type.key:
        same.append("true")
    if same:
        connection.execute(
            "DELETE FROM changes WHERE change = 'deleted' AND existing IN "
            f"(SELECT t.rowid FROM {table_name(document_type)} t JOIN set_aside s "
            f"ON t.username = s.username AND ({' OR '.join(same)}))"
        )


def update_quarantine(connection: duckdb.DuckDBPyConnection, request: LandingRequest) -> None:
    """Release what came right, and keep what was set aside; in the landing's transaction."""
    parameters = {
        "type": request.document_type.name,
        "first": request.first_day,
        "last": request.last_day,
    }
    connection.execute(
        f"DELETE FROM {_TABLE} AS q WHERE q.document_type = $type "
        f"AND q.username IN (FROM people) AND ({_came_right(request)}) "
        f"AND NOT EXISTS (SELECT 1 FROM set_aside s WHERE {_SAME})",
        parameters
        if request.document_type.partitioned and not request.fills
        else {"type": request.document_type.name},
    )
    connection.execute(
        f"UPDATE {_TABLE} AS q SET day = s.day, reason = s.reason, document = s.document, "
        "last_seen = $at, "
        # It is of a day that each of these questions asked for, or of one beside them.
        "asked_first_day = coalesce(s.day, greatest(q.asked_first_day, $first)), "
        "asked_last_day = coalesce(s.day, least(q.asked_last_day, $last)) "
        f"FROM set_aside s WHERE q.document_type = $type AND {_SAME}",
        parameters | {"at": request.fetched_at},
    )
    connection.execute(
        f"INSERT INTO {_TABLE} (username, document_type, day, id, reason, asked_first_day, "
        "asked_last_day, first_seen, last_seen, document) "
        "SELECT s.username, $type, s.day, s.id, s.reason, coalesce(s.day, $first), "
        "coalesce(s.day, $last), $at, $at, s.document FROM set_aside s "
        f"WHERE NOT EXISTS (SELECT 1 FROM {_TABLE} q WHERE q.document_type = $type AND {_SAME})",
        parameters | {"at": request.fetched_at},
    )


def _came_right(request: LandingRequest) -> str:
    """Return the condition that a question must have brought `q`, if it were still unusable."""
    document_type = request.document_type
    if request.fills:
        return "false"  # an export need not hold what the API sent
    if not document_type.partitioned:
        return "true"
    covered = (
        "q.asked_first_day >= $first AND q.asked_last_day <= $last AND NOT EXISTS "
        "(SELECT 1 FROM unanswered u WHERE u.username = q.username AND u.day BETWEEN "
        # Two questions that both brought it may have no day in common, as each is asked wider.
        "least(q.asked_first_day, q.asked_last_day) "
        "AND greatest(q.asked_first_day, q.asked_last_day))"
    )
    if "id" not in document_type.key:
        return covered
    landed = "SELECT 1 FROM incoming i WHERE i.requested AND i.username = q.username"
    return f"({covered}) OR EXISTS ({landed} AND i.typed.id = q.id)"
