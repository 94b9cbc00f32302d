"""What a backfill costs whose records are on Postgres, beside one whose records are in SQLite."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.bookkeeping import backfilled, services
from benchmarks.worlds import SETTINGS, cloud
from oura_pipeline_tests.testing.postgres import dagster_config, new_database, running_postgres
from oura_pipeline_tests.testing.world import world


def seconds_of(days: int, settings: Mapping[str, str], folder: Path) -> float:
    """The seconds of a backfill of all assets, launched in the UI and seen through by the daemon.

    Raises:
        SystemExit: it is not one run that succeeded, or the status of a partition is wrong.
    """
    # Nobody has signed in: all that is left is bookkeeping, and sensors start no other run.
    with (
        cloud(people=1, days=1) as made,
        world(folder, made.sandbox, settings={**SETTINGS, **settings}),
        services(folder, "webserver", "daemon") as ask,
    ):
        return backfilled(ask, days)[1]


def on_postgres(days: int, server: str, folder: Path) -> float:
    """The same, with the records as `dagster.yaml` describes them for several machines."""
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text(dagster_config(), encoding="utf-8")
    url = f"postgresql+psycopg2://{new_database(server)}"
    return seconds_of(days, {"DAGSTER_POSTGRES_URL": url}, folder)


def main() -> None:
    """Print both, for so many days."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 365
    with tempfile.TemporaryDirectory() as scratch, running_postgres() as server:
        postgres = on_postgres(days, server, Path(scratch) / "postgres")
        sqlite = seconds_of(days, {}, Path(scratch) / "sqlite")
    print(f"{days} days of all assets: {postgres:.1f} s on Postgres, {sqlite:.1f} s in SQLite")


if __name__ == "__main__":
    main()
