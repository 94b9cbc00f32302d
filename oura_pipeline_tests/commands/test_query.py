"""`oura-pipeline query`."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from oura_pipeline.commands.group import cli

DAYS = """
    CREATE SCHEMA oura;
    CREATE TABLE oura.days
        (username VARCHAR, day DATE, steps BIGINT, note VARCHAR, seen TIMESTAMPTZ);
    INSERT INTO oura.days VALUES
        ('ada', '2026-01-10', 7000, 'ran, then slept', '2026-01-10 08:00:00+02'),
        ('ada', '2026-01-11', NULL, '', NULL),
        ('bob', '2026-01-10', 12, 'NULL', '2026-01-10 08:00:00-08');
    CREATE VIEW oura.walked AS SELECT * FROM oura.days WHERE steps > 0;
"""
ALL = "FROM days ORDER BY username, day"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder with a published copy of three rows; the working directory is elsewhere."""
    copy = tmp_path / "data" / "analytics.duckdb"
    copy.parent.mkdir()
    with duckdb.connect(str(copy)) as connection:
        connection.execute(f"SET TimeZone = 'UTC'; {DAYS}")
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(copy.parent))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield copy.parent
    assert sorted(path.name for path in copy.parent.iterdir()) == ["analytics.duckdb"]


def query(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["query", *arguments], input=stdin)


