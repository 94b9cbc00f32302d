"""Whatever is read from outside is what was promised, or refused in one line."""

from __future__ import annotations

import pytest

from oura_pipeline_tests.attack.fuzzers import FUZZERS
from oura_pipeline_tests.attack.fuzzing import Fuzzer

QUICK_EXAMPLES, LONG_SECONDS = 40, 25.0


@pytest.mark.parametrize("fuzzer", FUZZERS, ids=lambda fuzzer: fuzzer.name)
def test_hostile_bytes_do_no_harm(fuzzer: Fuzzer) -> None:
    assert fuzzer.run(quick=QUICK_EXAMPLES, seconds=LONG_SECONDS) >= QUICK_EXAMPLES
