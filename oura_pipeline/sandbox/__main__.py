"""`python -m oura_pipeline.sandbox`: the sandbox as a process of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, get_args

from oura_pipeline.sandbox.cloud import Pkce, Portal, SandboxOptions
from oura_pipeline.sandbox.server import serve

_KINDS: dict[str, Callable[[str], Any]] = {
    "people": int,
    "days": int,
    "seed": int,
    "sample_rows": int,
    "document_rows": int,
    "end": date.fromisoformat,
    "replay": Path,
    "webhook_retry_seconds": float,
    "webhook_timeout_seconds": float,
    "access_seconds": int,
    "expiration_decimals": int,
}
_CHOICES = {"portal": get_args(Portal), "pkce": get_args(Pkce)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, those of the process unless they are given, and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="oura-pipeline sandbox", description="A local stand-in of Oura's cloud."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8400, help="0 is a free one")
    for option in fields(SandboxOptions):
        kind = _KINDS.get(option.name, str)
        flag = "--" + option.name.replace("_", "-")
        if option.name == "redirect_uris":
            parser.add_argument("--redirect-uri", dest=option.name, action="append", default=[])
        elif isinstance(option.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=option.default)
        else:
            choices = _CHOICES.get(option.name)
            parser.add_argument(flag, type=kind, default=option.default, choices=choices)
    chosen = vars(parser.parse_args(arguments))
    host, port = chosen.pop("host"), chosen.pop("port")
    chosen["redirect_uris"] = tuple(chosen["redirect_uris"])
    try:
        serve(SandboxOptions(**chosen), host, port)
    except (ValueError, OSError) as wrong:
        parser.error(str(wrong))


if __name__ == "__main__":
    main()
