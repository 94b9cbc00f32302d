"""The view of how the participants of studies wear their rings, and whom to call."""

from __future__ import annotations

from oura_pipeline.warehouse.views.view import Column, View

QUIET_DAYS = 3

COMPLIANCE = View(
    name="compliance",
    description="How the participants of studies wear their rings, and whom to call.",
    one_row_per="study and participant",
    definition=(
        "Expected is every day of the study from the participant's first one to the last one, or "
        "to the newest day that was fetched or brought of anybody; after a withdrawal none is. "
        "Delivered is a day with a document of any type, also of a member's own export. Worn is "
        "what `wear` calls worn. A gap is a run of expected days without a main sleep. Who has "
        f"none in the last {QUIET_DAYS} expected days, or has to sign in again, is to be called."
    ),
    columns=(
        Column("study", "The name of the study."),
        Column("code", "The participant's code."),
        Column("username", "The person."),
        Column("arm", "The group that they are in; null: there is none."),
        Column("expected_days", "Days of the study until now, count."),
        Column("delivered_days", "Of these, days with any document, count."),
        Column("worn_days", "Of these, days on which the ring was worn, count."),
        Column("nights", "Of these, days with a main sleep, count."),
        Column("longest_gap_days", "The longest run of days without a main sleep, count."),
        Column("last_night", "The newest day with a main sleep; null: there is none."),
        Column("call", "Why to call them; null: there is no reason."),
    ),
    sql=f"""
WITH newest AS (
    SELECT max(day) AS day
    FROM (SELECT day FROM oura.fetches UNION ALL SELECT day FROM oura.brought)
),
expected AS (
    SELECT
        p.study, p.username,
        CAST(unnest(generate_series(
            p.first_day,
            least(coalesce(p.last_day, n.day), n.day, coalesce(p.withdrawn_on - 1, n.day)),
            INTERVAL 1 DAY
        )) AS DATE) AS day
    FROM oura.participants p CROSS JOIN newest n
),
delivered AS (
    SELECT username, day FROM oura.fetches WHERE documents > 0
    UNION
    SELECT username, day FROM oura.brought
),
days AS (
    SELECT
        e.study, e.username, e.day,
        d.day IS NOT NULL AS delivered,
        coalesce(w.has_night, false) AS slept,
        coalesce(w.is_worn, false) AS worn
    FROM expected e
    LEFT JOIN delivered d ON d.username = e.username AND d.day = e.day
    LEFT JOIN oura.wear w ON w.username = e.username AND w.day = e.day
),
gaps AS (
    SELECT study, username, count(*) AS length
    FROM (
        SELECT
            study, username,
            day - CAST(row_number() OVER (PARTITION BY study, username ORDER BY day) AS INTEGER)
                AS run
        FROM days WHERE NOT slept
    )
    GROUP BY study, username, run
),
longest AS (
    SELECT study, username, max(length) AS length FROM gaps GROUP BY study, username
),
sums AS (
    SELECT
        study, username,
        count(*) AS expected_days,
        count(*) FILTER (delivered) AS delivered_days,
        count(*) FILTER (worn) AS worn_days,
        count(*) FILTER (slept) AS nights,
        max(day) FILTER (slept) AS last_night,
        max(day) AS last_expected
    FROM days
    GROUP BY study, username
)
SELECT
    p.study, p.code, p.username, p.arm,
    coalesce(s.expected_days, 0) AS expected_days,
    coalesce(s.delivered_days, 0) AS delivered_days,
    coalesce(s.worn_days, 0) AS worn_days,
    coalesce(s.nights, 0) AS nights,
    coalesce(l.length, 0) AS longest_gap_days,
    s.last_night,
    CASE
        WHEN p.withdrawn_on IS NOT NULL THEN NULL
        WHEN p.state <> 'connected' AND coalesce(p.last_day >= n.day, true)
            THEN 'has to sign in again'
        WHEN coalesce(p.last_day < n.day, false) THEN NULL
        WHEN s.expected_days >= {QUIET_DAYS}
            AND coalesce(s.last_expected - s.last_night >= {QUIET_DAYS}, true)
            THEN 'no night for ' || coalesce(s.last_expected - s.last_night, s.expected_days)
                || ' days'
    END AS call
FROM oura.participants p
CROSS JOIN newest n
LEFT JOIN sums s ON s.study = p.study AND s.username = p.username
LEFT JOIN longest l ON l.study = p.study AND l.username = p.username
""",
)
