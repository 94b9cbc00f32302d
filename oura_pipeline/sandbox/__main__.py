"""`python -m oura_pipeline.sandbox`: the sandbox as a process of its own."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, get_args, get_origin, get_type_hints

import uvicorn

from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.faults import KINDS
from oura_pipeline.sandbox.server import serve
from oura_pipeline.sandbox.spoils import BY_WAY

# How the text of an option is read, by the option's type; anything else stays text.
_PARSERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    date | None: date.fromisoformat,
    Path | None: Path,
}


_EPILOG = f"""POST /_control/fault lets requests go wrong, by kind:
{fill(", ".join(KINDS), 78)}

POST /_control/spoil spoils one document, in a way of:
{fill(", ".join(BY_WAY), 78)}

docs/reference/sandbox.md says what each of them does.
"""


def main(
    arguments: Sequence[str] | None = None,
    started: Callable[[uvicorn.Server], object] = lambda server: None,
) -> None:
    """Serve with the options of `arguments`, by default the process's own, until interrupted.

    `started` is called with the server when it is about to serve.
    """
    parser = argparse.ArgumentParser(
        prog="oura-pipeline sandbox",
        description="A local stand-in of Oura's cloud.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8400, help="0 is a free one")
    # Only the process that started this one holds the other end, and lets go of it by dying, too.
    parser.add_argument("--end-with-stdin", action="store_true", help=argparse.SUPPRESS)
    types = get_type_hints(SandboxOptions)
    for option in fields(SandboxOptions):
        type_hint = types[option.name]
        flag = "--" + option.name.replace("_", "-")
        # Singular on the command line, where it may be given several times.
        if option.name == "redirect_uris":
            parser.add_argument("--redirect-uri", dest=option.name, action="append", default=[])
        elif isinstance(option.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=option.default)
        else:
            choices = get_args(type_hint) if get_origin(type_hint) is Literal else None
            parser.add_argument(
                flag,
                type=_PARSERS.get(type_hint, str),
                default=option.default,
                choices=choices,
            )
    chosen = vars(parser.parse_args(arguments))
    host, port = chosen.pop("host"), chosen.pop("port")
    if chosen.pop("end_with_stdin"):
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    chosen["redirect_uris"] = tuple(chosen["redirect_uris"])
    try:
        serve(SandboxOptions(**chosen), host, port, started)
    # Options that make no sense, or a port that is taken: one line, not a traceback.
    except (ValueError, OSError) as error:
        parser.error(str(error))


def _end_with_stdin() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
