"""`python -m tools.generate_docs`: the files, and parts of README.md, that the code knows best.

What surprises: with `--check` nothing is written and the exit status says whether anything would
change, so a table that drifted from the code fails the build.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask, DocumentType
from oura_pipeline.graphite.dashboard_image import dashboard_path
from oura_pipeline.markdown import markdown_table
from oura_pipeline.settings import Settings
from tools.dashboards import files as grafana
from tools.data_dictionary import data_dictionary, views_table

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(
    r"(<!-- generated: (?P<name>[a-z ]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is generated, or with `--check` say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it drifted")
    check = parser.parse_args(arguments).check
    files = generated_files()
    drifted = [path for path, text in files.items() if _read(path) != text]
    for path in drifted:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'drifted: run `make docs`' if check else 'written'}")
    return 1 if check and drifted else 0


def generated_files() -> dict[Path, str]:
    """Every file with generated parts, as it should be."""
    readme = ROOT / "README.md"
    return {
        readme: MARK.sub(_filled, _read(readme)),
        ROOT / ".env.example": env_example(),
        ROOT / "docs" / "data.md": data_dictionary(),
        **{ROOT / path: text for path, text in grafana.generated_files().items()},
    }


def document_types(types: Iterable[DocumentType] = DOCUMENT_TYPES) -> str:
    """A table of the document types, a row each."""
    rows = [
        (
            f"`{document_type.name}`",
            f"`{document_type.scope}`",
            _partition(document_type),
            f"`{document_type.series}`",
            document_type.description,
        )
        for document_type in types
    ]
    return markdown_table(("document type", "scope", "partition", "series", "what it is"), rows)


def settings() -> str:
    """A table of the environment variables, a row each."""
    rows = [
        (
            f"`{name.upper()}`",
            f"`{_default(field.default)}`" if _default(field.default) else "",
            str(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]
    return markdown_table(("variable", "default", "meaning"), rows)


def dashboards() -> str:
    """A table of the dashboards, a row each."""
    rows = [
        (f"[{one.title}]({dashboard_path(one.uid)})", one.description) for one in grafana.DASHBOARDS
    ]
    return markdown_table(("dashboard", "what it shows"), rows)


def env_example() -> str:
    """`.env.example`: every setting, commented out, with its default."""
    lines = ["# Copy to .env and fill in. Every line is optional; what stands here is the default."]
    for name, field in Settings.model_fields.items():
        lines += ["", f"# {field.description}", f"# {name.upper()}={_default(field.default)}"]
    return "\n".join(lines) + "\n"


SECTIONS: dict[str, Callable[[], str]] = {
    "document types": document_types,
    "settings": settings,
    "dashboards": dashboards,
    "views": views_table,
}


def _filled(match: re.Match[str]) -> str:
    return f"{match[1]}{SECTIONS[match['name']]()}{match[3]}"


def _partition(document_type: DocumentType) -> str:
    if not document_type.partitioned:
        return "none, a snapshot"
    return (
        f"day, asked {document_type.max_days} at once"
        if document_type.ask is Ask.INSTANTS
        else "day"
    )


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        separator = "/" if all(isinstance(part, int) for part in value) else ","
        return separator.join(str(part) for part in value)
    return "" if value == 0 else str(value)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
