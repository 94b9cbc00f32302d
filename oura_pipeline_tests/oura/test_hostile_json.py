"""Answers that are made to keep a reader busy take no longer than their length asks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from oura_pipeline.oura.envelopes import open_envelope

# Each is a megabyte or two: what takes the square of that takes hours.
HOSTILE = {
    "a text that does not end": r"""b'{"data": ["' + rb'\"' * 1_000_000""",
    "texts that do not end": r"""b'{"data": [' + b'"\\' * 1_000_000""",
    "the last key again": r"""b'{"data": [{' + many + b', "k0": 0}]}'""",
    "brackets that do not end": r"""b'{"data": [' + b'[{' * 500_000""",
    "commas": r"""b'{"data": [' + b',' * 1_000_000 + b']}'""",
    "spaces": r"""b'{"data"' + b' ' * 1_000_000 + b'"data"' + b' ' * 1_000_000""",
    "a long number": r"""b'{"data": [{"id": ' + b'9' * 1_000_000 + b'}]}'""",
    "one key in another": r"""b'{"a":' * 300_000 + b'1' + b'}' * 300_000""",
}
READ = """
import sys
from datetime import date
from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.oura.errors import OuraError
from oura_pipeline.oura.pages import PageReader
from oura_pipeline.oura.windows import DateRangeQuery
many = b", ".join(b'"k%d": 0' % number for number in range(150_000))
reader = PageReader(DAILY_SLEEP, wanted=lambda day: True, today=date(2026, 1, 1))
try:
    reader.page(BODY, DateRangeQuery())
except OuraError:
    pass
"""


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_takes_linear_time(kind: str) -> None:
    """And is an error of ours, or documents that cannot be used."""
    code = READ.replace("BODY", HOSTILE[kind])
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_nothing_between_commas_is_told_once() -> None:
    """And takes no document along."""
    opened = open_envelope(b'{"data": [{"id": 1},,,, {"id": 2},]}', "sleep")
    assert opened.data == [b'{"id": 1}', b"", b'{"id": 2}', b""]
