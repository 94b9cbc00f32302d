"""`oura-pipeline sandbox`."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial

import click
import uvicorn

from oura_pipeline.process import interrupts
from oura_pipeline.sandbox.__main__ import main


# `python -m oura_pipeline.sandbox` has the same options, and parses and describes them.
@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def sandbox(options: tuple[str, ...]) -> None:
    """Serve a local stand-in for Oura's cloud.

    `oura-pipeline sandbox --help` lists its options.
    """
    with ExitStack() as stack:

        def started(server: uvicorn.Server) -> None:
            stop = partial(server.handle_exit, signal.SIGTERM, None)
            stack.enter_context(interrupts.interruptible(requested=stop))

        main(options, started)
