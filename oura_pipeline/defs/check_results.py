"""Evaluations of checks that speak of days: one for each run of days of which the same is true."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg

from oura_pipeline.defs.ask_again import ask_all_again
from oura_pipeline.defs.asset_events import report

MAX_LINES = 20  # of a description


def report_days(
    context: dg.AssetCheckExecutionContext, found: Sequence[dg.AssetCheckEvaluation]
) -> None:
    """Record of a step for several days what its checks say of which; its results are of all."""
    # That of one day Dagster records as the day's.
    if len(context.partition_keys if context.has_partition_key_range else ()) > 1:
        report(context.op_execution_context, [one for one in found if one.partition])


def results(found: Iterable[dg.AssetCheckEvaluation]) -> Iterator[dg.AssetCheckResult]:
    """Yield the result of each check for all of its days."""
    by_name: dict[str, list[dg.AssetCheckEvaluation]] = {}
    for one in found:
        by_name.setdefault(one.check_name, []).append(one)
    for whole in map(as_one, by_name.values()):
        yield dg.AssetCheckResult(
            asset_key=whole.asset_key,
            check_name=whole.check_name,
            passed=whole.passed,
            severity=whole.severity,
            description=whole.description,
            metadata=whole.metadata,
        )


def as_one(
    found: Sequence[dg.AssetCheckEvaluation], partition: str | None = None
) -> dg.AssetCheckEvaluation:
    """Return one evaluation of those of several runs of days, or of several shards."""
    said = [one for one in found if not one.passed] or found
    lines = list(dict.fromkeys(line for one in said for line in str(one.description).split("\n")))
    if len(lines) > MAX_LINES and len(said) > 1:
        lines[MAX_LINES:] = [f"- and {len(lines) - MAX_LINES} more"]
    error = dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckEvaluation(
        asset_key=found[0].asset_key,
        check_name=found[0].check_name,
        passed=all(one.passed for one in found),
        severity=error if error in {one.severity for one in said} else dg.AssetCheckSeverity.WARN,
        description="\n".join(lines),
        metadata=_one_metadata([one.metadata for one in found]),
        partition=partition,
    )


def _one_metadata(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums of numbers, what is in any of the lists, and one link in place of several."""
    if len(parts) == 1:
        return dict(parts[0])
    sums: dict[str, Any] = {}
    links: dict[str, list[dg.MarkdownMetadataValue]] = {}
    for name, entry in (pair for part in parts for pair in part.items()):
        if isinstance(entry, dg.MarkdownMetadataValue):
            links.setdefault(name, []).append(entry)
            continue
        value, before = entry.value, sums.get(name, [] if isinstance(entry.value, list) else 0)
        sums[name] = sorted({*before, *value}) if isinstance(value, list) else before + value
    return sums | {name: ask_all_again(found) for name, found in links.items()}


def runs_alike(days: Sequence[date], odd: Collection[date]) -> list[list[date]]:
    """Return the days in runs of which all are among the odd ones, or none is."""
    return [list(group) for _, group in groupby(days, key=lambda day: day in odd)]
