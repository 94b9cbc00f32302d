"""What can go wrong with the warehouse.

    WarehouseError
    ├── WarehouseBusy        somebody else has had it for too long
    ├── WarehouseUnreadable  its file is none that this DuckDB can read
    └── UnusableDocuments    documents that cannot stand in a table; names the people they are of

Every message is one line and says what to do. None holds a value out of a document.
"""

from __future__ import annotations

from collections.abc import Sequence


class WarehouseError(Exception):
    """Something about the warehouse; the message is for the operator."""


class WarehouseBusy(WarehouseError):
    """Another process has held the warehouse for longer than we wait."""


class WarehouseUnreadable(WarehouseError):
    """The file is of a newer DuckDB, or no DuckDB file at all, or must not be opened."""


class UnusableDocuments(WarehouseError):
    """Documents without what makes them the same one, or that are no JSON; nothing was landed.

    Attributes:
        usernames: the people they are of. Leave them out and land again: the others are fine.
    """

    def __init__(self, message: str, usernames: Sequence[str]) -> None:
        super().__init__(message)
        self.usernames = tuple(usernames)
