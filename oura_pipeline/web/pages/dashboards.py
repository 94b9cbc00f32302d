"""The dashboards of people, drawn by the site from what graphite-web has."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.graphite import dashboards as boards
from oura_pipeline.graphite.dashboards import Json, Series
from oura_pipeline.oura.http import tls
from oura_pipeline.settings import Store
from oura_pipeline.web import sessions
from oura_pipeline.web.charts.panel import (
    Label,
    Summary,
    labels,
    panel_chart,
    single_value,
    summaries,
)
from oura_pipeline.web.pages.me import drawn
from oura_pipeline.web.pages.status import is_operator
from oura_pipeline.web.pages.templates import get_site, message_page, page, redirect
from oura_pipeline.web.site import Site

LOG = logging.getLogger("oura_pipeline.web")
DAYS = (2, 7, 30, 90, 365)
_MAX_PEOPLE = 12  # side by side, on the dashboard of everybody
_MAX_NAMES = 200  # that the operator chooses from
_POINTS = 400  # of a series: more than a panel has pixels for
_PARALLEL, _TIMEOUT_SECONDS = 4, 10.0
_PER_VIEWER = 2  # pages of one viewer that are drawn at once
_DAY = 86_400


def routes() -> list[BaseRoute]:
    """Return the routes of this module."""
    return [Route("/dashboards", show), Route("/dashboards/{name}", show)]


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Somebody who looks at dashboards.

    Attributes:
        name: theirs, for the limit of pages at once.
        sees: the usernames whose data they may see.
        is_operator: whether that is everybody.
    """

    name: str
    sees: Sequence[str]
    is_operator: bool


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel as the page shows it; `value` stands where one number says it all.

    Attributes:
        id: unique on the page.
        title: of the panel.
        unit: of its values.
        width: in columns of 24.
        about: what its values are.
        drawing: the chart; None: there is no value, or it is one number.
        value: the number, the name of its colour, and of which day it is.
        labels: the legend.
        summaries: its series in numbers.
        problem: why there is nothing; empty: there is something, or Graphite has nothing.
    """

    id: str
    title: str
    unit: str
    width: int
    about: str
    drawing: Markup | None = None
    value: tuple[str, str, str] | None = None
    labels: Sequence[Label] = ()
    summaries: Sequence[Summary] = ()
    problem: str = ""


@dataclass(frozen=True)
class _Row:
    title: str
    panels: list[Panel]


def show(request: Request) -> Response:
    """Show a dashboard: to a person their own data, to the operator everybody's."""
    viewer = _viewer(request)
    if viewer is None:
        return redirect("/")
    names = [uid.removeprefix("oura-") for uid in boards.UIDS if _may_see(viewer, uid)]
    name = request.path_params.get("name", names[0])
    # What is not theirs is not there: no answer says whether somebody of that name exists.
    chosen = request.query_params.get("person", viewer.sees[0] if viewer.sees else "")
    if name not in names or (chosen not in viewer.sees and viewer.sees):
        return _not_found(request)
    downloads, slots = get_site(request).dashboards, range(_PER_VIEWER)
    slot = next((s for n in slots if downloads.begin(s := f"{viewer.name} {n}")), None)
    if slot is None:
        return _busy(request)
    try:
        return _page(request, viewer, name, names, chosen)
    finally:
        downloads.end(slot)


def _viewer(request: Request) -> Viewer | None:
    accounts = get_site(request).pipeline.accounts
    if is_operator(request):
        everybody = [person.username for person in accounts.people.all()]
        return Viewer(name="", sees=everybody, is_operator=True)
    person = sessions.signed_in(request, accounts)
    if person is None:
        return None
    return Viewer(name=person.username, sees=[person.username], is_operator=False)


def _may_see(viewer: Viewer, uid: str) -> bool:
    return viewer.is_operator or not boards.shows_everybody(boards.read_dashboard(uid))


