"""The rooms stay rooms: imports go one way, and the README says what there is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from oura_pipeline import docs
from oura_pipeline.documents import DOCUMENT_TYPES
from oura_pipeline.settings import Settings

PACKAGE = Path(docs.__file__).parent
BASE = {"fields", "documents", "metrics", "settings", "ledger", "progress"}
ROOMS = BASE | {"oura", "accounts", "warehouse", "graphite", "pipeline"}
WORK = {"fetching", "pushing", "events", "leaving", "exporting", "notices"} | {
    "subscriptions",
    "signing_in",
    "publishing",
    "apple_health",
    "daily_files",
    "analysis",
}
ABOVE = ROOMS | WORK
MAY_IMPORT = {
    "fields": set(),
    "documents": {"fields"},
    "metrics": {"fields", "documents"},
    "settings": set(),
    "ledger": set(),
    "progress": set(),
    "oura": BASE,
    "accounts": BASE,
    "warehouse": BASE,
    "graphite": BASE,
    "grafana": BASE | {"graphite"},
    "sandbox": set(),
    "pipeline": ROOMS - {"pipeline"},
    "fetching": ROOMS,
    "pushing": ROOMS,
    "subscriptions": ROOMS,
    "signing_in": ROOMS,
    "notices": ROOMS,
    "exporting": ROOMS,
    "publishing": ROOMS,
    "analysis": BASE | {"warehouse"},
    "daily_files": BASE | {"warehouse", "analysis"},
    "apple_health": BASE | {"warehouse", "analysis", "daily_files"},
    "events": ROOMS | {"fetching", "pushing"},
    "leaving": ROOMS | {"daily_files", "exporting"},
    "defs": ABOVE,
    "definitions": ABOVE | {"defs"},
    "web": ABOVE,
    "commands": ABOVE | {"defs", "definitions", "grafana", "sandbox", "web"},
    "cli": ABOVE | {"defs", "definitions", "grafana", "sandbox", "web", "commands"},
    "data_dictionary": BASE | {"warehouse"},
    "docs": BASE | {"data_dictionary", "grafana"},
}


def rooms_imported(path: Path) -> set[str]:
    """The rooms of the project that a module imports, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "oura_pipeline" and len(part) > 1}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    """A room imports only what stands below it; the sandbox imports nothing of ours."""
    assert rooms_imported(path) - {room(path)} <= MAY_IMPORT[room(path)]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dagsters_inside_is_touched_in_one_module_only(path: Path) -> None:
    """Nothing from `dagster._…` outside the module of the event storage."""
    private = "dagster._" in path.read_text(encoding="utf-8")
    assert not private or path.relative_to(PACKAGE) == Path("defs/storage.py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    """`os.environ` stands in settings.py, and where children are started or Dagster wants it."""
    reads = "os.environ" in path.read_text(encoding="utf-8")
    allowed = {"settings.py", "defs/storage.py", "graphite/local.py"} | {
        "commands/demo.py",
        "commands/dev.py",
    }
    assert not reads or str(path.relative_to(PACKAGE)) in allowed


def test_the_readme_has_every_document_type_and_setting() -> None:
    """Somebody who reads the README has heard of all of them."""
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    names = [row.name for row in DOCUMENT_TYPES] + [name.upper() for name in Settings.model_fields]
    assert [name for name in names if f"`{name}`" not in readme] == []


def test_generated_docs_are_up_to_date() -> None:
    """What `make docs` would write is what stands there."""
    drifted = [
        path.name
        for path, text in docs.wanted().items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert drifted == []
