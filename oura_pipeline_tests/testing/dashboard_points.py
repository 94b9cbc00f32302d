"""A value of every metric of the dashboards of people, in a Graphite, up to now."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

from oura_pipeline.graphite.dashboards import UIDS, read_dashboard
from oura_pipeline.graphite.local import LocalGraphite

PEOPLE = {"koa": 50, "runa": 70}
"""Each day of a person has one of seven values from here on."""
_DAY, _FINE, _DAYS = 86_400, 300, 30


def send_points(graphite: LocalGraphite) -> None:
    """Send a month of daily values, and some hours of those with an instant of their own."""
    with socket.create_connection(("127.0.0.1", graphite.line_port)) as carbon:
        carbon.sendall("".join(_lines(int(time.time()))).encode())
        carbon.shutdown(socket.SHUT_WR)
        assert carbon.recv(1) == b""  # carbon has read them all


def _lines(now: int) -> Iterator[str]:
    today, just_now = now - now % _DAY, now - now % _FINE
    days = range(today - _DAYS * _DAY, today + 1, _DAY)
    instants = range(just_now - 8 * 3600, just_now, _FINE)
    for who, base in PEOPLE.items():
        for metric in sorted(_metrics()):
            is_code = metric.endswith(("_min", "_sec", "day_summary", "resilience.level"))
            is_fine = metric.endswith(("_min", "_sec", "met", "bpm", "battery.level"))
            is_fine = is_fine or metric in ("sleep.heart_rate", "sleep.hrv")
            for n, at in enumerate(instants if is_fine else days):
                value = 1 + n % 3 if is_code else base + n % 7
                yield f"bio.{who}.{metric.replace('*', 'awake')} {value} {at}\n"


def _metrics() -> set[str]:
    return {
        metric
        for uid in UIDS
        for panel in read_dashboard(uid)["panels"]
        for target in panel.get("targets", [])
        for metric in re.findall(r"\$person\.([\w.*]+)", target["target"])
    }
