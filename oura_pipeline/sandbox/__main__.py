"""`python -m oura_pipeline.sandbox`: the sandbox as a process of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from oura_pipeline.sandbox.server import SandboxOptions, serve

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
}


def main() -> None:
    """Read the options and serve until interrupted."""
    parser = argparse.ArgumentParser(description="A local stand-in of Oura's cloud.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8400, help="0 is a free one")
    for option in fields(SandboxOptions):
        kind = _KINDS.get(option.name, str)
        flag = "--" + option.name.replace("_", "-")
        if option.name == "redirect_uris":
            parser.add_argument("--redirect-uri", dest=option.name, action="append", default=[])
        else:
            parser.add_argument(flag, type=kind, default=option.default)
    chosen = vars(parser.parse_args())
    host, port = chosen.pop("host"), chosen.pop("port")
    chosen["redirect_uris"] = tuple(chosen["redirect_uris"])
    serve(SandboxOptions(**chosen), host, port)


if __name__ == "__main__":
    main()
