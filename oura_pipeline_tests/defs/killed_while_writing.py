"""A process that dies when a batch is written but not yet kept: reads the events from its input."""

import os
import sys
from typing import Any

from dagster._serdes import deserialize_value

from oura_pipeline.defs.event_log import BatchedSqliteEventLogStorage

CODE = 9


class Dying(BatchedSqliteEventLogStorage):
    """The storage, dead after its last statement."""

    def _store_checks(self, *batch: Any) -> None:
        super()._store_checks(*batch)
        os._exit(CODE)


if __name__ == "__main__":
    Dying(sys.argv[1]).store_event_batch(deserialize_value(sys.stdin.read()))
