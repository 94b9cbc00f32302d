"""`oura-pipeline graphite`."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from time import monotonic, sleep

import httpx

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.commands.sync_run import last_partition
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas
from oura_pipeline.oura.http import tls
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.commands.shell import ONE_DAY, Shell, words
from oura_pipeline_tests.testing.world import world


def test_schemas_are_written_into_the_given_folder(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "carbon"
    result = shell("graphite", "schemas", "--into", str(folder))
    assert result.output.splitlines() == [
        f"Wrote {folder / 'storage-schemas.conf'}",
        f"Wrote {folder / 'storage-aggregation.conf'}",
    ]
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {
        "storage-schemas.conf": storage_schemas("bio"),
        "storage-aggregation.conf": storage_aggregation("bio"),
    }


def test_ingest_without_a_graphite_says_what_to_set(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "graphite.log"
    path.write_text("bio.ada.sleep.score 70 1767225600\n", encoding="utf-8")
    assert "set GRAPHITE_HOST" in shell.refused("graphite", "ingest", str(path))


def test_a_file_of_points_is_ingested_later(
    cloud: Sandbox, graphite: LocalGraphite, empty_home: Path, tmp_path: Path
) -> None:
    """Synced without a Graphite, then sent: every line can be read, a bad one is named."""
    name = "later"
    with world(
        tmp_path / "data", cloud, settings={"GRAPHITE_PREFIX": "bio"}, begun=empty_home
    ) as made:
        shell = Shell(world=made)
        shell.sign_in("runa")
        assert shell("sync", "--last", "5", "--type", "daily_sleep").exit_code == 0
        log = made.home / "graphite.log"
    lines = log.read_text(encoding="utf-8").replace(".runa.", f".{name}.").splitlines()
    log.write_text("\n".join([*lines, "not a point"]) + "\n", encoding="utf-8")
    with world(tmp_path / "data", cloud, graphite=graphite) as made:
        with made.accounts() as accounts:
            accounts.people.add(name, SignIn(refresh_token=name))
        result = Shell(world=made)("graphite", "ingest", str(log))
    assert result.output.splitlines()[:2] == [
        f"Sent {len(lines):,} points to 127.0.0.1:{graphite.line_port}.",
        "1 lines were not sent:",
    ]
    assert result.output.splitlines()[2].startswith(f"  line {len(lines) + 1}: ")
    sent = {(int(seconds), float(value)) for line in lines for _, value, seconds in [line.split()]}
    past = {(at, value) for at, value in sent if at <= datetime.now(UTC).timestamp()}
    assert past
    targets = [f"bio.{name}.sleep.*", f"bio.{name}.sleep.contrib.*"]
    end = monotonic() + 20  # carbon writes when it gets to it
    while not (there := shown(graphite, *targets)) >= past and monotonic() < end:
        sleep(0.1)
    assert there >= past


def shown(graphite: LocalGraphite, *targets: str) -> set[tuple[int, float]]:
    """Time and value of all points that graphite-web shows of the last 20 days."""
    form: dict[str, str | list[str]] = {
        "target": list(targets),
        "from": "-20d",
        "format": "json",
        "noNullPoints": "true",
        "noCache": "true",
    }
    answer = httpx.post(f"{graphite.render_url}/render", data=form, timeout=60, verify=tls())
    return {(at, value) for series in answer.json() for value, at in series["datapoints"]}


def test_replay_sends_again_and_reads_back(
    cloud: Sandbox, graphite: LocalGraphite, empty_home: Path, tmp_path: Path
) -> None:
    """What went to the file counts as pushed; from DuckDB it goes into a Graphite all the same."""
    last = last_partition() - 2 * ONE_DAY
    chosen = ["--from", str(last - ONE_DAY), "--to", str(last), "--type", "daily_sleep"]
    with world(tmp_path / "data", cloud, begun=empty_home) as made:
        shell = Shell(world=made)
        shell.sign_in("koa")
        assert shell("sync", *chosen).exit_code == 0
        with made.accounts() as accounts:
            points = sum(push.points for push in accounts.pushes.find("daily_sleep"))
    with world(tmp_path / "data", cloud, graphite=graphite) as made:
        result = Shell(world=made)("graphite", "replay", *chosen, "--person", "koa")
    assert points > 0
    assert result.output.splitlines() == [
        f"daily_sleep: {points:,} points sent",
        f"{points:,} points read back, twice.",
    ]


def test_replay_refuses_unknown_people_and_reversed_days(graphite_shell: Shell) -> None:
    days = ["--from", "2026-02-01", "--to", "2026-02-02"]
    assert "there is no person 'nemo'" in graphite_shell.refused(
        "graphite", "replay", *days, "--person", "nemo"
    )
    backwards = graphite_shell("graphite", "replay", "--from", "2026-02-02", "--to", "2026-02-01")
    assert backwards.exit_code == 2
    assert "--from 2026-02-02 is after --to 2026-02-01" in backwards.stderr


def test_withdrawn_points_are_listed(shell: Shell) -> None:
    """With their metric, day, number, first and last time."""
    day = last_partition() - 4 * ONE_DAY
    days = ["--from", str(day), "--to", str(day), "--type", "daily_readiness"]
    shell.sign_in("koa")
    assert shell("sync", *days).exit_code == 0
    shell.world.sandbox.delete("koa", "daily_readiness", day=day)
    assert shell("sync", *days).exit_code == 0
    # A console keeps the width that it was made with: too little for this table.
    rows = words(shell.process("graphite", "withdrawn").stdout)
    midnight = f"{datetime.combine(day, time()):%Y-%m-%d %H:%M:%S}".split()
    [score] = [row for row in rows if row and row[0] == "bio.koa.readiness.score"]
    assert score[1:7] == [str(day), "1", *midnight, *midnight]


def test_orphans_shows_how_to_delete_former_people(graphite_shell: Shell) -> None:
    """Graphite knows what it holds; nothing here does, once somebody has left."""
    graphite_shell("sync", "--last", "4", "--type", "daily_sleep")
    before = graphite_shell("graphite", "orphans").stdout.splitlines()
    assert "rm -r <whisper>/bio/koa" not in before
    with graphite_shell.world.accounts() as accounts:
        accounts.removal.delete("koa")
    assert "rm -r <whisper>/bio/koa" in graphite_shell("graphite", "orphans").stdout.splitlines()


def test_orphans_needs_graphite_web(shell: Shell) -> None:
    assert "set GRAPHITE_RENDER_URL" in shell.refused("graphite", "orphans")
