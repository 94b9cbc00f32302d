"""A file of points that is sent later."""

from __future__ import annotations

from pathlib import Path

import pytest
import stamina

from oura_pipeline.graphite.carbon import FileSender, GraphiteUnavailable, PlaintextSender
from oura_pipeline.graphite.ingest import IngestResult, ingest
from oura_pipeline_tests.graphite.day_points import NOW, instant
from oura_pipeline_tests.graphite.fake_carbon import FakeCarbon, fake_carbon, reset_at_once


def sent_to(carbon: FakeCarbon, path: Path) -> IngestResult:
    """Send a file of ada's and ben's points."""
    sender = PlaintextSender("127.0.0.1", carbon.port)
    return ingest(path, sender, prefix="bio", usernames={"ada", "ben"}, now=NOW)


def test_what_was_written_is_sent(tmp_path: Path) -> None:
    """Line by line the same; of two for one time the later one."""
    path = tmp_path / "graphite.log"
    FileSender(path).send([("bio.ada.sleep.score", [(instant(2), 70), (instant(1), 0.1)])])
    FileSender(path).send([("bio.ada.sleep.score", [(instant(2), 71)])])
    with fake_carbon() as carbon:
        result = sent_to(carbon, path)
    assert carbon.received == [
        f"bio.ada.sleep.score 71 {instant(2)}\nbio.ada.sleep.score 0.1 {instant(1)}\n".encode()
    ]
    assert result == IngestResult(points=3, bad=0, examples=())


def test_bad_lines_are_left_out_and_named(tmp_path: Path) -> None:
    """Also those of strangers, and what half a line makes of the next one."""
    good = f"bio.ada.sleep.score 70 {instant(1)}\n"
    path = tmp_path / "graphite.log"
    lines = [
        good,
        "\n",
        f"bio.ada.sleep.score nan {instant(1)}\n",
        f"bio.ada.sleep.score 1 {instant(1)}000\n",
        f"bio..score 1 {instant(1)}\n",
        "bio.ada.größe 1 1\n",
        f"oura.ada.sleep.score 70 {instant(1)}\n",
        f"biology.ada.sleep.score 70 {instant(1)}\n",
        f"bio.eve.sleep.score 70 {instant(1)}\n",
        f"bio.bio.ada.sleep.score 70 {instant(1)}\n",
        f"bio.ada.sleep.scbio.ada.sleep.score 70 {instant(1)}\n",
        f"bio.ada.slbio.gone.hr.bpm 70 {instant(1)}\n",
        good,
        f"bio.ada.sleep.score 70 {instant(1)}"[:-3],
    ]
    path.write_text("".join(lines), encoding="utf-8")
    with fake_carbon() as carbon:
        result = sent_to(carbon, path)
    assert carbon.received == [good.encode()]
    assert result == IngestResult(
        points=2,
        bad=12,
        examples=(
            (2, "not `metric value seconds`"),
            (3, "no finite number"),
            (4, "time in the future"),
            (5, "name that Graphite cannot store"),
            (6, "not `metric value seconds`"),
            (7, "name that does not begin with bio."),
            (8, "name that does not begin with bio."),
            (9, "nobody here has the username eve"),
            (10, "nobody here has the username bio"),
            (11, "two lines run together"),
            (12, "two lines run together"),
            (14, "time beyond the retention"),
        ),
    )


def test_a_carbon_that_goes_away_is_an_error(tmp_path: Path) -> None:
    """The file stays, and can be sent again."""
    path = tmp_path / "graphite.log"
    FileSender(path).send([("bio.ada.sleep.score", [(instant(2), 70)] * 100_000)])
    with (
        stamina.set_testing(True, attempts=1),
        fake_carbon(reset_at_once) as carbon,
        pytest.raises(GraphiteUnavailable),
    ):
        sent_to(carbon, path)
    assert path.exists()
