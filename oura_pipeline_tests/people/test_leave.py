"""Whoever leaves is gone from every byte of the data folder, and nobody else loses anything."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.people.leave import (
    Deleted,
    Revocation,
    delete_everything,
    disconnect,
    leave,
    revoke,
    whisper_paths,
)
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.leavers import (
    AT_OURA,
    FIRST,
    LAST,
    ODD,
    OTHER,
    ROWS,
    WORD,
    Traces,
    copied,
    populate,
    records,
    sign_in,
    tables_naming,
)
from oura_pipeline_tests.testing.world import World, world

STEPS = 6


class Stopped(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    with running(SandboxOptions(people=3, days=8, end=LAST, thin=10)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def populated(
    cloud: Sandbox, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A data folder in which everybody left traces, and what they are."""
    home = tmp_path_factory.mktemp("populated") / "data"
    with world(home, cloud, begun=empty_home) as made:
        return {"home": home, "traces": populate(made)}


@pytest.fixture
def household(populated: dict[str, Any], cloud: Sandbox, tmp_path: Path) -> Iterator[World]:
    """A copy of it."""
    with copied(populated["home"], tmp_path / "data", cloud) as made:
        yield made
    cloud.clear_faults()


@pytest.fixture
def theirs(populated: dict[str, Any]) -> dict[str, Traces]:
    return dict(populated["traces"])


def delete(username: str) -> Deleted:
    with open_pipeline() as pipeline:
        return delete_everything(pipeline, username)


def ledgers(made: World, username: str) -> dict[str, Any]:
    with made.accounts() as accounts:
        return {
            "person": accounts.people.get(username),
            "fetches": accounts.fetches.find(usernames=[username]),
            "pushes": [
                accounts.pushes.find(document_type.name, usernames=[username])
                for document_type in ROWS
            ],
            "offsets": made.warehouse.offsets(username),
        }


def lines_of(made: World, username: str) -> list[list[bytes]]:
    """Somebody's lines in the file of points and in what it was rotated to."""
    files = [(made.home / f"graphite.log{end}").read_bytes() for end in ("", ".1")]
    files.append(gzip.decompress((made.home / "graphite.log.2.gz").read_bytes()))
    start = f"bio.{username}.".encode()
    return [[line for line in file.splitlines() if line.startswith(start)] for file in files]


def documents_of(made: World, username: str) -> dict[str, Any]:
    return {document_type.name: made.landed(username, document_type) for document_type in ROWS}


def test_everybody_left_traces_everywhere(household: World, theirs: dict[str, Traces]) -> None:
    """What is to be deleted is there: the other tests would pass without it."""
    for username in AT_OURA:
        files = {line.split(":")[0] for line in theirs[username].found_in(household.home)}
        places = {name.split("/")[0] for name in files}
        assert {"accounts.sqlite", "analytics.duckdb", "warehouse.duckdb"} <= places
        assert {"exports", "graphite.log", "graphite.log.1", "graphite.log.2.gz"} <= places
        assert "spool" in places


def test_dagster_knows_them_by_id_only(household: World, theirs: dict[str, Traces]) -> None:
    """In runs, failures, checks and keys, before anybody leaves."""
    dagster = household.home / "dagster"
    assert theirs[ODD].found_in(dagster) == []
    [odd] = household.ids(ODD)
    known = replace(theirs[ODD], username=odd).found_in(dagster)
    files = {line.split(":")[0] for line in known}
    # SQLite's log of a shard, which is there or not, belongs to the shard.
    shards = {name.partition(".db")[0] for name in files if name.startswith("history/runs/")}
    assert "history/runs.db" in files
    # Of what the index has, a run's own shard has the end only.
    assert shards > {"history/runs/index"}


def test_no_byte_stays_of_who_left(household: World, theirs: dict[str, Traces]) -> None:
    """Not in a database, a log, a free page, a packed file or the name of a file."""
    rows = len(documents_of(household, ODD)["sleep"])
    assert rows > 0
    deleted = delete(ODD)
    assert theirs[ODD].found_in(household.home) == []
    for name in ("warehouse.duckdb", "analytics.duckdb"):
        texts = {ODD, theirs[ODD].oura_id, *theirs[ODD].documents}
        assert tables_naming(household.home / name, texts) == []
    assert deleted.published
    assert (deleted.rows > 0, deleted.lines > 0) == (True, True)
    assert deleted.files == 3
    kept = sorted(path.name for path in (household.home / "exports").iterdir())
    assert kept == sorted((WORD, OTHER)), "the folders of the others"
    with open_pipeline() as pipeline, pytest.raises(UnknownPerson):
        delete_everything(pipeline, ODD)


