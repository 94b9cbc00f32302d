"""Read values back from VictoriaMetrics, which takes carbon's lines, and delete a person there."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

import httpx
import msgspec

from oura_pipeline.graphite.carbon import GraphiteUnavailable, retrying
from oura_pipeline.graphite.readback.render import RenderClient, StoredSeries, Values
from oura_pipeline.process import interrupts

# It keeps the 12 to 15 digits that all values of a block have in common; a double can have 17.
_DIGITS = 1e-9
_UNTIL_SEARCHABLE_SECONDS = 6.0  # new names take the longest: 4.4 s were seen


class _Line(msgspec.Struct):
    """One series, in answer to an export: milliseconds, in order."""

    metric: dict[str, str]
    values: list[float | None]
    timestamps: list[int]


_LINE = msgspec.json.Decoder(_Line)


class VictoriaClient(RenderClient):
    """A client of VictoriaMetrics' own API; it has no `/render`."""

    whisper = False
    settle_seconds = (12.0, 30.0)  # 10 s were seen on a busy machine
    # What was taken is in memory for up to five seconds; only a later reading is of the disk.
    pause_seconds = 6.0

    def __init__(self, http: httpx.Client, url: str) -> None:
        """Prepare; `url` is the address of VictoriaMetrics, without a path."""
        super().__init__(http, url)
        self._api = f"{url.rstrip('/')}/api/v1"

    def values(self, metrics: Sequence[str], first: int, last: int) -> dict[str, Values]:
        """Return the values of each metric from `first` to `last`, both included, UTC seconds.

        Of several at one time the last one counts, as for who looks at them.

        Raises:
            GraphiteUnavailable: VictoriaMetrics does not answer, or something else answers.
        """
        # As texts in JSON: names of the Graphite kind are no names in its query language.
        match = [f"{{__name__={json.dumps(metric)}}}" for metric in metrics]
        answer = self._answer("export", {"match[]": match, "start": str(first), "end": str(last)})
        found: dict[str, Values] = {}
        for line in answer.content.splitlines():
            series = self._decoded(line)
            times = [time // 1000 for time in series.timestamps]
            values = dict(zip(times, series.values, strict=True))
            found.setdefault(series.metric["__name__"], {}).update(
                {time: value for time, value in values.items() if value is not None}
            )
        return found

    def stored_series(
        self, metrics: Sequence[str], first: int, last: int
    ) -> dict[str, StoredSeries]:
        """Return nothing: it has no intervals, and not all digits, so that no digest is right."""
        return {}

    def holds(self, stored: float | None, value: float) -> bool:
        """Return whether a value that was read is the one that was sent, as far as it is kept."""
        return stored is not None and math.isclose(stored, value, rel_tol=_DIGITS)

    def delete(self, metrics: str) -> None:
        """Delete every series whose name begins with this and a dot; nobody sends more of them.

        Raises:
            GraphiteUnavailable: VictoriaMetrics does not answer, or has some of them still.
        """
        match = {"match[]": f"{{__name__=~{json.dumps(re.escape(metrics) + '[.].+')}}}"}
        self._answer("admin/tsdb/delete_series", match)
        # What was sent a moment ago cannot be found, and so not be deleted, for some seconds.
        interrupts.sleep(_UNTIL_SEARCHABLE_SECONDS)
        self._answer("admin/tsdb/delete_series", match)
        if self._answer("export", match).content.strip():
            raise GraphiteUnavailable(
                f"VictoriaMetrics still has series under {metrics}: they are deleted anew",
                retryable=False,
            )

    def _answer(self, path: str, form: Mapping[str, str | list[str]]) -> httpx.Response:
        return retrying(self._answer_once, f"{self._api}/{path}", form)

    def _answer_once(self, url: str, form: Mapping[str, str | list[str]]) -> httpx.Response:
        try:
            response = self._http.post(url, data=dict(form))
        except httpx.HTTPError as error:
            raise GraphiteUnavailable(
                f"{url} does not answer ({error or type(error).__name__}): is VictoriaMetrics "
                "running?"
            ) from error
        if not response.is_success:
            raise self._no_victoria(f"answered {response.status_code}")
        return response

    def _decoded(self, line: bytes) -> _Line:
        try:
            return _LINE.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._no_victoria("did not answer like it") from error

    def _no_victoria(self, happened: str) -> GraphiteUnavailable:
        return GraphiteUnavailable(
            f"{self._api} {happened}: is GRAPHITE_RENDER_URL the address of VictoriaMetrics?",
            retryable=False,
        )
