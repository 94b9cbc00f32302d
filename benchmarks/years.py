"""A warehouse of several people's years, made of nothing: the file that questions are timed on.

python -m benchmarks.years PATH [--people 10] [--years 5]
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path

import duckdb

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.warehouse.connection import SETTINGS
from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.tables import (
    ensure_table,
    json_schema,
    quoted,
    table_name,
    typed_fields,
)

LAST = date(2026, 11, 20)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Europe/London")

# What the parts of the SQL below share. `dice` gives 0 … sides - 1, always the same.
MACROS = """
CREATE TEMP MACRO dice(what, a, b, sides) AS (hash(what, a, b) % sides)::BIGINT;
CREATE TEMP MACRO spread(what, a, b, low, high) AS
    round(low + (high - low) * dice(what, a, b, 10007) / 10006, 3);
CREATE TEMP MACRO identifier(what, a, b) AS md5(concat_ws(' ', what, a, b))::UUID::VARCHAR;
CREATE TEMP MACRO utc_text(second) AS strftime(make_timestamp(second * 1000000),
    '%Y-%m-%dT%H:%M:%S+00:00');
CREATE TEMP MACRO local_text(second, ahead) AS strftime(make_timestamp((second + ahead) * 1000000),
    '%Y-%m-%dT%H:%M:%S') || if(ahead < 0, '-', '+') ||
    printf('%02d:%02d', abs(ahead) // 3600, abs(ahead) % 3600 // 60);
CREATE TEMP MACRO midnight(day) AS strftime(day, '%Y-%m-%dT00:00:00+00:00');
CREATE TEMP MACRO score(what, a, b) AS 55 + dice(what, a, b, 45);
CREATE TEMP MACRO series(what, a, b, many, low, high, every, begin_text) AS {
    'interval': every::DOUBLE,
    'items': list_transform(range(many), lambda i:
        if(dice(what || 'gap', a, b + i * 7919, 40) = 0, NULL,
           spread(what, a, b + i * 7919, low, high))),
    'timestamp': begin_text};
"""

# One row per person and day, in the order of daily syncs; instants are seconds since 1970.
PLANS = """
CREATE TEMP TABLE plans AS
WITH people AS (
    SELECT n, printf('person%02d', n) AS username, ($zones::VARCHAR[])[1 + n % len($zones)] AS zone
    FROM range(1, $people + 1) AS numbers(n)
), days AS (
    SELECT day::DATE AS day, (day::DATE - DATE '2000-01-01')::BIGINT AS d
    FROM range($last::DATE - to_years($years) + to_days(1), $last::DATE + to_days(1),
               to_days(1)) AS days(day)
), clocks AS (
    SELECT *, epoch(day)::BIGINT - epoch(timezone(zone, day::TIMESTAMP))::BIGINT AS ahead
    FROM people, days
)
SELECT n, d, username, day, ahead, begins, score('night', n, d) AS score,
    dice('blank', n, d, 60) = 0 AS blank,
    begins - 5400 + dice('bed', n, d, 7200) AS bed,
    begins + 20400 + dice('up', n, d, 8400) AS up,
    begins + 61200 + dice('sport', n, d, 5400) AS sport,
    1500 + dice('sport lasts', n, d, 2700) AS sport_lasts,
    coalesce(lead(begins) OVER (PARTITION BY n ORDER BY d), begins + 86400) AS ends
FROM (SELECT *, epoch(day)::BIGINT - ahead AS begins FROM clocks)
ORDER BY d, n
"""

# Every sleep with what it is of: nights, naps, a second long sleep now and then, rests.
SLEEPS = """
CREATE TEMP TABLE sleeps AS
SELECT *, (finish - start) // 300 AS fives, (finish - start) // 30 AS thirties,
    array_to_string(list_transform(range((finish - start) // 30), lambda i: CASE
        WHEN dice('awake', n, d * 400 + i // 4, 23) = 0 OR i < 12 THEN '4'
        WHEN i % 180 BETWEEN 40 AND 79 THEN '1'
        WHEN i % 180 BETWEEN 140 AND 175 THEN '3' ELSE '2' END), '') AS phases
FROM (
    SELECT n, d, username, day, ahead, 'long_sleep' AS kind, bed AS start, up AS finish, score
    FROM plans WHERE NOT blank UNION ALL
    SELECT n, d, username, day, ahead, if(dice('kind', n, d, 5) = 0, 'rest', 'late_nap'),
        begins + 50400 + dice('nap', n, d, 3600), begins + 54600 + dice('nap', n, d, 3600), score
    FROM plans WHERE NOT blank AND dice('naps', n, d, 6) = 0 UNION ALL
    SELECT n, d, username, day, ahead, 'long_sleep', up + 3600, up + 14400, score
    FROM plans WHERE NOT blank AND dice('twice', n, d, 90) = 0
)
ORDER BY d, n, start
"""

READINESS = """{'activity_balance': score('ab', n, d), 'body_temperature': score('bt', n, d),
    'hrv_balance': if(dice('hb', n, d, 9) = 0, NULL, score('hb', n, d)),
    'previous_day_activity': score('pa', n, d), 'previous_night': score('pn', n, d),
    'recovery_index': score('ri', n, d), 'resting_heart_rate': score('rh', n, d),
    'sleep_balance': score('sb', n, d), 'sleep_regularity': score('sr', n, d)}"""
TEMPERATURE = """'temperature_deviation': spread('td', n, d, -0.8, 0.8),
    'temperature_trend_deviation': spread('tt', n, d, -0.4, 0.4)"""
WORN = "FROM plans WHERE NOT blank"
SPORT = "FROM plans WHERE NOT blank AND dice('sports', n, d, 20) < 19"

# Document type → the document as a struct, spelled as Oura does, and the rows it is made from.
DOCUMENTS = {
    "daily_activity": (
        """{'id': identifier('activity', n, d),
        'class_5_min': array_to_string(list_transform(range(288), lambda i:
            if(i < 40 OR i > 240, '1', (2 + dice('class', n, d * 300 + i, 4))::VARCHAR)), ''),
        'score': score('as', n, d),
        'contributors': {'meet_daily_targets': score('md', n, d), 'move_every_hour':
            score('mh', n, d), 'recovery_time': score('rt', n, d), 'stay_active':
            score('sa', n, d), 'training_frequency': score('tf', n, d), 'training_volume':
            score('tv', n, d)},
        'average_met_minutes': spread('am', n, d, 1.2, 2.1),
        'active_calories': 200 + dice('ac', n, d, 900),
        'equivalent_walking_distance': 3000 + dice('wd', n, d, 14000),
        'meters_to_target': dice('mt', n, d, 9000) - 4500, 'steps': 2500 + dice('st', n, d, 16000),
        'target_calories': 400, 'target_meters': 9000,
        'total_calories': 1900 + dice('tc', n, d, 1400), 'non_wear_time': 60 * dice('nw', n, d, 40),
        'resting_time': 27000 + 60 * dice('re', n, d, 120),
        'sedentary_time': 25000 + 60 * dice('se', n, d, 120), 'sedentary_met_minutes': 120,
        'low_activity_time': 60 * dice('la', n, d, 240), 'low_activity_met_minutes': 210,
        'medium_activity_time': 60 * dice('ma', n, d, 120), 'medium_activity_met_minutes': 190,
        'high_activity_time': 60 * dice('ha', n, d, 50), 'high_activity_met_minutes': 230,
        'inactivity_alerts': dice('ia', n, d, 6),
        'met': {'interval': 60.0, 'items': list_transform(range(1440), lambda i:
            spread('met', n, d * 1500 + i, 0.8, if(i BETWEEN 200 AND 1100, 4.5, 1.1))),
            'timestamp': local_text(begins + 14400, ahead)},
        'day': day, 'timestamp': local_text(begins + 14400, ahead)}""",
        WORN,
    ),
    "daily_cardiovascular_age": (
        """{'id': identifier('age', n, d), 'day': day,
        'pulse_wave_velocity': spread('pw', n, d, 5.5, 8.5),
        'vascular_age': 28 + dice('va', n, d, 20)}""",
        f"{WORN} AND n <> 3",
    ),
    "daily_readiness": (
        f"""{{'id': identifier('readiness', n, d), 'contributors': {READINESS},
        'day': day, 'score': score('rs', n, d), {TEMPERATURE},
        'timestamp': midnight(day)}}""",
        WORN,
    ),
    "daily_resilience": (
        """{'id': identifier('resilience', n, d), 'day': day,
        'contributors': {'sleep_recovery': spread('sl', n, d, 20, 100),
            'daytime_recovery': spread('dr', n, d, 20, 100), 'stress': spread('ss', n, d, 20, 100)},
        'level': ['limited', 'adequate', 'solid', 'strong', 'exceptional'][1 + dice('lv', n, d, 5)]
        }""",
        WORN,
    ),
    "daily_sleep": (
        """{'id': identifier('daily sleep', n, d),
        'contributors': {'deep_sleep': score('ds', n, d), 'efficiency': score('ef', n, d),
            'latency': score('lc', n, d), 'rem_sleep': score('rm', n, d),
            'restfulness': score('rf', n, d), 'timing': score('ti', n, d),
            'total_sleep': score('to', n, d)},
        'day': day, 'score': score, 'timestamp': midnight(day)}""",
        WORN,
    ),
    "daily_spo2": (
        """{'id': identifier('spo2', n, d),
        'breathing_disturbance_index': dice('bd', n, d, 30), 'day': day,
        'spo2_percentage': CASE dice('sp', n, d, 40) WHEN 0 THEN NULL WHEN 1 THEN {'average': 0.0}
            ELSE {'average': spread('o2', n, d, 93, 99)} END}""",
        WORN,
    ),
    "daily_stress": (
        """{'id': identifier('stress', n, d), 'day': day,
        'stress_high': 900 * dice('sh', n, d, 20), 'recovery_high': 900 * dice('rc', n, d, 16),
        'day_summary': [NULL, 'restored', 'normal', 'stressful'][1 + dice('sm', n, d, 4)]
        }""",
        WORN,
    ),
    "enhanced_tag": (
        """{'id': identifier('enhanced', n, d),
        'tag_type_code': if(dice('own', n, d, 4) = 0, 'custom', 'tag_generic_nocaffeine'),
        'start_time': local_text(begins + 68266, ahead), 'end_time': NULL::VARCHAR,
        'start_day': day, 'end_day': NULL::VARCHAR, 'comment': '',
        'custom_name': if(dice('own', n, d, 4) = 0, 'late coffee', NULL)}""",
        f"{WORN} AND dice('noted', n, d, 3) = 0",
    ),
    "heartrate": (
        """{'timestamp': utc_text(t), 'timestamp_unix': t * 1000,
        'bpm': CASE source WHEN 'workout' THEN 115 + dice('bpm', n, t, 50)
            WHEN 'rest' THEN 48 + dice('bpm', n, t, 22) ELSE 62 + dice('bpm', n, t, 45) END,
        'source': source}""",
        """FROM (SELECT n, username, day, unnest(rates, recursive := true)
        FROM (SELECT *, list_sort(list_transform(range(greatest(bed, begins) + 15, up, 300),
                lambda t: {'t': t, 'source': 'rest'}) ||
            flatten(list_transform(range(up + 120 + dice('burst', n, d, 200), ends - 6000, 330),
                lambda t: [{'t': t, 'source': 'awake'}, {'t': t + 7, 'source': 'awake'},
                    {'t': t + 11, 'source': if(t % 50 = 0, 'live', 'awake')}])) ||
            list_transform(range(sport, sport + sport_lasts, 5),
                lambda t: {'t': t, 'source': 'workout'})) AS rates
        FROM plans WHERE NOT blank) ORDER BY d, n)""",
    ),
    "personal_info": (
        """{'id': identifier('person', n, 0), 'age': 30 + n, 'weight': 60.5 + n,
        'height': 1.7, 'biological_sex': 'female', 'email': username || '@example.org'}""",
        "FROM plans WHERE day = $last",
    ),
    "rest_mode_period": (
        """{'id': identifier('rest', n, d), 'end_day': day + 2,
        'end_time': local_text(begins + 208800, ahead),
        'episodes': [{'tags': ['tag_generic_cold'], 'timestamp': local_text(begins + 46656, ahead)
        }], 'start_day': day, 'start_time': local_text(begins + 39656, ahead)}""",
        f"{WORN} AND dice('ill', n, d, 120) = 0",
    ),
    "ring_battery_level": (
        """{'timestamp': utc_text(t), 'timestamp_unix': t * 1000,
        'charging': level > 95, 'in_charger': level > 95, 'level': level}""",
        """FROM (SELECT username, day, t, 100 - 22 * (d % 4) - (t - begins) // 4000 AS level
        FROM (SELECT *, unnest(range(begins + 7, ends, 1800)) AS t FROM plans WHERE NOT blank)
        ORDER BY d, n, t)""",
    ),
    "ring_configuration": (
        """{'id': identifier('ring', n, 0), 'color': 'titanium',
        'design': 'heritage', 'firmware_version': '3.9.3', 'hardware_type': 'gen4',
        'set_up_at': '2021-08-07T08:42:00+00:00', 'size': 6 + n % 8}""",
        "FROM plans WHERE day = $last",
    ),
    "session": (
        """{'id': identifier('session', n, d), 'day': day,
        'start_datetime': local_text(begins + 71696, ahead),
        'end_datetime': local_text(begins + 72063, ahead), 'type': 'meditation',
        'heart_rate': series('sr', n, d * 100, 73, 55, 80, 5, local_text(begins + 71696, ahead)),
        'heart_rate_variability': series('sv', n, d * 100, 73, 18, 60, 5,
            local_text(begins + 71696, ahead)),
        'motion_count': NULL::VARCHAR, 'mood': 'good'}""",
        f"{WORN} AND dice('calm', n, d, 4) = 0",
    ),
    "sleep": (
        f"""{{'id': identifier('sleep', n, start), 'average_breath': spread('br', n, d, 12, 17),
        'average_heart_rate': spread('hr', n, d, 50, 64), 'average_hrv': 25 + dice('hv', n, d, 50),
        'heart_rate': series('sleep hr', n, start, fives, 46, 70, 300, local_text(start, ahead)),
        'hrv': series('sleep hv', n, start, fives, 18, 95, 300, local_text(start, ahead)),
        'lowest_heart_rate': 44 + dice('lo', n, d, 12),
        'awake_time': 30 * (thirties - length(replace(phases, '4', ''))),
        'bedtime_end': local_text(finish, ahead), 'bedtime_start': local_text(start, ahead),
        'day': day, 'deep_sleep_duration': 30 * (thirties - length(replace(phases, '1', ''))),
        'efficiency': 100 * length(replace(phases, '4', '')) // thirties,
        'latency': 300 + 30 * dice('la', n, d, 40),
        'light_sleep_duration': 30 * (thirties - length(replace(phases, '2', ''))),
        'low_battery_alert': false,
        'movement_30_sec': array_to_string(list_transform(range(thirties), lambda i:
            if(dice('mv', n, start + i * 7919, 9) > 0, '1',
               (2 + dice('how', n, start + i * 7919, 3))::VARCHAR)), ''),
        'period': 0, 'readiness': {{'contributors': {READINESS}, 'score': score('nr', n, start),
            {TEMPERATURE}}}, 'readiness_score_delta': 0,
        'rem_sleep_duration': 30 * (thirties - length(replace(phases, '3', ''))),
        'restless_periods': 60 + dice('rp', n, d, 200), 'sleep_algorithm_version': 'v2',
        'sleep_analysis_reason': 'foreground_sleep_analysis', 'sleep_phase_30_sec': phases,
        'sleep_phase_5_min': array_to_string(list_transform(range(fives),
            lambda i: phases[(10 * i + 5)::INTEGER]), ''),
        'sleep_score_delta': 0, 'time_in_bed': finish - start,
        'total_sleep_duration': 30 * length(replace(phases, '4', '')), 'type': kind,
        'ring_id': NULL::VARCHAR, 'app_sleep_phase_5_min': array_to_string(list_transform(
            range(fives), lambda i: phases[(10 * i + 5)::INTEGER]), '')}} """,
        "FROM sleeps",
    ),
    "sleep_time": (
        """{'id': identifier('sleep time', n, d), 'day': day,
        'optimal_bedtime': {'start_offset': -7200 + 900 * dice('so', n, d, 8),
            'end_offset': -3600 + 900 * dice('so', n, d, 8), 'day_tz': ahead},
        'recommendation': 'follow_optimal_bedtime', 'status': 'optimal_found'}""",
        WORN,
    ),
    "tag": (
        """{'id': identifier('tag', n, d), 'day': day, 'text': NULL::VARCHAR,
        'timestamp': local_text(begins + 71201, ahead),
        'tags': ['tag_generic_nocaffeine', 'tag_generic_fasting']}""",
        f"{WORN} AND dice('tagged', n, d, 9) = 0",
    ),
    "vO2_max": (
        """{'id': identifier('vo2', n, d), 'day': day, 'timestamp': midnight(day),
        'vo2_max': 30 + dice('vm', n, d, 25)}""",
        f"{WORN} AND n <> 3 AND d % 7 = 0",
    ),
    "workout": (
        """{'id': identifier('workout', n, d),
        'activity': ['walking', 'running', 'cycling', 'yoga'][1 + dice('what', n, d, 4)],
        'calories': spread('kc', n, d, 40, 700), 'day': day,
        'distance': if(dice('what', n, d, 4) = 3, NULL, spread('km', n, d, 900, 15000)),
        'end_datetime': local_text(sport + sport_lasts, ahead), 'intensity': 'moderate',
        'label': NULL::VARCHAR, 'source': 'workout_heart_rate',
        'start_datetime': local_text(sport, ahead)}""",
        SPORT,
    ),
}

FETCHES = """
INSERT INTO oura.fetches
SELECT username, $name, day, CASE WHEN n = 3 AND $scope = 'heart_health' THEN 'not_granted'
        WHEN documents > 0 THEN 'landed' WHEN dice($name, n, d, 50) = 0 THEN 'failed'
        ELSE 'empty' END AS status, coalesce(documents, 0),
    CASE status WHEN 'failed' THEN 'Oura answered with status 503' WHEN 'not_granted'
        THEN 'The person did not grant the scope heart_health' END,
    make_timestamptz((begins + 90000) * 1000000)
FROM plans LEFT JOIN (SELECT username, day, count(*) AS documents FROM {table} GROUP BY ALL)
USING (username, day) WHERE $partitioned OR day = $last ORDER BY d, n
"""
OFFSETS = """
INSERT INTO oura.offsets
SELECT username, if(d = min(d) OVER (PARTITION BY n), TIMESTAMPTZ '1900-01-01 00:00:00+00',
    make_timestamptz(begins * 1000000)), ahead
FROM (SELECT *, lag(ahead) OVER (PARTITION BY n ORDER BY d) AS before FROM plans)
WHERE before IS DISTINCT FROM ahead ORDER BY n, d
"""


def main() -> None:
    """Make the file, and tell what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--years", type=int, default=5)
    chosen = parser.parse_args()
    began = time.perf_counter()
    rows = build(chosen.path, people=chosen.people, years=chosen.years)
    for name, count in rows.items():
        print(f"{name:28}{count:>12,}")
    megabytes = chosen.path.stat().st_size / 1e6
    print(f"{megabytes:,.0f} MB in {time.perf_counter() - began:.0f} s")


# The rows lie as years of daily syncs leave them, everybody's Monday before anybody's Tuesday: the
# worse order. A history fetched person by person has better zone maps (a row group of heart rates
# is then 100 days of one person, here ten days of all).
def build(path: Path, *, people: int, years: int) -> dict[str, int]:
    """Make a warehouse file that was not there; returns document type → rows.

    Raises:
        FileExistsError: there is a file already; nothing is changed.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already: name another file, or remove it")
    with duckdb.connect(str(path), config=SETTINGS) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        plan(connection, people=people, years=years)
        ensure_ledgers(connection)
        for document_type in DOCUMENT_TYPES:
            ensure_table(connection, document_type)
            fill(connection, document_type)
            note_fetches(connection, document_type)
        connection.execute(OFFSETS)
        connection.execute("CHECKPOINT")
        return {
            document_type.name: count(connection, document_type) for document_type in DOCUMENT_TYPES
        }


def plan(connection: duckdb.DuckDBPyConnection, *, people: int, years: int) -> None:
    """Decide when everybody slept, moved and wore the ring."""
    connection.execute(MACROS)
    connection.execute(
        PLANS, {"people": people, "years": years, "last": LAST, "zones": list(ZONES)}
    )
    connection.execute(SLEEPS)


def fill(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Write a type's documents, and its columns as landing reads them out of the documents."""
    names = [quoted(field.name) for field in typed_fields(document_type)]
    document, rows = DOCUMENTS[document_type.name]
    source = f"SELECT username, day, to_json({document}) AS document {rows}"
    connection.execute(
        f"INSERT INTO {table_name(document_type)} "
        f"(username, day, {', '.join(names)}, document, fetched_at, run_id) "
        f"SELECT username, day, {', '.join(f'typed.{name}' for name in names)}, document, "
        "day + INTERVAL 34 HOUR, md5(day::VARCHAR)::UUID::VARCHAR FROM "
        f"(SELECT *, from_json(document, '{json_schema(document_type)}') AS typed FROM ({source}))",
        {"last": LAST} if "$last" in source else None,
    )


def note_fetches(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> None:
    """Write what the ledger remembers of asking for a type."""
    connection.execute(
        FETCHES.format(table=table_name(document_type)),
        {
            "name": document_type.name,
            "scope": document_type.scope,
            "partitioned": document_type.partitioned,
            "last": LAST,
        },
    )


def count(connection: duckdb.DuckDBPyConnection, document_type: DocumentType) -> int:
    """The rows of a type."""
    row = connection.execute(f"SELECT count(*) FROM {table_name(document_type)}").fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
