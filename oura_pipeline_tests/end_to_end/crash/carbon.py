"""A real carbon that is killed while it takes points, and syncs that are while they send them."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import product

from oura_pipeline.graphite.environment import installed
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.points import unpack
from oura_pipeline_tests.end_to_end.crash.crash import Crash
from oura_pipeline_tests.end_to_end.crash.points import SENDING, WHENS
from oura_pipeline_tests.end_to_end.odd_cloud import OddCloud
from oura_pipeline_tests.end_to_end.odd_truth import Points
from oura_pipeline_tests.testing.world import world


class CloudWithGraphite(OddCloud):
    """A cloud whose points are in a real Graphite."""

    def values(self) -> Points:
        """What graphite-web shows of every metric that was ever sent."""
        assert self.pipeline.render
        times: dict[str, set[int]] = {}
        for row in self.document_types:
            for push in self.pipeline.accounts.pushes.find(row.name):
                for metric, points in unpack(push.index).items():
                    times.setdefault(metric, set()).update(points)
        found: Points = {}
        for metric, points in times.items():
            shown = self.pipeline.render.values([metric], min(points), max(points))
            found |= {(metric, at): value for at, value in shown.get(metric, {}).items()}
        return found


def carbon(crash: Crash) -> None:
    """In a world of its own, with a Graphite; it has only days that are over everywhere."""
    if not installed():
        return
    home = crash.made.home.parent / "with carbon"
    settings = {"OURA_HISTORY_START": str(crash.first)}
    last = crash.last - timedelta(days=2)
    with (
        LocalGraphite() as graphite,
        world(home, crash.sandbox, graphite=graphite, settings=settings) as made,
    ):
        other = Crash(made, crash.rng, crash.first, last, CloudWithGraphite, tally=crash.tally)
        other.ever, other.done = crash.ever, crash.done
        other.begin()
        other.rehearse()
        for _ in range(2):
            other.change()
            point, when = crash.draw("sending", [*product(SENDING, WHENS)])
            kill = crash.kill(point, when, 1)
            other.killed(other.sync(kill=kill), f"{kill}, to carbon")
            other.change()
            sync = other.sync()
            sync.process.join(crash.rng.uniform(0.5, 3))
            graphite.kill_carbon()
            crash.count("kills", "carbon")
            sync.process.join(1)
            _start_carbon(graphite)
            sync.wait()
            other.check_output(sync)
        other.settle()
        other.end()


def _start_carbon(graphite: LocalGraphite) -> None:
    # Without the name of the data folder: it is no process of the world that could be left over.
    home = os.environ.pop("OURA_PIPELINE_HOME")
    graphite.start_carbon()
    os.environ["OURA_PIPELINE_HOME"] = home
