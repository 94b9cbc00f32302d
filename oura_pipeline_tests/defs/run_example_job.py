"""Processes that begin together: each runs the example job over days of its own.

python -m oura_pipeline_tests.defs.run_example_job FIRST:LAST FIRST:LAST …
"""

import multiprocessing
import sys

from oura_pipeline.defs.storage import project_instance
from oura_pipeline_tests.defs.example_assets import example_job, range_tags


def main(*ranges: str) -> int:
    """Run them all; 0 if every run succeeded."""
    # Forked, so that Dagster is imported once.
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=run, args=days.split(":")) for days in ranges]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


def run(first: str, last: str) -> None:
    """Run the job."""
    with project_instance() as instance:
        result = example_job().execute_in_process(instance=instance, tags=range_tags(first, last))
    sys.exit(0 if result.success else 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
