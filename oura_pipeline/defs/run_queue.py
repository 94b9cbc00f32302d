"""Dagster's queue of runs, which marks what it has taken: its limit counts nothing else."""

import dagster as dg

# A `sync` of the command line is no less in progress, and would take a place from the daemon.
QUEUED = "oura_pipeline/queued"


class ProjectRunQueue(dg.QueuedRunCoordinator):
    """Dagster's queue, with a tag on every run that goes through it."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        self._instance.add_run_tags(context.dagster_run.run_id, {QUEUED: "yes"})
        return super().submit_run(context)