def test_nobody_else_loses_anything(household: World) -> None:
    """Documents, ledgers, points, the published copy, and what Dagster shows as status."""
    others = (WORD, OTHER)
    with project_instance() as instance:
        recorded = records(instance)
    before = {name: (ledgers(household, name), lines_of(household, name)) for name in others}
    delete(ODD)
    for username in others:
        assert (ledgers(household, username), lines_of(household, username)) == before[username]
        for document_type in ROWS:
            expected = household.sandbox.truth(AT_OURA[username], document_type.name, FIRST, LAST)
            landed = [document for _, document in household.landed(username, document_type)]
            if document_type.partitioned:
                assert sorted(map(json.dumps, landed)) == sorted(
                    json.dumps(entry["document"]) for entry in expected
                )
    assert household.warehouse.usernames() == sorted(others)
    counted = "SELECT username, count(*) FROM oura.sleep GROUP BY ALL ORDER BY ALL"
    copy = type(household.warehouse)(household.home / "analytics.duckdb")
    assert copy.query(counted) == household.warehouse.query(counted)
    with project_instance() as instance:
        assert records(instance) == recorded


def test_somebody_called_like_an_asset_takes_no_asset_along(household: World) -> None:
    """`sleep` leaves; what Dagster calls `sleep` stays what it is."""
    odd, word, other = household.ids(ODD, WORD, OTHER)
    with project_instance() as instance:
        recorded = records(instance)
        delete(WORD)
        assert records(instance) == recorded
        runs: Any = instance.get_runs()
        configured = [run.run_config["resources"]["pipeline"]["config"]["people"] for run in runs]
    assert sorted(configured) == sorted([[], [], [odd], [word], sorted([odd, word, other])])
    assert household.warehouse.usernames() == [OTHER, ODD]
    assert lines_of(household, WORD) == [[], [], []]
    assert all(lines_of(household, OTHER))


@pytest.mark.parametrize("step", range(STEPS))
def test_whatever_was_done_before_a_crash_a_second_time_ends_it(
    step: int, household: World, theirs: dict[str, Traces]
) -> None:
    """After each step the process may end; whoever is still here is deleted the next time."""
    done: list[str] = []

    def stop(said: str) -> None:
        done.append(said)
        if len(done) > step:
            raise Stopped

    with open_pipeline() as pipeline, pytest.raises(Stopped):
        delete_everything(pipeline, ODD, stop)
    with household.accounts() as accounts:
        waiting = [p.username for p in accounts.people.all([PersonState.RETIRED])]
    assert waiting == ([] if step == STEPS - 1 else [ODD])
    if waiting:
        delete(ODD)
    assert theirs[ODD].found_in(household.home) == []
    assert household.warehouse.usernames() == sorted((WORD, OTHER))


def test_a_killed_process_leaves_nothing_that_the_next_one_does_not_find(
    household: World, theirs: dict[str, Traces]
) -> None:
    """Killed when the warehouse is written anew, with half-written files left behind."""
    code = (
        "import os, signal\n"
        "from oura_pipeline.people.leave import delete_everything\n"
        "from oura_pipeline.pipeline import open_pipeline\n"
        "def die(step):\n"
        "    'points' in step and os.kill(os.getpid(), signal.SIGKILL)\n"
        "with open_pipeline() as pipeline:\n"
        f"    delete_everything(pipeline, {ODD!r}, die)\n"
    )
    died = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    for name in (".warehouse.duckdb.new", ".analytics.duckdb.new", ".graphite.log.new"):
        (household.home / name).write_text(f"half of {ODD}", encoding="utf-8")
    delete(ODD)
    assert theirs[ODD].found_in(household.home) == []


