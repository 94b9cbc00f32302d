"""The questions of `docs/cookbook.md`, asked in SQL and in pandas; a program that answers them.

python -m oura_pipeline_tests.cookbook.cookbook
"""

from __future__ import annotations

import ast
import os
import re
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oura_pipeline.analysis import connect, load
from oura_pipeline.catalog.document_types import PERSONAL_INFO, DocumentType
from oura_pipeline.markdown import markdown_table
from oura_pipeline.warehouse.ledgers import ensure_ledgers
from oura_pipeline.warehouse.tables import ensure_table
from oura_pipeline_tests.cookbook.people import PEOPLE, Document, documents, fetches
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase

PAGE = Path("docs/cookbook.md")
_QUESTION = re.compile(
    r"^### (?P<title>\d+\. [^\n]+)\n.*?```sql\n(?P<sql>.*?)```\n\n```python\n(?P<python>.*?)```\n"
    r"(?P<answer>(?:\n\|[^\n]*(?:\n\|[^\n]*)*\n)?)",
    re.MULTILINE | re.DOTALL,
)


_OTHERS = re.compile(r"^## In other programs\n.*", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Question:
    """A question of the page, and the answer that stands there."""

    title: str
    sql: str
    python: str
    answer: str


def questions(page: str) -> list[Question]:
    """Return the questions of the page, in order."""
    return [Question(**one.groupdict()) for one in _QUESTION.finditer(page)]


def snippet(page: str, language: str) -> str:
    """Return the one snippet in a language of what is said about other programs."""
    others = _OTHERS.search(page)
    assert others
    [found] = re.findall(rf"```{language}\n(.*?)```", others[0], re.DOTALL)
    return found


def fill(folder: Path) -> None:
    """Publish the three people's documents to a data folder."""
    import pandas as pd  # type: ignore[import-untyped]

    database = ViewDatabase(folder / "warehouse.duckdb")
    by_type: dict[DocumentType, dict[str, list[Document]]] = {}
    for person in PEOPLE:
        for document_type, theirs in documents(person):
            by_type.setdefault(document_type, {})[person.username] = theirs
    profiles = by_type.pop(PERSONAL_INFO)
    for document_type, everybodys in by_type.items():
        database.land_together(document_type, everybodys)
    rows = {
        # Landing takes documents with days.
        "personal_info": [{"username": name, **one} for name, [one] in profiles.items()],
        "fetches": [row for person in PEOPLE for row in fetches(person)],
    }
    with database.open() as connection:
        ensure_table(connection, PERSONAL_INFO)
        ensure_ledgers(connection)
        for table, made in rows.items():
            connection.register("made", pd.DataFrame(made))
            connection.execute(f"INSERT INTO oura.{table} BY NAME FROM made")
    database.warehouse.publish(folder / "analytics.duckdb")


def ask_sql(question: Question) -> str:
    """Return the answer of the SQL, as the page has it."""
    with closing(connect()) as connection:
        result = connection.execute(question.sql)
        names = [name for name, *_ in result.description or ()]
        return _table(names, result.fetchall())


def ask_pandas(question: Question) -> str:
    """Return the answer of the Python, the value of its last expression, as the page has it."""
    import pandas as pd

    *statements, last = ast.parse(question.python).body
    assert isinstance(last, ast.Expr), question.title
    names: dict[str, Any] = {"pd": pd, "load": load, "connect": connect}
    exec(compile(ast.Module(statements, []), question.title, "exec"), names)
    value = eval(compile(ast.Expression(last.value), question.title, "eval"), names)
    frame = value.to_frame() if isinstance(value, pd.Series) else value
    if any(frame.index.names):
        frame = frame.reset_index()
    return _table(list(frame.columns), frame.itertuples(index=False))


def renewed(page: str) -> str:
    """Return the page with the answers of today."""

    def with_answer(match: re.Match[str]) -> str:
        question = Question(**match.groupdict())
        whole = match.group(0)
        return whole.removesuffix(question.answer) + ask_sql(question)

    return _QUESTION.sub(with_answer, page)


def _table(names: list[str], rows: Any) -> str:
    return "\n" + markdown_table(names, [tuple(map(_text, row)) for row in rows])


def _text(value: Any) -> str:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    if isinstance(value, float):
        return f"{round(value, 2):g}"
    return str(value)


def main() -> None:
    """Write the answers into the page."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        os.environ["OURA_PIPELINE_HOME"] = folder
        PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
