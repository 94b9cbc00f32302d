"""The one writer of Markdown tables."""

from __future__ import annotations

from oura_pipeline.markdown import markdown_table


def test_a_table_has_headings_a_rule_and_rows() -> None:
    """Numbers can be aligned to the right."""
    rows = [("daily_sleep", "12"), ("heartrate", "1,440")]
    assert markdown_table(("table", "rows"), rows, right=["rows"]) == (
        "| table | rows |\n| --- | ---: |\n| daily_sleep | 12 |\n| heartrate | 1,440 |\n"
    )


def test_a_table_without_rows_has_a_head() -> None:
    assert markdown_table(("view", "what it is"), []) == ("| view | what it is |\n| --- | --- |\n")


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown_table(["type"], [["`day | null`"]]) == (
        "| type |\n| --- |\n| `day \\| null` |\n"
    )
