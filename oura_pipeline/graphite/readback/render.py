"""Read values back from graphite-web's `/render`, many metrics with one query."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Annotated, Any, cast

import httpx
import msgspec

from oura_pipeline.graphite.carbon import GraphiteUnavailable, retrying

_TEMPORARY = (502, 503, 504)


class _RenderedSeries(msgspec.Struct):
    target: str
    datapoints: list[tuple[float | None, int]]


_ANSWER = msgspec.json.Decoder(list[_RenderedSeries])

Values = dict[int, float]  # by UTC seconds


class StoredSeries(msgspec.Struct, frozen=True):
    """A part of a metric as whisper stores it: a value, or None, every `step` seconds.

    Attributes:
        name: of the metric.
        start: the time of the first value, UTC seconds.
        step: seconds between two values.
        values: the values.
    """

    name: str
    start: int
    step: Annotated[int, msgspec.Meta(gt=0)]
    values: list[float | None]

    def at(self, times: Sequence[int]) -> list[float] | None:
        """Return the values at these times; None unless there is a value at each of them."""
        start, step, values = self.start, self.step, self.values
        if times[0] < start or times[-1] >= start + step * len(values):
            return None
        if any((time - start) % step for time in times):
            return None
        found = [values[(time - start) // step] for time in times]
        return None if None in found else cast("list[float]", found)


class _DataUnpickler(pickle.Unpickler):  # noqa: S301  (it refuses everything that runs)
    """Unpickles lists, dictionaries, texts and numbers only."""

    def find_class(self, module: str, name: str) -> Any:
        # What comes from a network must not choose what is run.
        raise pickle.UnpicklingError(f"{module}.{name} is no data")


class RenderClient:
    """A client of graphite-web's `/render`.

    Attributes:
        unreadable: the metrics whose files graphite-web could not read.
        whisper: whether points are in whisper's files, which keep every digit.
        settle_seconds: at least and at most, until new points are readable.
        pause_seconds: between two readings, the second of which is of what has been written.
    """

    whisper = True
    # New points are readable about a second after a push. Files of new metrics take longer.
    settle_seconds = (1.5, 5.0)
    pause_seconds = 3.0  # carbon writes every second

    def __init__(self, http: httpx.Client, url: str) -> None:
        """Prepare; `url` is the address of graphite-web, without `/render`."""
        self._http = http
        self._url = f"{url.rstrip('/')}/render"
        self.unreadable: set[str] = set()

    def values(self, metrics: Sequence[str], first: int, last: int) -> dict[str, Values]:
        """Return the values of each metric from `first` to `last`, both included, UTC seconds.

        A metric without values is left out.

        Raises:
            GraphiteUnavailable: graphite-web does not answer, or something else answers.
        """
        answer = self._ask(metrics, first, last)
        if answer is not None:
            return {
                series.target: {
                    time: value for value, time in series.datapoints if value is not None
                }
                for series in answer
            }
        if len(metrics) == 1:
            self.unreadable.add(metrics[0])
            return {}
        # One damaged file fails the answer for all metrics of a query: halve until it is found.
        half = len(metrics) // 2
        return self.values(metrics[:half], first, last) | self.values(metrics[half:], first, last)

    def stored_series(
        self, metrics: Sequence[str], first: int, last: int
    ) -> dict[str, StoredSeries]:
        """Return the stored series of each metric from `first` to `last`, both included.

        Whatever is odd about the answer, nothing is returned: `values` finds out why.

        Args:
            metrics: the full names.
            first: UTC seconds.
            last: UTC seconds.

        Raises:
            GraphiteUnavailable: graphite-web does not answer.
        """
        # Pickle is four times as fast as JSON: graphite-web does not format each value.
        response = self._post(_form(metrics, first, last, "pickle"))
        if response.status_code != httpx.codes.OK:
            return {}
        try:
            answer = _DataUnpickler(io.BytesIO(response.content)).load()
            found = msgspec.convert(answer, list[StoredSeries])
        except Exception:  # pickle raises whatever the bytes lead it to
            return {}
        return {series.name: series for series in found}

    def holds(self, stored: float | None, value: float) -> bool:
        """Return whether a value that was read is the one that was sent."""
        # Equal, not close: every double survives carbon, whisper and JSON.
        return stored == value

    def _ask(self, metrics: Sequence[str], first: int, last: int) -> list[_RenderedSeries] | None:
        """Return the answer; None: graphite-web failed over one of the metrics."""
        response = self._post(_form(metrics, first, last, "json"))
        if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            return None
        if response.status_code != httpx.codes.OK:
            raise self._wrong_address(f"answered {response.status_code}")
        try:
            return _ANSWER.decode(response.content)
        except msgspec.ValidationError:
            # Graphite-web writes an infinity, which somebody else may have sent, as 1e9999.
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._wrong_address("did not answer in JSON") from error

    def _wrong_address(self, happened: str) -> GraphiteUnavailable:
        return GraphiteUnavailable(
            f"{self._url} {happened}: is GRAPHITE_RENDER_URL the address of graphite-web?",
            retryable=False,
        )

    def _post(self, form: dict[str, str | list[str]]) -> httpx.Response:
        return retrying(self._post_once, form)

    def _post_once(self, form: dict[str, str | list[str]]) -> httpx.Response:
        try:
            response = self._http.post(self._url, data=form)
        except httpx.HTTPError as error:
            raise GraphiteUnavailable(
                f"{self._url} does not answer ({error or type(error).__name__}): is graphite-web "
                "running?"
            ) from error
        if response.status_code in _TEMPORARY:
            raise GraphiteUnavailable(f"{self._url} answered {response.status_code}; try later")
        return response


def _form(
    metrics: Sequence[str], first: int, last: int, answer_format: str
) -> dict[str, str | list[str]]:
    return {
        "target": list(metrics),
        "from": str(first - 1),  # exclusive
        "until": str(last),  # inclusive
        "format": answer_format,
        "noNullPoints": "true",
        "noCache": "true",  # or an answer from before the push
    }
