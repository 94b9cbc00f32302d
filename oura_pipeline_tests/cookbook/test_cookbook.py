"""The cookbook's answers are what its SQL says, and what its Python says."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from click.testing import CliRunner

from oura_pipeline.analysis import AnalysisError, around, compare, connect, plot_trend
from oura_pipeline.commands.group import cli
from oura_pipeline_tests.cookbook.cookbook import (
    PAGE,
    Question,
    ask_pandas,
    ask_sql,
    fill,
    questions,
    snippet,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = PAGE.read_text(encoding="utf-8")
QUESTIONS = questions(TEXT)


@pytest.fixture(scope="module", autouse=True)
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the published copy of the three made-up people."""
    folder = tmp_path_factory.mktemp("cookbook")
    shutil.copy(empty_home / "warehouse.duckdb", folder)
    fill(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OURA_PIPELINE_HOME", str(folder))
        yield folder


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.title)
def test_sql_and_python_give_the_answer_of_the_page(question: Question) -> None:
    """`python -m oura_pipeline_tests.cookbook.cookbook` writes it."""
    assert ask_sql(question) == question.answer
    assert ask_pandas(question) == question.answer


def ask(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a question to the copy."""
    with closing(connect()) as connection:
        return connection.execute(sql).fetchall()


def test_there_are_25_questions_and_each_has_an_answer() -> None:
    """One that is not found would not be asked."""
    assert [one.title.split(".")[0] for one in QUESTIONS] == [str(nth) for nth in range(1, 26)]
    assert all(one.answer for one in QUESTIONS)


def test_polars_and_arrow_get_the_same_nights(home: Path) -> None:
    import polars
    import pyarrow  # type: ignore[import-untyped]

    names: dict[str, Any] = {"connect": connect}
    exec(snippet(TEXT, "py"), names)
    nights, table = names["nights"], names["table"]
    assert isinstance(nights, polars.DataFrame)
    assert nights.height == 164
    assert nights.schema["day"] == polars.Date
    assert nights.schema["bedtime_start"] == polars.Datetime("us", "UTC")
    means = nights.group_by("username").agg(polars.col("hrv_average_ms").mean()).sort("username")
    assert [round(mean, 2) for mean in means["hrv_average_ms"]] == [48.71, 38.07, 61.52]
    [beats] = ask("SELECT count(*), count(*) FILTER (username = 'ada') FROM heart_rate")
    assert isinstance(table, pyarrow.Table)
    assert (names["rows"], table.num_rows) == beats
    assert table.schema.field("time").type == pyarrow.timestamp("us", tz="UTC")


def test_ones_own_tables_stand_beside_the_copy(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a session of one's own, and in one of `connect` with the copy already there."""
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(home)
    Path("arms.csv").write_text("username,arm\nada,early\nben,early\ncleo,late\n", "utf-8")
    sql = snippet(TEXT, "sql")
    attach, others = sql.split("\n", 1)
    assert attach.endswith("(READ_ONLY);")
    for opened, said in ((duckdb.connect(), sql), (connect(), others)):
        with closing(opened) as connection:
            means = connection.execute(said).fetchall()
        # As in question 22.
        assert [(arm, round(hrv, 2)) for arm, hrv in means] == [("early", 43.39), ("late", 61.52)]
        Path("mine.duckdb").unlink()


def test_a_csv_is_what_other_programs_read(home: Path, tmp_path: Path) -> None:
    """With R's own reader, where there is an R."""
    import pandas as pd  # type: ignore[import-untyped]

    [query] = re.findall(r'`oura-pipeline query "([^"]+)" --csv nights.csv`', TEXT)
    result = CliRunner().invoke(cli, ["query", query, "--csv", str(tmp_path / "nights.csv")])
    assert result.exit_code == 0, result.output
    means = pd.read_csv(tmp_path / "nights.csv").groupby("username")["hrv_average_ms"].mean()
    assert means.round(2).to_dict() == {"ada": 48.71, "ben": 38.07, "cleo": 61.52}
    if program := shutil.which("Rscript"):
        run = [program, "-e", snippet(TEXT, "r")]
        said = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert re.findall(r"(\w+) +(\d\d\.\d\d)", said) == [
            *(("ada", "48.71"), ("ben", "38.07"), ("cleo", "61.51"))
        ]


def test_groups_are_compared_by_people(home: Path) -> None:
    """A dot is a person's mean, the line the mean of the dots."""
    figure = compare("hrv_average_ms", {"early": ["ada", "ben"], "late": ["cleo"]})
    [axes] = figure.axes
    early, dots, late, dot = (list(map(float, line.get_ydata())) for line in axes.lines)
    # As in question 22 of the page.
    assert dots == [pytest.approx(48.714, abs=0.001), pytest.approx(38.071, abs=0.001)]
    assert early == [pytest.approx(sum(dots) / 2)] * 2
    assert late == dot * 2 == [pytest.approx(61.519, abs=0.001)] * 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["early", "late"]
    assert [text.get_text() for text in axes.texts][:2] == ["ada", "ben"]
    assert axes.get_ylabel() == "ms"


def test_days_around_a_tag_are_against_what_is_usual(home: Path) -> None:
    """Wine on Fridays: only the night to Saturday departs, in each of the eight weeks."""
    [axes] = around("alcohol", "hrv_average_ms", username="ada", days=2).axes
    mean = axes.lines[-2]
    assert list(mean.get_xdata()) == [-2, -1, 0, 1, 2]
    before, day, after = (mean.get_ydata()[nth] for nth in (1, 2, 3))
    assert day < -10
    assert min(before, after) > -2
    nights = [line for line in axes.lines if line.get_linewidth() == 0.8 and line.get_alpha()]
    assert len(nights) == 8
    assert axes.texts[0].get_text() == "8 nights of 1 person"


def test_several_people_are_drawn_in_one_trend(home: Path) -> None:
    """Each one's days and mean of 7 days, by name."""
    [axes] = plot_trend("steps", username=["ada", "ben"]).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ada", "ben"]
    assert [len(line.get_ydata()) for line in axes.lines] == [56] * 4
    steps = [float(value) for value in axes.lines[0].get_ydata()]
    assert max(value for value in steps if not math.isnan(value)) == 13500
    assert axes.get_title(loc="left") == "ada, ben, steps\n"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: compare("hrv", {"a": ["ada"]}), "there is no metric 'hrv'"),
        (lambda: compare("steps", {"a": []}), "the group 'a' is no list of usernames"),
        (lambda: compare("steps", {"a": "ada"}), "the group 'a' is no list of usernames"),
        (lambda: around("tea", "steps"), "no night follows a tag 'tea'; there are alcohol"),
        (lambda: plot_trend("steps", username=[]), "name one to 7 people, not 0"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(
    home: Path, ask: Callable[[], Figure], message: str
) -> None:
    """With what there is instead."""
    with pytest.raises(AnalysisError, match=message):
        ask()