def _page(
    request: Request, viewer: Viewer, name: str, names: Sequence[str], chosen: str
) -> Response:
    site, board = get_site(request), boards.read_dashboard(f"oura-{name}")
    everybody = boards.shows_everybody(board)
    days = _days(request, board)
    people = viewer.sees[:_MAX_PEOPLE] if everybody else [chosen] * bool(chosen)
    why_not = _why_not(site) or ("" if people else "Nobody has signed in yet.")
    return page(
        request,
        "dashboards.html",
        title=_short(board),
        names=[(one, _short(boards.read_dashboard(f"oura-{one}"))) for one in names],
        name=name,
        chosen=chosen,
        people=[] if everybody or not viewer.is_operator else viewer.sees[:_MAX_NAMES],
        more_people=max(0, len(viewer.sees) - _MAX_PEOPLE) if everybody else 0,
        days=days,
        choices=DAYS,
        rows=[] if why_not else list(_rows(site, board, people, days)),
        why_not=why_not,
    )


def _days(request: Request, board: Json) -> int:
    """Return for how many days: one of the choices, or what the dashboard says."""
    given = request.query_params.get("days", "")
    if given in map(str, DAYS):
        return int(given)
    span = board["time"]["from"].removeprefix("now-")
    return max(1, int(span[:-1]) * boards.SECONDS[span[-1]] // _DAY)


def _why_not(site: Site) -> str:
    graphite = site.settings.graphite
    if not graphite.render_url:
        return "GRAPHITE_RENDER_URL is not set, so the site cannot read what Graphite has."
    if graphite.store is not Store.GRAPHITE:
        return "These pages are drawn from graphite-web; here VictoriaMetrics keeps the points."
    return ""


def _short(board: Json) -> str:
    title = str(board["title"]).removeprefix("Oura: ")
    return title[:1].upper() + title[1:]


def _rows(site: Site, board: Json, people: Sequence[str], days: int) -> Iterator[_Row]:
    """Yield the rows; one that is repeated stands there for each person."""
    # To the minute, as what comes in between would be a point that is not complete.
    end = int(time.time()) // 60 * 60
    start = end - days * _DAY
    shown = [
        (row["title"].replace("$person", names[0]), names, panels)
        for row, panels in boards.rows(board)
        for names in ([[one] for one in people] if "repeat" in row else [people])
    ]
    with (
        httpx.Client(verify=tls(), timeout=_TIMEOUT_SECONDS) as http,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        asked = [
            [pool.submit(_panel, site, http, one, names, (start, end)) for one in panels]
            for _, names, panels in shown
        ]
        for (title, _, _), panels in zip(shown, asked, strict=True):
            yield _Row(title, [one.result() for one in panels])


def _panel(
    site: Site, http: httpx.Client, panel: Json, people: Sequence[str], span: tuple[int, int]
) -> Panel:
    graphite = site.settings.graphite
    start, end = boards.panel_start(panel, *span), span[1]
    frame = Panel(
        id=f"panel-{panel['id']}-{people[0] if people else ''}",
        title=panel["title"],
        unit=boards.unit(panel) if panel["type"] == "timeseries" else "",
        width=panel["gridPos"]["w"],
        about=panel.get("description", ""),
    )
    asked = {
        "target": boards.targets(panel, graphite.prefix, people),
        "from": str(start - 1),  # exclusive
        "until": str(end),
        "maxDataPoints": str(_POINTS),
    }
    try:
        series = boards.ask(http, graphite.render_url, asked)
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        LOG.warning("graphite-web gave no values of a panel: %s", type(error).__name__)
        return replace(frame, problem="Graphite does not answer at the moment.")
    return _filled(frame, panel, series, (start, end))


def _filled(frame: Panel, panel: Json, series: Sequence[Series], span: tuple[int, int]) -> Panel:
    if panel["type"] in ("stat", "gauge"):
        return replace(frame, value=single_value(panel, series))
    known = [one for one in series if one.known]
    if not known:
        return replace(frame, problem="No values in these days.")
    return replace(
        frame,
        drawing=drawn(panel_chart, frame.id, panel, known, *span),
        labels=labels(panel, known),
        summaries=summaries(panel, known),
    )


def _not_found(request: Request) -> Response:
    return message_page(
        request,
        "Page not found",
        "There is no such dashboard, or it is not yours to see.",
        status=404,
    )


def _busy(request: Request) -> Response:
    response = message_page(
        request,
        "Too many dashboards at once",
        "Others are being drawn. Try again in a few seconds.",
        status=503,
        alert=True,
    )
    response.headers["Retry-After"] = "5"
    return response
