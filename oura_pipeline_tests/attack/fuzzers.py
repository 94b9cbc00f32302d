"""THE TABLE of fuzzers: everything that reads what Oura, people, files or strangers wrote."""

from __future__ import annotations

import json
import pickle
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import stamina

from oura_pipeline.accounts.errors import ImportRefused, PersonRefused
from oura_pipeline.accounts.go_replicator import read_user_creds
from oura_pipeline.accounts.usernames import (
    check_username,
    is_id,
    suggested_username,
    username_problem,
)
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DAILY_SLEEP, DOCUMENT_TYPES
from oura_pipeline.catalog.parts import StoredDocument
from oura_pipeline.exports.views import child_path
from oura_pipeline.graphite.carbon import FileSender, GraphiteUnavailable
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.graphite.ingest import ingest
from oura_pipeline.graphite.metric_names import child_names
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.graphite.validate import PointValidator, drop_invalid, is_name
from oura_pipeline.member_export.archive import open_archive
from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline.member_export.sources import find_sources, read_batches
from oura_pipeline.member_export.zones import Zones
from oura_pipeline.oura.http import OuraResponse
from oura_pipeline.oura.oauth import OAuth
from oura_pipeline.oura.pages import PageReader
from oura_pipeline.oura.responses import TokenRefused, TooManyRequests, check, retry_after
from oura_pipeline.oura.subscriptions import Subscriptions
from oura_pipeline.oura.webhooks import DeliveryRefused, parse_event, signature, verify_delivery
from oura_pipeline.oura.windows import DateRangeQuery
from oura_pipeline_tests.attack.fuzzing import EXAMPLES, Fuzzer
from oura_pipeline_tests.member_export.archives import EXAMPLE, files_below, write_zip

TODAY = date(2026, 3, 10)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TYPES = {document_type.name: document_type for document_type in DOCUMENT_TYPES}
SECRET = "the-secret-of-our-client"
USERNAMES = {"ada", "ben"}
LINE = re.compile(rb"bio\.(ada|ben)\.[A-Za-z0-9_.-]+ -?[0-9.e+-]+ [0-9]+\n")


@cache
def documents() -> Sequence[tuple[str, bytes]]:
    """Oura's own examples, a document each, by its type."""
    found = []
    for path in sorted(EXAMPLES.glob("*.json")):
        parts = path.stem.removeprefix("western.").removeprefix("sandbox.").split(".")
        if parts[0] in TYPES:
            body = json.loads(path.read_text(encoding="utf-8"))
            rows = body["data"] if isinstance(body, dict) and "data" in body else [body]
            found += [(parts[0], json.dumps(row).encode()) for row in rows[:2]]
    return found


def one_line(text: str) -> bool:
    """Whether a message can be shown and logged as it is."""
    return text.isprintable() and len(text) < 2000 and SECRET not in text


def tried(call: Callable[[], Any], *errors: type[Exception]) -> tuple[Any, Exception | None]:
    """Return what a call returns, or the error that it may raise; any other one is a finding."""
    try:
        return call(), None
    except errors as error:
        return None, error


def check_flattening(of_what: str, raw: bytes) -> None:
    """Whatever a document is: good names, times and numbers are sent, and the person's own."""
    days = flatten(
        TYPES[of_what], "ada", [StoredDocument(TODAY, raw)], first_day=TODAY, last_day=TODAY
    )
    validator = PointValidator(NOW)
    for day in days:
        valid, _ = drop_invalid(day, validator)
        for metric, points in valid.points.items():
            assert is_name(metric)
            assert metric.startswith("bio.ada.")
            assert all(validator.problem(*point) is None for point in points)


def check_page(of_what: str, body: bytes) -> None:
    """A page is documents of the body, each with a day, or an error of ours."""
    reader = PageReader(TYPES[of_what], wanted=lambda day: True, today=TODAY)
    for read in (lambda: reader.page(body, DateRangeQuery())[0], lambda: reader.single(body)):
        page, error = tried(read, OuraError)
        if error is not None:
            assert one_line(str(error))
            continue
        for one in (*page.documents, *page.outside, *page.unusable):
            assert one.raw in body
        for document in (*page.documents, *page.outside):
            assert isinstance(json.loads(document.raw), dict)
        assert all(one_line(unusable.reason) for unusable in page.unusable)


