"""Hostile bytes: what is kept in `corpus/`, and what Hypothesis makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from oura_pipeline_tests.attack.effort import LONG, TRIED, per_run

CORPUS = Path(__file__).with_name("corpus")
EXAMPLES = Path(__file__).parents[1] / "examples" / "oura"
ROUND = 200  # examples of Hypothesis, between two looks at the clock

# What stands where a number, a text or a list is expected.
VALUES = (
    *(None, True, False, 0, -1, -0.0, 2**31, 2**63, -(2**64), 10**30, 1e308, 5e-324, 255),
    *("", " ", "\0", "\ud800", "a\nb", "\u202e", "é" * 300, "x" * 5000, "=1+1", "../../x", "NaN"),
    *("0000-00-00", "9999-12-31", "0001-01-01", "2026-02-30", "2026-01-01T24:00:00Z", "1" * 400),
    *("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00+99:99"),
    *([], {}, [[]], [None] * 50, {"a": {"b": {"c": []}}}, {"": 1}, {"a.b": 1}, [1e308] * 50),
    *({"interval": 0, "items": [1], "timestamp": "2026-01-01T00:00:00Z"},),
    *({"interval": 1e-9, "items": [1, 2], "timestamp": "2026-01-01T00:00:00Z"},),
    *({"interval": 300, "items": [1, None, "2", -1e308], "timestamp": "9999-12-31T23:59:59Z"},),
)
# Parts of bytes that mean something to one reader or another.
PARTS = (
    *(b"\0", b"\n", b"\r\n", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"{"),
    *(b"[", b"]", b"}", b",", b":", b"[" * 5000, b'{"a":' * 5000, b"9" * 5000, b"1e999", b"NaN"),
    *(b"-", b".", b" ", b"\t", b"Infinity", b'"data":[', b'"\\ud800"', b"bio.", b"nan", b"inf"),
)


@dataclass(frozen=True, kw_only=True)
class Fuzzer:
    """Something that reads what strangers wrote.

    Attributes:
        name: of it, and of its folder in `corpus/`.
        check: reads the bytes, and raises unless it does what it promises; the text says of what.
        seeds: what it is made for, by what it is.
    """

    name: str
    check: Callable[[str, bytes], None]
    seeds: Sequence[tuple[str, bytes]]

    def kept(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was thought of, or found, before: files named `<of what>.<anything>`."""
        for path in sorted((CORPUS / self.name).glob("*")):
            yield path.name.partition(".")[0], path.read_bytes()

    def run(self, *, quick: int, seconds: float = 0.0) -> int:
        """Try everything that is kept, then so many examples, or for so long; return how many."""
        tried = 0

        end = time.monotonic() + seconds

        def check(example: tuple[str, bytes]) -> None:
            nonlocal tried
            if LONG and tried > quick and time.monotonic() > end:
                return  # Hypothesis finishes its round
            tried += 1
            try:
                self.check(*example)
            except Exception:
                self._keep(*example)
                raise

        for example in self.kept():
            check(example)
        for number in range(per_run(1, 1_000_000)):
            _search(check, self._strategy(), examples=per_run(quick, ROUND), number=number)
            if time.monotonic() > end:
                break
        TRIED["examples"] += tried
        return tried

    def _strategy(self) -> st.SearchStrategy[tuple[str, bytes]]:
        seeds = [*self.seeds, *self.kept()]
        names = sorted({name for name, _ in seeds})
        return st.one_of(
            st.builds(_edited_json, st.sampled_from(seeds), st.lists(_CHANGE, max_size=4)),
            st.builds(_edited_bytes, st.sampled_from(seeds), st.lists(_CUT, max_size=4)),
            st.tuples(st.sampled_from(names), st.one_of(st.binary(max_size=200), _JSON_BYTES)),
        )

    def _keep(self, of_what: str, found: bytes) -> None:
        # Hypothesis ends with the smallest one, which takes the place of those before.
        folder = CORPUS / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{of_what}.found").write_bytes(found)


def _search(
    check: Callable[[tuple[str, bytes]], None],
    strategy: st.SearchStrategy[tuple[str, bytes]],
    *,
    examples: int,
    number: int,
) -> None:
    quiet = settings(
        max_examples=examples,
        database=None,  # what is found is kept as a file that people can read
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    seed(number)(quiet(given(strategy)(check)))()


def _edited_json(
    example: tuple[str, bytes], changes: Sequence[tuple[int, Any, bool]]
) -> tuple[str, bytes]:
    """Put other values somewhere into a JSON text; one that is no JSON stays as it is."""
    name, text = example
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return example
    for place, value, doubled in changes:
        document = _replaced(document, place, value, doubled=doubled)
    try:
        return name, json.dumps(document).encode()
    except (ValueError, RecursionError):
        return example


def _replaced(document: Any, place: int, value: Any, *, doubled: bool) -> Any:
    """Return a document with another value at one of its places, counted from its beginning."""
    match document:
        case dict() if document:
            keys = list(document)
            key, rest = keys[place % len(keys)], place // len(keys)
            new = _replaced(document[key], rest, value, doubled=doubled)
            return document | ({f"{key}_2": new} if doubled else {key: new})
        case list() if document:
            index, rest = place % len(document), place // len(document)
            new = _replaced(document[index], rest, value, doubled=doubled)
            kept = document[: index + doubled]
            return [*kept, new, *document[index + 1 :]]
    return value


def _edited_bytes(
    example: tuple[str, bytes], cuts: Sequence[tuple[int, int, bytes]]
) -> tuple[str, bytes]:
    """Cut something out of bytes, or put something into them."""
    name, text = example
    for place, length, part in cuts:
        begin = place % (len(text) + 1)
        text = text[:begin] + part + text[begin + length :]
    return name, text


# A few letters of each kind: tables of all of Unicode would cost every fresh checkout seconds.
_LETTERS = "aZ09_-./\\\"'{}[]:;*?=\0\n\t é\u0131\u202e\ufb00\ud800\U0001d538"
_TEXT = st.lists(st.sampled_from(_LETTERS), max_size=12).map("".join)
_JSON = st.recursive(
    st.one_of(st.sampled_from(VALUES), st.integers(), st.floats(), _TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(_TEXT, inner, max_size=4),
    ),
    max_leaves=8,
)
_JSON_BYTES = _JSON.map(lambda value: json.dumps(value).encode())
_CHANGE = st.tuples(st.integers(0, 2**40), st.one_of(st.sampled_from(VALUES), _JSON), st.booleans())
_CUT = st.tuples(
    st.integers(0, 2**20),
    st.integers(0, 40),
    st.one_of(st.sampled_from(PARTS), st.binary(max_size=8)),
)
