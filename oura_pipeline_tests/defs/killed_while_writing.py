"""A process that dies while it writes a batch: reads the events from its input."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._serdes import deserialize_value

from oura_pipeline.defs.event_log import BatchedSqliteEventLogStorage

CODE = 9


class Dying(BatchedSqliteEventLogStorage):
    """The storage, dead after its last statement in the index."""

    written = False

    def _store_assets(self, *batch: Any) -> None:
        super()._store_assets(*batch)
        self.written = True

    @contextmanager
    def index_connection(self) -> Iterator[Any]:
        with super().index_connection() as index:
            yield index
            if self.written:
                os._exit(CODE)


class DyingLater(BatchedSqliteEventLogStorage):
    """The storage, dead when the index has the batch, and the run's database not yet."""

    @contextmanager
    def _run_shard(self, run_id: str) -> Iterator[Any]:
        with super()._run_shard(run_id) as run:
            yield run
            os._exit(CODE)


if __name__ == "__main__":
    storage = {"Dying": Dying, "DyingLater": DyingLater}[sys.argv[2]]
    storage(sys.argv[1]).store_event_batch(deserialize_value(sys.stdin.read()))
