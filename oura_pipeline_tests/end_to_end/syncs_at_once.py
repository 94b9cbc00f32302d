"""Processes of `oura-pipeline sync` that begin together.

python -m oura_pipeline_tests.end_to_end.syncs_at_once TIMES OPTION …
"""

from __future__ import annotations

import multiprocessing
import sys

# Before the fork, so that all of the project is imported once.
import oura_pipeline.commands.sync  # noqa: F401
import oura_pipeline.definitions  # noqa: F401
from oura_pipeline import cli


def main(times: str, *options: str) -> int:
    """Run them all; 0 if all succeeded."""
    sys.argv = ["oura-pipeline", "sync", *options]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=cli.main) for _ in range(int(times))]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return max(abs(process.exitcode or 0) for process in processes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
