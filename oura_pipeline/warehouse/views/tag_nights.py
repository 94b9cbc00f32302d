"""The view of tags and the nights that followed them."""

from __future__ import annotations

from oura_pipeline.warehouse.tables import literal
from oura_pipeline.warehouse.views.clock import later
from oura_pipeline.warehouse.views.view import Column, View

_CODE = "^tag_(generic_|sleep_)?"
_ONE_WORD = {"nocaffeine": "no caffeine"}
_DAY = 86_400  # seconds between a tag and going to bed, at most


def _readable(name: str) -> str:
    """Return Oura's code for a tag in words, and a person's own name as it is."""
    words = f"replace(regexp_replace({name}, '{_CODE}', ''), '_', ' ')"
    cases = " ".join(f"WHEN {literal(one)} THEN {literal(two)}" for one, two in _ONE_WORD.items())
    return (
        f"CASE WHEN regexp_matches({name}, '{_CODE}') "
        f"THEN CASE {words} {cases} ELSE {words} END ELSE {name} END"
    )


TAG_NIGHTS = View(
    name="tag_nights",
    description="Tags, each with the night that followed it.",
    one_row_per="person, night and name of a tag",
    definition=(
        "The night of a tag is the first main sleep (see nights) that ends after the tag's moment "
        "and began no later than 24 hours after it: a tag of half past midnight before going to "
        "bed at one belongs to that night, and so does one that was set in bed. A night without an "
        "end lasts as long as its time in bed, or 8 hours. A tag that is there in both of Oura's "
        "kinds counts once, and so does a name that was set several times before one night; "
        "tag_count says how often. Oura's codes are in words (tag_sleep_alcohol is alcohol), a "
        "person's own names as they are. Tags without a name, a time or such a night are in tags "
        "alone. `day` is that of nights and daily_summary: JOIN daily_summary USING (username, "
        "day) gives all other numbers."
    ),
    columns=(
        Column("username", "The person."),
        Column("day", "The day of the night, that of waking up."),
        Column("tag", "The person's own name for the tag, else Oura's code in words."),
        Column("tag_count", "At how many moments it was set before this night, count."),
        Column("time", "When it was first set, an instant."),
        Column("time_local", "The same, as the person's clock showed it."),
        Column("hours_to_bed", "From then to going to bed, hours; negative if set in bed."),
        Column("sleep_id", "Oura's identifier of the night."),
        Column("total_sleep_minutes", "Total sleep of the night, minutes."),
        Column("latency_minutes", "Time until asleep, minutes."),
        Column("efficiency_percent", "Share of the time in bed asleep, percent (%)."),
        Column("hrv_average_ms", "Mean heart rate variability (RMSSD) of the night, ms."),
        Column("lowest_heart_rate_bpm", "Lowest heart rate of the night, beats per minute (bpm)."),
    ),
    sql=f"""
WITH named AS (
    -- As bytes: which names are equal would depend on the session's collation.
    SELECT username, time, time_local, encode({_readable("name")}) AS tag
    FROM oura.tags
    WHERE name IS NOT NULL AND time IS NOT NULL
),
ends AS (
    SELECT
        *,
        coalesce(
            bedtime_end,
            {later("bedtime_start", "coalesce(time_in_bed_minutes, 480) * 60")}
        ) AS ends
    FROM oura.nights
    WHERE time_in_bed_minutes IS NULL OR time_in_bed_minutes BETWEEN 0 AND 1440
),
followed AS (
    -- The username of the tag, because filters go from there to both tables.
    SELECT t.tag, t.time, t.time_local, n.* REPLACE (t.username AS username)
    FROM named t
    ASOF JOIN ends n ON n.username = t.username AND t.time < n.ends
)
SELECT
    username, day,
    decode(tag) AS tag,
    count(DISTINCT time) AS tag_count,
    min(time) AS time,
    min(time_local) AS time_local,
    (epoch_us(any_value(bedtime_start)) - epoch_us(min(time))) / 3.6e9 AS hours_to_bed,
    any_value(sleep_id) AS sleep_id,
    any_value(total_sleep_minutes) AS total_sleep_minutes,
    any_value(latency_minutes) AS latency_minutes,
    any_value(efficiency_percent) AS efficiency_percent,
    any_value(hrv_average_ms) AS hrv_average_ms,
    any_value(lowest_heart_rate_bpm) AS lowest_heart_rate_bpm
FROM followed
WHERE epoch_us(bedtime_start) - epoch_us(time) <= {_DAY}000000
GROUP BY username, day, tag
""",
    stored=True,
)
