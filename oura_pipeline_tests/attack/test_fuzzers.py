"""Whatever is read from outside is what was promised, or refused in one line."""

from __future__ import annotations

import pytest

from oura_pipeline_tests.attack.effort import seconds_left
from oura_pipeline_tests.attack.fuzzers import FUZZERS
from oura_pipeline_tests.attack.fuzzing import Fuzzer

EXAMPLES = 40


@pytest.mark.parametrize("fuzzer", FUZZERS, ids=lambda fuzzer: fuzzer.name)
def test_hostile_bytes_do_no_harm(fuzzer: Fuzzer) -> None:
    others = len(FUZZERS) - FUZZERS.index(fuzzer)  # and the exports, which come last
    assert fuzzer.run(quick=EXAMPLES, seconds=seconds_left() / (others + 1)) >= EXAMPLES
