"""`oura-pipeline budget`."""

from __future__ import annotations

import click

from oura_pipeline.commands.console import print_lines
from oura_pipeline.pipeline import open_pipeline


@click.command()
def budget() -> None:
    """Show how much of the rate limit is used.

    Oura counts the requests of the whole application, whoever they are for.
    """
    with open_pipeline() as pipeline:
        state = pipeline.budget.state()
    line = f"{state.used} of {state.limit} requests used"
    if state.resets_at:
        # The window slides: there is no moment at which all become free.
        line += f"; the first becomes free again at {state.resets_at.astimezone():%H:%M:%S}"
    print_lines(line)
