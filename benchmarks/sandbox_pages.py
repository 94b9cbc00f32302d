"""How many 1000-row heart-rate pages a second the sandbox serves.

The sandbox runs in a process of its own; one more process asks over a few keep-alive connections of
127.0.0.1 for a few seconds and counts bytes instead of decoding them. `--pages 1` asks for one page
again and again, more for pages that were never joined before.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote, urlsplit

from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running

END = date(2026, 10, 28)
BOUNDS = "start_datetime=2026-10-01T00:00:00Z&end_datetime=2026-10-28T00:00:00Z"


@dataclass
class Tally:
    """What the connections received."""

    answers: int = 0
    bytes: int = 0


def main() -> None:
    """Start, ask for a few seconds, tell."""
    parser = argparse.ArgumentParser(description="Heart-rate pages a second.")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pages", type=int, default=25, help="different pages asked for in turn")
    parser.add_argument("--gzip", action="store_true")
    chosen = parser.parse_args()
    unlimited = "1000000000/1"
    options = SandboxOptions(end=END, rate_limit=unlimited, app_rate_limit=unlimited)
    with running(options, process=True) as sandbox:
        requests = _requests(sandbox, pages=chosen.pages, gzip=chosen.gzip)
        tally, took = asyncio.run(
            _ask(sandbox.url, requests, chosen.connections, min(chosen.seconds, 30))
        )
    rate, megabytes = tally.answers / took, tally.bytes / took / 1e6
    print(f"{rate:.0f} pages/s, {megabytes:.0f} MB/s ({chosen.connections} connections)")


def _requests(sandbox: Sandbox, *, pages: int, gzip: bool) -> list[bytes]:
    """Raw HTTP requests for the first pages of one person's month."""
    token = sandbox.sign_in("koa")["access_token"]
    coding = "gzip" if gzip else "identity"
    head = f"Host: sandbox\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: {coding}\r\n\r\n"
    made, following = [], ""
    while len(made) < pages and following is not None:
        path = f"/v2/usercollection/heartrate?{BOUNDS}&next_token={quote(following)}"
        made.append(f"GET {path} HTTP/1.1\r\n{head}".encode())
        answer = sandbox.http.get(path, headers={"authorization": f"Bearer {token}"})
        following = answer.raise_for_status().json()["next_token"]
    return made


async def _ask(
    url: str, requests: list[bytes], connections: int, seconds: float
) -> tuple[Tally, float]:
    tally, start = Tally(), time.perf_counter()
    until = start + seconds
    await asyncio.gather(*(_connection(url, requests, until, tally) for _ in range(connections)))
    return tally, time.perf_counter() - start


async def _connection(url: str, requests: list[bytes], until: float, tally: Tally) -> None:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
    turn = 0
    while time.perf_counter() < until:
        writer.write(requests[turn % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        tally.bytes += len(await reader.readexactly(length))
        tally.answers += 1
        turn += 1
    writer.close()
    await writer.wait_closed()


if __name__ == "__main__":
    main()