def test_oura_hears_of_it(household: World) -> None:
    """Disconnecting revokes: the tokens are refused at Oura and gone here; the data stays."""
    cloud = household.sandbox
    tokens = sign_in(household, OTHER)
    cloud.reset_requests()
    before = documents_of(household, OTHER)
    with open_pipeline() as pipeline:
        assert disconnect(pipeline, OTHER) == Revocation(done=True)
        assert pipeline.accounts.removal.to_revoke() == []
        assert pipeline.accounts.people.get(OTHER).state is PersonState.DISCONNECTED
    assert cloud.requests()["revoke"] == {AT_OURA[OTHER]: 1}
    for token in tokens:
        answer = cloud.http.get(
            "/v2/usercollection/personal_info", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 401
    assert documents_of(household, OTHER) == before


@pytest.mark.parametrize("portal", ["legacy", "new"])
def test_the_portal_that_issued_the_tokens_hears_of_it(
    cloud: Sandbox, tmp_path: Path, portal: str
) -> None:
    """Whichever the application belongs to; the other one would refuse it."""
    cloud.change_options(portal=portal)
    try:
        with world(tmp_path / "data", cloud) as made:
            tokens = sign_in(made, OTHER)
            with open_pipeline() as pipeline:
                assert disconnect(pipeline, OTHER) == Revocation(done=True)
    finally:
        cloud.change_options(portal="both")
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        answer = cloud.http.get("/v2/usercollection/personal_info", headers=headers)
        assert answer.status_code == 401


def test_oura_being_away_is_said_and_made_up_for(household: World) -> None:
    """They are disconnected at once; what Oura did not hear it hears the next time."""
    cloud = household.sandbox
    sign_in(household, OTHER)
    cloud.fault("error", route="revoke", count=100)
    with open_pipeline() as pipeline:
        told = disconnect(pipeline, OTHER)
        assert (told.done, bool(told.reason)) == (False, True)
        assert pipeline.accounts.removal.to_revoke() == [OTHER]
        cloud.clear_faults()
        cloud.reset_requests()
        assert revoke(pipeline, OTHER) == Revocation(done=True)
    assert cloud.requests()["revoke"] == {AT_OURA[OTHER]: 1}


def test_oura_being_away_does_not_keep_their_data(
    household: World, theirs: dict[str, Traces]
) -> None:
    """Everything goes, and the result says that Oura could not be told."""
    tokens = sign_in(household, ODD)
    household.sandbox.fault("error", route="revoke", count=100)
    deleted = delete(ODD)
    assert not deleted.revocation.done
    assert theirs[ODD].found_in(household.home) == []
    assert not any(token in deleted.revocation.reason for token in tokens)


def test_who_left_is_asked_for_nothing_and_cannot_stay_half(household: World) -> None:
    """Leaving is a state at once; the rest is the job's."""
    with open_pipeline() as pipeline:
        leave(pipeline, OTHER)
        assert pipeline.accounts.people.get(OTHER).state is PersonState.RETIRED
        with pytest.raises(PersonRefused):
            disconnect(pipeline, OTHER)


def test_a_link_in_the_place_of_their_folder_is_not_followed(
    household: World, tmp_path: Path
) -> None:
    """Somebody pointed it elsewhere: that is said, and they are not gone until it is put right."""
    folder = household.home / "exports" / ODD
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(OSError, match="is a symbolic link: delete it and their files behind it"):
        delete(ODD)
    assert len(list(elsewhere.iterdir())) == 3
    folder.unlink()
    assert delete(ODD).files == 0


def test_the_folder_of_whisper_is_named_to_the_letter(
    household: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command, as whoever runs the Graphite types it; a prefix may have dots."""
    with open_pipeline() as pipeline:
        holds = whisper_paths(pipeline, ODD)
    assert (holds.metrics, holds.folder) == ("bio.zebulon-q", "bio/zebulon-q/")
    assert holds.delete == "rm -r <whisper>/bio/zebulon-q"
    assert holds.delete in holds.lines[-1]
    monkeypatch.setenv("GRAPHITE_PREFIX", "home.bio")
    with open_pipeline() as pipeline:
        assert whisper_paths(pipeline, ODD).delete == "rm -r <whisper>/home/bio/zebulon-q"


def test_nothing_was_ever_fetched_of_them(cloud: Sandbox, tmp_path: Path) -> None:
    """Neither a warehouse nor a log: nothing to delete, and nothing is made."""
    with world(tmp_path / "data", cloud) as made:
        tokens = sign_in(made, ODD)
        with open_pipeline() as pipeline:
            deleted = delete_everything(pipeline, ODD, lambda username: 0)
        assert (deleted.rows, deleted.published, deleted.lines) == (0, False, 0)
        assert not (made.home / "warehouse.duckdb").exists()
        said = [path for path in made.home.rglob("*") if ODD.encode() in path.name.encode()]
        assert said == []
        [oura_id] = [p["id"] for p in cloud.people() if p["username"] == AT_OURA[ODD]]
        kept = (made.home / "accounts.sqlite").read_bytes()
        assert [text for text in (ODD, oura_id, *tokens) if text.encode() in kept] == []