def refused(*arguments: str) -> str:
    """Return the one line on stderr of a query that is refused, with status 1."""
    result = query(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    [line] = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (1, "")
    return line.removeprefix("Error: ")


def test_an_answer_is_a_table_in_which_a_missing_value_can_be_seen(home: Path) -> None:
    """Numbers stand at the right, instants are in UTC, an empty text is empty."""
    assert query(ALL).stdout.splitlines() == [
        "┏━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┓",
        "┃ username ┃ day        ┃ steps ┃ note            ┃ seen                   ┃",
        "┡━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━┩",
        "│ ada      │ 2026-01-10 │  7000 │ ran, then slept │ 2026-01-10 06:00:00+00 │",
        "│ ada      │ 2026-01-11 │  NULL │                 │ NULL                   │",
        "│ bob      │ 2026-01-10 │    12 │ NULL            │ 2026-01-10 16:00:00+00 │",
        "└──────────┴────────────┴───────┴─────────────────┴────────────────────────┘",
        "3 rows",
    ]


def test_what_is_shown_is_rounded_and_what_is_written_is_not(home: Path) -> None:
    """Two decimals, of small numbers three digits; whole numbers and decimals stay."""
    numbers = {
        "hours": "7.123456::DOUBLE",
        "small": "-0.00123456::DOUBLE",
        "zero": "0::DOUBLE",
        "huge": "1.5e300",
        "infinite": "'inf'::DOUBLE",
        "single": "61.005::FLOAT",
        "exact": "1.23456",
        "nothing": "NULL::DOUBLE",
        "many": "12345678",
    }
    sql = "SELECT " + ", ".join(f"{value} AS {name}" for name, value in numbers.items())
    shown = [cell.strip() for cell in query(sql).stdout.splitlines()[3].split("│")[1:-1]]
    assert shown == [
        *("7.12", "-0.00123", "0.0", "1.5e+300", "inf", "61.01", "1.23456", "NULL", "12345678")
    ]
    written = query(sql, "--csv", "-").stdout.splitlines()[1]
    assert written.startswith("7.123456,-0.00123456,0.0,1.5e+300,inf,61.005,1.23456,,")


def test_rows_that_are_left_out_are_counted(home: Path) -> None:
    """A hundred are shown unless told otherwise, and nobody believes that these are all."""
    told = "2 rows, 1 left out: --limit shows more, --csv writes all"
    assert query(ALL, "--limit", "2").stdout.splitlines()[-1] == told
    many = "100 rows, 1 left out: --limit shows more, --csv writes all"
    assert query("FROM range(101)").stdout.splitlines()[-1] == many
    assert query("FROM range(100)").stdout.splitlines()[-1] == "100 rows"
    assert query("SELECT 1").stdout.splitlines()[-1] == "1 row"


def test_what_is_no_terminal_has_room_for_every_column(home: Path) -> None:
    """A pipe gets whole rows, however wide they are."""
    columns = ", ".join(f"'{'x' * 30}' AS column_{place}" for place in range(20))
    head = query(f"SELECT {columns}").stdout.splitlines()[1]
    assert head.split() == [part for place in range(20) for part in ("┃", f"column_{place}")] + [
        "┃"
    ]


def test_what_is_wider_than_the_terminal_is_a_block_per_row(home: Path) -> None:
    """As psql does with \\x; a value that is too long goes on in the next line."""
    assert in_a_terminal("SELECT 1 AS one, repeat('x', 50) AS long, NULL AS none", 40) == [
        "row 1",
        "one   1",
        f"long  {'x' * 34}",
        f"      {'x' * 16}",
        "none  NULL",
        "1 row",
    ]


def in_a_terminal(sql: str, columns: int) -> list[str]:
    """What a terminal of so many columns shows, without colours."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "oura_pipeline.cli", "query", sql]
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        subprocess.run(command, stdout=theirs, env=env, timeout=60, check=True)
        os.close(theirs)
        shown = re.sub(r"\x1b\[[\d;]*m", "", terminal.read(65536).decode())
    return [line.rstrip() for line in shown.splitlines()]


def test_a_text_cannot_give_orders_to_the_terminal(home: Path) -> None:
    """People write tags and comments; neither escapes nor markup of theirs are obeyed."""
    shown = query("SELECT chr(27) || '[31m' AS escape, '[red]a[/red]' AS markup").stdout
    assert [line for line in shown.splitlines() if "[" in line] == ["│ \\x1b[31m │ [red]a[/red] │"]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT sum(steps) AS s FROM oura.walked;", [[7012]]),
        ("WITH w AS (FROM walked) SELECT count(*) AS n FROM w -- all", [[2]]),
        ("PIVOT days ON username USING count(*) GROUP BY day ORDER BY day", None),
        ("DESCRIBE days", None),
        ("SUMMARIZE days", None),
        ("SHOW TABLES", [["days"], ["walked"]]),
        ("VALUES (1, 'a')", [[1, "a"]]),
    ],
)
def test_every_kind_of_question_is_answered(
    sql: str, rows: list[list[object]] | None, home: Path
) -> None:
    """Also those that DuckDB does not take as a part of another question."""
    answer = json.loads(query(sql, "--json", "-").stdout)
    assert answer
    assert rows is None or [list(row.values()) for row in answer] == rows


def test_a_question_can_come_from_stdin(home: Path) -> None:
    """Long ones live in files."""
    result = query("-", "--csv", "-", stdin="SELECT 1 AS one;\n")
    assert result.stdout.splitlines() == ["one", "1"]


def test_csv_tells_a_missing_text_from_an_empty_one(home: Path) -> None:
    """A missing value is nothing, an empty text is quotes."""
    assert query(ALL, "--csv", "-").stdout_bytes.decode().splitlines() == [
        "username,day,steps,note,seen",
        'ada,2026-01-10,7000,"ran, then slept",2026-01-10 06:00:00+00',
        'ada,2026-01-11,,"",',
        "bob,2026-01-10,12,NULL,2026-01-10 16:00:00+00",
    ]


def test_files_have_all_rows_whatever_the_limit_is(home: Path) -> None:
    """Parquet with types, JSON as an array; a file that was there is replaced."""
    Path("days.json").write_text("older", encoding="utf-8")
    said = [
        query(ALL, "--limit", "1", "--json", "days.json").stdout,
        query(ALL, "--limit", "1", "--parquet", "days.parquet").stdout,
    ]
    assert said == ["Wrote 3 rows to days.json.\n", "Wrote 3 rows to days.parquet.\n"]
    rows = json.loads(Path("days.json").read_text(encoding="utf-8"))
    assert [(row["username"], row["steps"]) for row in rows] == [
        ("ada", 7000),
        ("ada", None),
        ("bob", 12),
    ]
    typed = duckdb.sql("DESCRIBE FROM 'days.parquet'").fetchall()
    assert [(name, kind) for name, kind, *_ in typed] == [
        ("username", "VARCHAR"),
        ("day", "DATE"),
        ("steps", "BIGINT"),
        ("note", "VARCHAR"),
        ("seen", "TIMESTAMP WITH TIME ZONE"),
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["days.json", "days.parquet"]


def test_a_question_that_fails_half_way_leaves_the_older_file(home: Path) -> None:
    """Neither half of a file nor a forgotten temporary one."""
    Path("days.csv").write_text("older", encoding="utf-8")
    line = refused("SELECT CAST(note AS INTEGER) FROM days", "--csv", "days.csv")
    assert line.startswith("Conversion Error: Could not convert string 'ran, then slept'")
    assert Path("days.csv").read_text(encoding="utf-8") == "older"
    assert [path.name for path in Path().iterdir()] == ["days.csv"]


def test_impossible_files_are_refused(home: Path) -> None:
    """Before anything is written."""
    Path("folder").mkdir()
    assert refused("SELECT 1", "--csv", "none/a.csv") == "there is no folder none: create it first"
    assert refused("SELECT 1", "--csv", "folder") == "folder is a folder: give the path of a file"
    assert refused("SELECT 1", "--csv", "/proc/a.csv").startswith("cannot write /proc/a.csv: ")
    assert refused("SELECT 1", "--parquet", "-") == (
        "Parquet needs a file; CSV and JSON can go to stdout"
    )


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DELETE FROM days", "DELETE"),
        ("INSERT INTO days VALUES ('eve', NULL, 1, NULL, NULL)", "INSERT"),
        ("CREATE TABLE mine AS FROM days", "CREATE"),
        ("DROP VIEW walked", "DROP"),
        ("COPY days TO 'days.csv'", "COPY"),
        ("ATTACH 'other.duckdb'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("SET threads = 1", "SET"),
    ],
)
def test_statements_that_write_are_refused(sql: str, kind: str, home: Path) -> None:
    """The copy is for reading, and files are written by the options."""
    assert refused(sql) == (
        f"{kind} is not possible: the published copy can only be read, with SELECT, FROM, WITH, "
        "PIVOT, DESCRIBE, SHOW or SUMMARIZE"
    )
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        (
            "FROM day",
            'Catalog Error: Table with name day does not exist! Did you mean "days"?',
        ),
        ("SELECT 1; DELETE FROM days", "write one statement, not 2"),
        ("SELECT 1) ; DROP TABLE days; --", 'Parser Error: syntax error at or near ")"'),
        ("", "write one statement, not 0"),
        ("FROM sql", "Catalog Error: Table with name sql does not exist! Did you mean"),
        ("FROM 'http://127.0.0.1:9/a.csv'", "File http://127.0.0.1:9/a.csv requires the extension"),
    ],
)
def test_what_duckdb_does_not_understand_is_one_line(sql: str, line: str, home: Path) -> None:
    """Without the query it repeats; nothing is downloaded, no variable of ours is a table."""
    assert refused(sql).startswith(line)


def test_files_of_the_machine_can_be_read_beside_the_copy(home: Path) -> None:
    """Whoever types here may read them anyhow."""
    Path("weights.csv").write_text("day,kg\n2026-01-10,70.5\n", encoding="utf-8")
    sql = "SELECT username, kg FROM days JOIN 'weights.csv' USING (day) ORDER BY username"
    assert query(sql, "--csv", "-").stdout.splitlines() == ["username,kg", "ada,70.5", "bob,70.5"]


def test_one_file_at_a_time(home: Path) -> None:
    """Two would be two commands."""
    result = query("SELECT 1", "--csv", "a", "--json", "b")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "Error: use one of --csv, --parquet and --json",
    )


def test_without_a_published_copy_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with a status of 1."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    copy = tmp_path / "analytics.duckdb"
    assert refused("SELECT 1") == f"there is no {copy} yet: `oura-pipeline sync` publishes it"
