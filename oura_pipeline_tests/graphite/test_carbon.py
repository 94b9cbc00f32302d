"""The three ways out, against listeners that behave well and badly, and against a real carbon."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import stamina

from oura_pipeline.graphite.carbon import (
    FileSender,
    GraphiteUnavailable,
    PickleSender,
    PlaintextSender,
    Sender,
    UntilItFails,
)
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.push import send
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline_tests.graphite.fake_carbon import (
    close_at_once,
    fake_carbon,
    read_all,
    reset_at_once,
)

FRESH = multiprocessing.get_context("forkserver")
MIDNIGHT = 1_767_225_600  # 2026-01-01
METRICS = [
    ("bio.ada.sleep.score", [(MIDNIGHT, 73), (MIDNIGHT + 86400, 61.5)]),
    ("bio.ada.hr.bpm", [(MIDNIGHT + 60, 1e-05), (MIDNIGHT + 120, 0.1 + 0.2)]),
]
LINES = (
    b"bio.ada.sleep.score 73 1767225600\n"
    b"bio.ada.sleep.score 61.5 1767312000\n"
    b"bio.ada.hr.bpm 1e-05 1767225660\n"
    b"bio.ada.hr.bpm 0.30000000000000004 1767225720\n"
)


def test_plaintext_is_a_line_per_point_with_every_digit() -> None:
    """Metric by metric, floats as exactly as they are."""
    with fake_carbon() as carbon:
        PlaintextSender("127.0.0.1", carbon.port).send(METRICS)
    assert carbon.received == [LINES]


def test_pickle_is_frames_of_plain_numbers_below_half_a_megabyte() -> None:
    """However long the names are."""
    many = [(f"bio.{n:0>90}.{'x' * 90}.{'y' * 90}", [(MIDNIGHT, n)]) for n in range(5000)]
    with fake_carbon() as carbon:
        PickleSender("127.0.0.1", carbon.port).send([*METRICS, *many])
    frames = []
    (data,) = carbon.received
    while data:
        (length,) = struct.unpack("!L", data[:4])
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    assert max(map(len, frames)) <= 500_000
    points = [point for frame in frames for point in pickle.loads(frame)]
    assert points[:4] == [(name, point) for name, some in METRICS for point in some]
    assert points[4:] == [(name, some[0]) for name, some in many]


@pytest.mark.parametrize("kind", [PlaintextSender, PickleSender])
@pytest.mark.parametrize("serve", [reset_at_once, close_at_once])
def test_a_broken_connection_confirms_nothing(kind: type[PlaintextSender], serve: object) -> None:
    """Also where carbon closes politely in the middle."""
    many = [("bio.ada.hr.bpm", [(MIDNIGHT + n, n) for n in range(500_000)])]
    with (
        fake_carbon(serve) as carbon,  # type: ignore[arg-type]
        pytest.raises(GraphiteUnavailable, match=rf"carbon at 127\.0\.0\.1:{carbon.port} did not"),
    ):
        kind("127.0.0.1", carbon.port).send(many)


def test_nobody_there_is_said_in_one_line() -> None:
    """With the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(GraphiteUnavailable) as caught:
        PlaintextSender("127.0.0.1", port).send(METRICS)
    assert str(caught.value) == (
        f"carbon at 127.0.0.1:{port} did not take the points (Connection refused): is it running? "
        "They wait, and are sent when it answers"
    )


def test_a_carbon_that_stands_still_is_not_waited_for_for_ever() -> None:
    """It accepts, and neither reads nor ends."""
    done = threading.Event()

    def stand_still(connection: socket.socket) -> bytes:
        done.wait(30)
        return b""

    with fake_carbon(stand_still) as carbon:
        with pytest.raises(
            GraphiteUnavailable, match=r"within 0\.2 s: it hangs or has too much to do"
        ):
            PlaintextSender("127.0.0.1", carbon.port, timeout=0.2).send(METRICS)
        done.set()


