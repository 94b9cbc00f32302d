"""Three answers in SQL, at the end of the demo."""

from __future__ import annotations

from rich.console import Console

from oura_pipeline.analysis.frames import connect
from oura_pipeline.commands.console import table_with
from oura_pipeline.settings import load_settings

QUESTIONS = {
    "Who slept longest last night?": """
        select username, day, round(total_sleep_minutes / 60, 1) as hours, hrv_average_ms
        from nights where is_finished
        qualify row_number() over (partition by username order by day desc) = 1
        order by hours desc""",
    "How do nights and readiness go together?": """
        select username, count(*) as days,
               round(corr(total_sleep_minutes, readiness_score), 2) as correlation
        from daily_summary where total_sleep_minutes is not null group by all order by username""",
    "When, on their own clock, is the heart slowest?": """
        select username, arg_min(hour, bpm) as hour, round(min(bpm)) as bpm_mean
        from (select username, hour(hour_local) as hour, avg(bpm_mean) as bpm
              from heart_rate_hourly group by all)
        group by username order by username""",
}


def print_answers(out: Console) -> None:
    """Print each question and its answer."""
    out.rule("Three answers from the published copy")
    with connect(load_settings().storage.analytics_path) as connection:
        for question, query in QUESTIONS.items():
            result = connection.execute(query)
            headings = [column[0] for column in result.description or ()]
            out.print(question)  # a title would be as narrow as its table
            table = table_with(*headings)
            for row in result.fetchall():
                table.add_row(*map(str, row))
            out.print(table)
