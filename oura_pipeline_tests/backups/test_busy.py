"""Backups that are made while documents land and are pushed, people renewed and keys rotated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.backups.backup import back_up
from oura_pipeline.backups.restore import restore
from oura_pipeline.catalog.credentials import SignInRequired
from oura_pipeline.catalog.document_types import WORKOUT
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.graphite.flatten import flatten
from oura_pipeline.graphite.points import digest_of, unpack
from oura_pipeline.ledger import PushState
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.testing.world import World, world

LAST = date(2026, 6, 1)
DAYS = [LAST - timedelta(days=n) for n in (2, 1, 0)]
PEOPLE = ("runa", "koa")
BACKUPS = 6
PAUSE = 0.06  # seconds in which somebody else gets at a lock


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with running(
        SandboxOptions(people=2, days=6, end=LAST + timedelta(days=1), thin=10)
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def busy(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("busy") / "data", cloud) as made:
        for username in PEOPLE:
            made.sign_in(username)
        yield made


@pytest.fixture(scope="module")
def backups(busy: World) -> list[Path]:
    """Backups of a world in which everything goes on all the time."""
    with project_instance() as instance:
        instance.add_dynamic_partitions("noted", ["before"])  # something in Dagster's records
    folders = [busy.home.parent / f"backup {number}" for number in range(BACKUPS)]
    with going_on(sync(busy)), going_on(renew), going_on(rotate), open_pipeline() as pipeline:
        for folder in folders:
            back_up(pipeline, folder, lambda line: None)
    return folders


def sync(busy: World) -> Callable[[Pipeline], None]:
    """A workout comes or goes, is landed and pushed: the numbers of documents always change."""
    added: list[str] = []

    def once(pipeline: Pipeline) -> None:
        for username in PEOPLE:
            if len(added) > 4:
                busy.sandbox.delete(username, "workout", day=LAST)
                added.clear()
            added.append(busy.sandbox.add(username, "workout", day=LAST)["id"])
        people = people_to_fetch(pipeline)
        fetch_and_land(pipeline, WORKOUT, people, first_day=DAYS[0], last_day=LAST, run_id="a run")
        push_documents(pipeline, WORKOUT, PEOPLE, DAYS)

    return once


def renew(pipeline: Pipeline) -> None:
    tokens = pipeline.tokens("koa")
    tokens.renew(tokens.access_token())


def rotate(pipeline: Pipeline) -> None:
    list(pipeline.accounts.keys.rotate())


@contextmanager
def going_on(work: Callable[[Pipeline], None]) -> Iterator[None]:
    """Repeat work in another thread for the length of the block; once at least before it."""
    done, begun = threading.Event(), threading.Event()
    errors: list[Exception] = []

    def body() -> None:
        try:
            with open_pipeline() as pipeline:
                while not done.wait(PAUSE):
                    work(pipeline)
                    begun.set()
        except Exception as error:
            errors.append(error)
            begun.set()

    thread = threading.Thread(target=body)
    thread.start()
    begun.wait(60)
    try:
        yield
    finally:
        done.set()
        thread.join(60)
    assert errors == []


@contextmanager
def restored(folder: Path, cloud: Sandbox, home: Path) -> Iterator[Pipeline]:
    """The pipeline of a backup that was restored into a new data folder."""
    with ExitStack() as stack:
        stack.enter_context(world(home, cloud))
        restore(folder, load_settings(), lambda line: None)
        yield stack.enter_context(open_pipeline())


def documents(pipeline: Pipeline) -> Mapping[tuple[str, date], int]:
    counted = (
        "SELECT username, day, count(*) FROM oura.workout WHERE day BETWEEN ? AND ? GROUP BY ALL"
    )
    rows = pipeline.warehouse.query(counted, [DAYS[0], LAST])
    return {(username, day): many for username, day, many in rows}


def in_the_ledger(pipeline: Pipeline) -> Mapping[tuple[str, date], int]:
    rows = pipeline.accounts.fetches.find("workout", first_day=DAYS[0], last_day=LAST)
    return {(row.username, row.day): row.documents for row in rows if row.documents}


def last_values(pipeline: Pipeline) -> Mapping[tuple[str, int], float]:
    """The value of every point in the file, of which Graphite would keep the last."""
    lines = pipeline.settings.storage.graphite_log_path.read_text(encoding="ascii").splitlines()
    parts = (line.split() for line in lines)
    return {(metric, int(at)): float(value) for metric, value, at in parts}


def digests(pipeline: Pipeline) -> Mapping[tuple[str, date], str]:
    """What the points of the documents are, by username and day."""
    stored = pipeline.warehouse.documents_of(WORKOUT, PEOPLE, DAYS[0], LAST)
    return {
        (username, points.day): points.digest
        for username in PEOPLE
        for points in flatten(
            WORKOUT, username, stored[username], first_day=DAYS[0], last_day=LAST, prefix="bio"
        )
    }


def undelivered(pipeline: Pipeline) -> list[tuple[str, date]]:
    """The days that do not wait, and whose points are not those of the ledger and of the file."""
    values, documents = last_values(pipeline), digests(pipeline)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    waiting = {(day.username, day.day) for day in pipeline.accounts.waiting.due(tomorrow, limit=99)}
    pushes = pipeline.accounts.pushes.find("workout", first_day=DAYS[0], last_day=LAST)
    found = {(push.username, push.day): (push.state, push.digest, push.index) for push in pushes}
    wrong = []
    for key in documents.keys() - waiting:
        state, digest, index = found[key]
        in_file = digest_of(
            (metric, times, [values.get((metric, at), -1) for at in times])
            for metric, times in sorted(unpack(index).items())
        )
        if not (state is PushState.DELIVERED and documents[key] == digest == in_file):
            wrong.append(key)
    return wrong


def test_documents_ledgers_and_points_agree(
    backups: list[Path], cloud: Sandbox, tmp_path: Path
) -> None:
    """At whatever moment a backup was made; and what was to be pushed then is pushed afterwards."""
    for number, folder in enumerate(backups):
        with restored(folder, cloud, tmp_path / f"data {number}") as pipeline:
            assert documents(pipeline) == in_the_ledger(pipeline) != {}
            assert undelivered(pipeline) == []
            push_documents(pipeline, WORKOUT, PEOPLE, DAYS)
            assert pipeline.accounts.waiting.count().days == 0
            assert undelivered(pipeline) == []


@pytest.mark.parametrize("under_way", ["landing", "a change of keys"])
def test_a_backup_waits_for_what_belongs_together(
    under_way: str, busy: World, tmp_path: Path
) -> None:
    """For documents that are not in the ledger yet, and for keys of which the old one must go."""
    said: list[str] = []
    with open_pipeline() as pipeline, open_pipeline() as other:
        thread = threading.Thread(
            target=back_up, args=(other, tmp_path / "backup", said.append), daemon=True
        )
        if under_way == "landing":
            with pipeline.landing(WORKOUT):
                thread.start()
                thread.join(0.5)
                assert said[1:] == ["waiting until nothing is landing"]
        else:
            for _ in pipeline.accounts.keys.rotate():
                if not said:
                    thread.start()
                    thread.join(0.5)
                assert said[1:] == ["waiting until nothing is landing"]
        thread.join(60)
    assert (tmp_path / "backup").is_dir()


def test_dagsters_records_are_there(backups: list[Path], cloud: Sandbox, tmp_path: Path) -> None:
    with restored(backups[0], cloud, tmp_path / "data"), project_instance() as instance:
        assert instance.get_dynamic_partitions("noted") == ["before"]


def test_who_was_renewed_since_must_sign_in_again(
    busy: World, cloud: Sandbox, tmp_path: Path
) -> None:
    """Everybody else goes on, also after the access token has run out."""
    with open_pipeline() as pipeline:
        back_up(pipeline, tmp_path / "backup", lambda line: None)
        renew(pipeline)
    with restored(tmp_path / "backup", cloud, tmp_path / "data") as pipeline:
        with pytest.raises(SignInRequired, match="must sign in again"):
            renew(pipeline)
        tokens = pipeline.tokens("runa")
        tokens.renew(tokens.access_token())
        states = {person.username: person.state for person in pipeline.accounts.people.all()}
    assert states == {"koa": PersonState.SIGN_IN_REQUIRED, "runa": PersonState.CONNECTED}
