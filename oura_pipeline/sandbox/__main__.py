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


# What each option does, in the order of `SandboxOptions`.
MEANINGS = {
    "people": "how many synthetic people there are",
    "awkward": "five more: nights that come twice or overlap, flights to Tokyo, a new ring",
    "days": "how many days of history each of them has",
    "seed": "another one makes other people",
    "end": "the last day, YYYY-MM-DD, whose noon is now; without it the data ends today",
    "live_rows": "heart rate and battery in the shape of live rows of 2026",
    "thin": "of heart rate and battery only every so manieth row",
    "replay": "a folder of recorded answers to serve instead of synthetic people",
    "client_id": "of the registered application",
    "client_secret": "of the same",
    "redirect_uris": "a registered address, exactly; repeatable; with none any will do",
    "rate_limit": "REQUESTS/SECONDS of a token",
    "app_rate_limit": "REQUESTS/SECONDS of the whole application",
    "portal": "where the application is registered",
    "sample_rows": "rows of a page of heart rate and the like",
    "document_rows": "documents of a page of everything else",
    "webhook_retry_seconds": "over how long the ten retries of a delivery are spread",
    "webhook_timeout_seconds": "how long a webhook may take to answer",
    "access_seconds": "how long an access token works",
    "expires_in": "what an answer with tokens says of that",
    "lapsed_status": "the status for somebody whose membership has lapsed",
    "lapsed_detail": "the text of the same answer",
    "pkce": "whether a sign-in needs a challenge",
    "callback_scope": "whether the callback says which scopes were granted",
    "token_scope": "whether the answer with tokens does",
    "scope_prefix": "what stands in front of scopes in answers",
    "id_token": "whether there is an id token among the tokens",
    "reuse_grant": "whether a second sign-in gets the consent of the first",
    "expiration_decimals": "digits behind the second in the time at which a subscription ends",
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
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=8400, help="0 is a free one (%(default)s)")
    # Only the process that started this one holds the other end, and lets go of it by dying, too.
    parser.add_argument("--end-with-stdin", action="store_true", help=argparse.SUPPRESS)
    types = get_type_hints(SandboxOptions)
    for option in fields(SandboxOptions):
        type_hint = types[option.name]
        flag, text = "--" + option.name.replace("_", "-"), MEANINGS[option.name]
        # Singular on the command line, where it may be given several times.
        if option.name == "redirect_uris":
            parser.add_argument(
                "--redirect-uri", dest=option.name, action="append", default=[], help=text
            )
        elif isinstance(option.default, bool):
            switch = argparse.BooleanOptionalAction
            parser.add_argument(flag, action=switch, default=option.default, help=text)
        else:
            secret = option.name.endswith("secret")  # as real ones: never printed by itself
            choices = get_args(type_hint) if get_origin(type_hint) is Literal else None
            parser.add_argument(
                flag,
                type=_PARSERS.get(type_hint, str),
                default=option.default,
                choices=choices,
                help=text if option.default in (None, "") or secret else f"{text} (%(default)s)",
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