def test_after_one_time_out_nothing_is_tried_any_more() -> None:
    """Everything else of the run fails at once, with the same line."""
    done = threading.Event()

    def hang(connection: socket.socket) -> bytes:
        done.wait(30)
        return b"asked"

    with fake_carbon(hang) as carbon:
        sender = UntilItFails(PlaintextSender("127.0.0.1", carbon.port, timeout=0.2))
        lines = set()
        for _ in range(20):
            with pytest.raises(GraphiteUnavailable) as caught:
                send(sender, METRICS)
            lines.add(str(caught.value))
        done.set()
    assert lines == {
        f"carbon at 127.0.0.1:{carbon.port} did not take the points within 0.2 s: it hangs or has "
        "too much to do. They wait, and are sent when it answers"
    }
    assert carbon.received == [b"asked"]


def test_a_connection_that_breaks_is_tried_again_and_then_left_alone() -> None:
    """Four times; one that works in between counts anew."""
    breaks = iter([True, True, False, *[True] * 99])

    def break_at_times(connection: socket.socket) -> bytes:
        return reset_at_once(connection) if next(breaks) else read_all(connection)

    with stamina.set_testing(True, attempts=4), fake_carbon(break_at_times) as carbon:
        sender = UntilItFails(PlaintextSender("127.0.0.1", carbon.port))
        send(sender, METRICS)
        for _ in range(3):
            with pytest.raises(GraphiteUnavailable, match="is it running"):
                send(sender, METRICS)
    assert len(carbon.received) == 3 + 4


def test_the_file_takes_the_same_lines(tmp_path: Path) -> None:
    """At its end, in a folder that need not exist."""
    path = tmp_path / "data" / "graphite.log"
    sender = FileSender(path)
    sender.send(METRICS)
    sender.send(METRICS[:1])
    assert path.read_bytes() == LINES + LINES[: LINES.index(b"bio.ada.hr")]


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    """And nothing is tried again."""
    (tmp_path / "graphite.log").mkdir()
    with pytest.raises(
        GraphiteUnavailable, match=r"cannot write 148 bytes of points to .*graphite\.log"
    ) as caught:
        FileSender(tmp_path / "graphite.log").send(METRICS)
    assert not caught.value.retryable


def test_points_that_break_off_leave_the_file_as_it_was(tmp_path: Path) -> None:
    """No half lines, no half pushes."""
    path = tmp_path / "graphite.log"
    FileSender(path).send(METRICS)

    def broken() -> object:
        yield "bio.ada.sleep.score", [(MIDNIGHT + n, n) for n in range(10_000)]
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        FileSender(path).send(broken())  # type: ignore[arg-type]
    assert path.read_bytes() == LINES


def _write(path: Path, barrier: Any, number: int) -> None:
    barrier.wait(30)
    for n in range(5):
        FileSender(path).send([(f"bio.p{number}.x.y", [(MIDNIGHT + n, n)] * 20_000)])


def test_processes_do_not_mix_their_lines(tmp_path: Path) -> None:
    """Each push stays in one piece."""
    path = tmp_path / "graphite.log"
    barrier = FRESH.Barrier(3)
    processes = [FRESH.Process(target=_write, args=(path, barrier, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
    lines = path.read_text(encoding="ascii").splitlines()
    pushes = [set(lines[start : start + 20_000]) for start in range(0, len(lines), 20_000)]
    assert len(pushes) == 15
    assert all(len(push) == 1 for push in pushes)


@pytest.mark.parametrize(("kind", "person"), [("line", "exact-line"), ("pickle", "exact-pickle")])
def test_a_real_carbon_stores_exactly_what_was_sent(
    kind: str, person: str, graphite: LocalGraphite, render: RenderClient
) -> None:
    """Every double comes back equal."""
    dice = random.Random(7)
    values = [0.1 + 0.2, 5e-324, -1.7976931348623157e308, 2**53, -0.0, 1 / 3]
    values += [dice.uniform(-1e6, 1e6) for _ in range(994)]
    points = [(MIDNIGHT - 86400 * n, value) for n, value in enumerate(values)][::-1]
    metric = f"bio.{person}.sleep.score"
    sender: Sender = (
        PlaintextSender("127.0.0.1", graphite.line_port)
        if kind == "line"
        else PickleSender("127.0.0.1", graphite.pickle_port)
    )
    sender.send([(metric, points)])
    got: dict[str, dict[int, float]] = {}
    deadline = time.monotonic() + 10
    while len(got.get(metric, ())) < len(points) and time.monotonic() < deadline:
        got = render.values([metric], points[0][0], points[-1][0])
    assert got == {metric: dict(points)}
