"""The errors of the warehouse.

    WarehouseError
    ├── WarehouseBusy        another run or program has held it for too long
    ├── WarehouseUnreadable  this DuckDB cannot read the file
    └── UnusableDocuments    documents that fit no table; names the people they are of

Every message is one line, says what to do, and holds no value out of a document.
"""

from __future__ import annotations

from collections.abc import Sequence


class WarehouseError(Exception):
    """Any error of the warehouse; the message is for the operator."""


class WarehouseBusy(WarehouseError):
    """Another process has held the warehouse for longer than the timeout."""


class WarehouseUnreadable(WarehouseError):
    """The file was written by a newer DuckDB, is no DuckDB file, or must not be opened."""


class UnusableDocuments(WarehouseError):
    """Documents without their key, or that are no JSON objects; nothing was landed.

    Attributes:
        usernames: the people they are of. Leave them out and land again: the others are fine.
    """

    def __init__(self, message: str, usernames: Sequence[str]) -> None:
        super().__init__(message)
        self.usernames = tuple(usernames)
