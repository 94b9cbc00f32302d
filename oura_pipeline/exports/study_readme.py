"""The README of an exported study: what is in it, of whom, and what was done to names and dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oura_pipeline.accounts.studies import Participant
from oura_pipeline.markdown import markdown_table

_DATES = {
    "relative": (
        "Every participant's first day is 2000-01-01 here, and all of their dates and times keep "
        "their distance from it. Weekdays and seasons are therefore not those of the study."
    ),
    "shifted": (
        "The dates of each participant are moved by a number of whole weeks that is theirs and not "
        "told, up to half a year back or ahead: weekdays are right, seasons may not be."
    ),
    "kept": "Dates are those on which it happened.",
}
_TEXT = """\
# {name}

{participants} under codes. Names, ids, their own words, instants and time zones are
not in it; times are those that the participants' clocks showed.

**Dates.** {dates} `study_day` counts from 1 in every file.

**Consent.** A participant's data is here from their first to their last day, and only the document
types that they agreed to. {withdrawn}

**Files.** Each is there as CSV and as Parquet, with the same rows in the same order.
`dictionary.csv` says what every column means, with its unit. An empty value is a missing one, never
zero; a day without a row had no document.{fhir}

{files}

`SHA256SUMS` has the digest of every file: `sha256sum --check SHA256SUMS`. An export of the same
data and participants has the same digests.
"""
_FHIR = """

`fhir/` has a Bundle of FHIR R4 for each participant: sleep duration, heart rate and heart rate
variability (RMSSD) of each main sleep, and steps of each day, as Observations."""


def readme(
    name: str,
    participants: Sequence[Participant],
    withdrawn: Sequence[str],
    rows: Mapping[str, int],
    *,
    dates: str,
    fhir: bool,
) -> str:
    """Return the README of an export."""
    return _TEXT.format(
        name=name,
        participants=f"{len(participants)} participant{'s' * (len(participants) != 1)},",
        dates=_DATES[dates],
        withdrawn=_of_withdrawn(withdrawn),
        fhir=_FHIR if fhir else "",
        files=markdown_table(
            ("file", "rows"),
            [(f"`{_place(file)}`", f"{count:,}") for file, count in rows.items()],
        ),
    )


def _of_withdrawn(codes: Sequence[str]) -> str:
    if not codes:
        return "Nobody took their consent back."
    return f"Not in it, because they took their consent back: {', '.join(codes)}."


def _place(file: str) -> str:
    return file if file == "participants" else f"data/{file}"
