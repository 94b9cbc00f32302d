"""A run in a process of its own that is told to end: by Dagster's UI, or by `dev` that ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import dagster as dg

from oura_pipeline.defs.person_ids import nameless


def test_no_signal_raises_inside_a_step() -> None:
    """Dagster would raise at any byte code. The step ends whole, and the next does not begin."""
    done = []

    @dg.op
    @nameless
    def first() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("first")

    @dg.op(ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
    @nameless
    def second() -> None:
        done.append("second")

    @dg.job
    def job() -> None:
        second(first())

    with dg.DagsterInstance.ephemeral() as instance:
        handler = signal.getsignal(signal.SIGINT)
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        assert signal.getsignal(signal.SIGINT) is handler
    assert not result.success
    assert done == ["first"]


def test_no_signal_raises_inside_a_check_of_several_results() -> None:
    """Between two results Dagster puts its own handlers in place."""
    done = []

    @dg.op(out=dg.DynamicOut(int))
    @nameless
    def several() -> Iterator[dg.DynamicOutput[int]]:
        yield dg.DynamicOutput(1, mapping_key="one")
        os.kill(os.getpid(), signal.SIGINT)
        done.append("whole")
        yield dg.DynamicOutput(2, mapping_key="two")
        done.append("not begun")

    @dg.job
    def job() -> None:
        several()

    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert done == ["whole"]