def check_answer(of_what: str, body: bytes) -> None:
    """Whatever Oura answers, to whatever, is an answer or an error of one line without secrets."""
    said = body[:200].strip()
    headers = httpx.Headers([(b"Retry-After", said), (b"WWW-Authenticate", said)])
    pause = retry_after(headers)
    assert pause is None or pause >= 0
    for status in (200, 400, 401, 403, 404, 418, 422, 426, 429, 500):
        answer = OuraResponse(status, headers, body)
        ask = partial(check, answer, document_type=DAILY_SLEEP, secrets=(SECRET,))
        said, error = tried(ask, OuraError, TokenRefused, TooManyRequests)
        assert said == body if error is None else one_line(str(error))
        check_tokens(status, body)


def check_tokens(status: int, body: bytes) -> None:
    """Tokens and subscriptions that Oura gives can be used, or there are none."""
    answer = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    with httpx.Client(transport=answer) as http:
        urls = ["https://a.test/oauth/token"]
        oauth = OAuth(http, token_urls=urls, client_id="our-id", client_secret=SECRET)
        known = {"api_url": "https://a.test", "client_id": "our-id", "client_secret": SECRET}
        asked: tuple[Callable[[], Any], ...] = (
            lambda: oauth.renew("r0"),
            lambda: oauth.exchange("code"),
            lambda: oauth.revoke("a0", "r0", urls[0]),
            lambda: Subscriptions(http, **known).list(),
        )
        for ask in asked:
            with stamina.set_testing(True, attempts=1):
                _, error = tried(ask, OuraError)
            assert error is None or one_line(str(error))


def check_render(of_what: str, body: bytes) -> None:
    """Whatever stands where graphite-web should: values, or an error of ours; nothing is run."""
    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    with httpx.Client(transport=answer) as http:
        render = RenderClient(http, "https://graphite.test")
        asked: tuple[Callable[[], Any], ...] = (
            lambda: render.stored_series(["bio.ada.sleep.score"], 0, 60),
            lambda: render.values(["bio.ada.sleep.score"], 0, 60),
            lambda: child_names(http, "https://graphite.test", "bio"),
        )
        for ask in asked:
            _, error = tried(ask, GraphiteUnavailable)
            assert error is None or one_line(str(error))


def check_delivery(of_what: str, body: bytes) -> None:
    """Only what Oura signed, now, is believed; an event has printable ids or is refused."""
    stamp = str(int(NOW.timestamp() * 1000))
    good = signature(SECRET, stamp, body)
    verify_delivery(SECRET, timestamp=stamp, signature=good, body=body, now=NOW)
    text = body.decode("latin-1")
    forged = [
        (text, good, body, SECRET),
        (stamp, text, body, SECRET),
        (stamp, good, body + b"\0", SECRET),
        (stamp, good, body[:-1] if body else b"\0", SECRET),
        (stamp, good, body, ""),
        (stamp, signature("", stamp, body), body, SECRET),
    ]
    for timestamp, signed, content, secret in forged:
        given = {"timestamp": timestamp, "signature": signed, "body": content, "now": NOW}
        _, refused = tried(partial(verify_delivery, secret, **given), DeliveryRefused)
        assert refused is not None, given
        assert one_line(str(refused))
    event, refused = tried(partial(parse_event, body), DeliveryRefused)
    if refused is None:
        assert all(one_line(text) and text for text in asdict(event).values())
    else:
        assert one_line(str(refused))


def check_name(of_what: str, raw: bytes) -> None:
    """A username is a name in Graphite and of a folder, and nobody's id; all else says why not."""
    text = raw.decode("utf-8", "replace")
    usable = re.fullmatch(r"[a-z][a-z0-9_-]{2,31}", text) is not None and not is_id(text)
    _, refused = tried(partial(check_username, text), PersonRefused)
    assert (refused is None) == (username_problem(text) is None) == usable
    assert str(refused or "").isprintable()
    for name in filter(None, (text if usable else None, suggested_username(text))):
        assert is_name(f"bio.{name}")
        assert child_path(Path("/srv/exports"), name) == Path("/srv/exports") / name


def check_import(of_what: str, raw: bytes) -> None:
    """A file of people is people, or one line that says what to do."""
    with _file(raw) as path:
        entries, refused = tried(partial(read_user_creds, path), ImportRefused)
    if refused is not None:
        assert one_line(str(refused))
        return
    for entry in entries.values():
        assert entry.refresh_token.isprintable()
        assert entry.expires_at is None or entry.expires_at.tzinfo is not None


def check_ingest(of_what: str, raw: bytes) -> None:
    """What is sent of a file of points are whole lines of people who are here."""
    with _file(raw) as path:
        sent = path.with_name("sent")
        result = ingest(path, FileSender(sent), prefix="bio", usernames=USERNAMES, now=NOW)
        lines = sent.read_bytes().splitlines(keepends=True) if sent.exists() else []
    assert all(LINE.fullmatch(line) and line.count(b"bio.") == 1 for line in lines)
    assert all(one_line(why) for _, why in result.examples)
    assert len(lines) <= result.points
    assert bool(lines) == bool(result.points)


