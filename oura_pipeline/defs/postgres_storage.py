"""Dagster's own records on Postgres, with many events written at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import Field, StringSource
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.legacy_storage import CompositeStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import (
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from sqlalchemy import make_url

from oura_pipeline.defs.event_batches import BatchedEventLog
from oura_pipeline.defs.event_rows import Row
from oura_pipeline.defs.storage import BATCH_SIZE, write_events_at_once

# The driver that Dagster was written for. SQLAlchemy would take psycopg 3 for `postgresql://`, and
# close its connections in the `with` by which Dagster's webserver sets them up.
DRIVER = "postgresql+psycopg2"
LOOKED_BACK = 1000  # events of all runs: as many as one transaction writes


class BatchedPostgresEventLogStorage(BatchedEventLog, PostgresEventLogStorage):
    """Dagster's event log on Postgres, with many events written as one transaction."""

    def default_run_scoped_event_tailer_offset(self) -> int:
        """Return how far back a run looks for what others have recorded meanwhile.

        Of two who write at once the one with the lower numbers may be there later. A run that has
        read the higher one already would wait for the end of that step for ever.
        """
        return LOOKED_BACK

    def _write(self, events: Sequence[EventLogEntry], rows: Sequence[Row]) -> None:
        table = SqlEventLogStorageTable
        in_order = table.insert().returning(table.c.id, sort_by_parameter_order=True)
        with self.index_transaction() as connection:
            event_ids = connection.execute(in_order, rows).scalars().all()
            self._store_beside(connection, events, rows, event_ids)


class ProjectPostgresStorage(CompositeStorage):
    """Dagster's runs, events and ticks on Postgres.

    Configuration: `postgres_url`, whatever driver it names; and `event_batch_size`, how many events
    are written at once, where 0 means each by itself.
    """

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        return {"postgres_url": Field(StringSource), **BATCH_SIZE}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ProjectPostgresStorage":
        """Open the three storages."""
        write_events_at_once(config_value)
        url = make_url(config_value["postgres_url"]).set(drivername=DRIVER)
        address = url.render_as_string(hide_password=False)
        return cls(
            run_storage=PostgresRunStorage(address),
            event_log_storage=BatchedPostgresEventLogStorage(address),
            schedule_storage=PostgresScheduleStorage(address),
            inst_data=inst_data,
        )