@contextmanager
def _file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        yield path


def _pages() -> list[tuple[str, bytes]]:
    page = b'{"data": [%s, %s], "next_token": null}'
    return [(name, page % (raw, raw)) for name, raw in documents()]


_TOKENS = {"access_token": "a1", "refresh_token": "r1", "expires_in": 86400, "scope": "daily"}
_ERROR = {"status": 401, "title": "Unauthorized", "detail": f"{SECRET} needs scope daily"}
_SUBSCRIPTION = {
    "id": "s-1",
    "callback_url": "https://rings.example/webhook",
    "event_type": "update",
    "data_type": "daily_sleep",
    "expiration_time": "2026-06-10T12:00:00.000000",
}
_EVENT = {
    "event_type": "update",
    "data_type": "daily_sleep",
    "object_id": "object-7f3a",
    "event_time": "2026-03-10T11:59:30+00:00",
    "user_id": "id-ada",
}
_CREDENTIALS = {
    "ada": {
        "PI": {"id": "id-ada", "email": "ada@example.org"},
        "OauthToken": {
            "access_token": "a",
            "refresh_token": "r",
            "token_type": "Bearer",
            "expiry": "2026-01-31T12:00:00Z",
        },
    }
}
_SERIES = {"name": "bio.ada.sleep.score", "start": 0, "step": 60, "values": [81.5, None]}
_RENDERED = [{"target": "bio.ada.sleep.score", "datapoints": [[81.5, 60], [None, 120]]}]
_POINTS = b"bio.ada.sleep.score 81 1773100800\nbio.ben.hr.bpm 61.5 1773100860\n"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def check_member_export(of_what: str, content: bytes) -> None:
    """An archive, or a table in one: read to its end, or refused in one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.zip"
        if of_what == "archive":
            path.write_bytes(content)
        else:
            write_zip(path, {f"App Data/{of_what}.csv": content})
        documents, error = tried(lambda: list(exported_documents(path)), ExportRefused)
    assert error is None or one_line(str(error))
    for raw in documents or ():
        assert isinstance(json.loads(raw), dict)


def exported_documents(path: Path) -> Iterator[bytes]:
    """Every document of an export that the landing would be given."""
    with open_archive(path) as archive:
        for source in find_sources(archive).sources:
            reader = PageReader(source.kind.document_type, wanted=lambda day: True, today=TODAY)
            for batch in read_batches(source, Zones([(NOW, 3600)])):
                body = b'{"data":[' + b",".join(batch.documents) + b"]}"
                page, _ = reader.page(body, DateRangeQuery())
                yield from (document.raw for document in page.documents)


@cache
def member_exports() -> Sequence[tuple[str, bytes]]:
    """The tables of the made-up example, and an archive of some of them."""
    tables = files_below(EXAMPLE / "App Data")
    with tempfile.TemporaryDirectory() as folder:
        small = {name: text for name, text in tables.items() if len(text) < 300}
        archive = write_zip(Path(folder) / "data.zip", small).read_bytes()
    return [("archive", archive)] + [
        (name.removesuffix(".csv"), text) for name, text in tables.items() if len(text) < 2000
    ]


FUZZERS = (
    Fuzzer(name="flatten", check=check_flattening, seeds=documents()),
    Fuzzer(name="pages", check=check_page, seeds=_pages()),
    Fuzzer(
        name="answers",
        check=check_answer,
        seeds=[("any", _json(one)) for one in (_TOKENS, _ERROR, [_SUBSCRIPTION], {"error": "x"})],
    ),
    Fuzzer(
        name="renders",
        check=check_render,
        seeds=[
            ("any", pickle.dumps([_SERIES])),
            ("any", pickle.dumps([_SERIES], protocol=2)),
            ("any", _json(_RENDERED)),
            ("any", _json([{"text": "ada", "leaf": 0}])),
        ],
    ),
    Fuzzer(name="deliveries", check=check_delivery, seeds=[("any", _json(_EVENT))]),
    Fuzzer(
        name="usernames",
        check=check_name,
        seeds=[("any", name.encode()) for name in ("ada", "Ada Lovelace", "p-7f3k2m", "ada_l-2")],
    ),
    Fuzzer(name="imports", check=check_import, seeds=[("any", _json(_CREDENTIALS))]),
    Fuzzer(name="ingest", check=check_ingest, seeds=[("any", _POINTS)]),
    Fuzzer(name="member_exports", check=check_member_export, seeds=member_exports()),
)
