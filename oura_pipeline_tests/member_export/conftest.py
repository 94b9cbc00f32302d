"""A pipeline that several tests share, each with people of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.testing.settings import settings_with

_numbers = count(1)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    home = tmp_path_factory.mktemp("exports") / "data"
    settings = settings_with(oura_pipeline_home=str(home), oura_graphite_protocol="file")
    with open_pipeline(settings) as opened, opened.warehouse.kept_open():
        yield opened


@pytest.fixture
def username(pipeline: Pipeline) -> str:
    """Somebody new, who never signed in."""
    return pipeline.accounts.people.add_without_sign_in(f"member{next(_numbers)}").username


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[..., Path]:
    """Write a ZIP archive of texts: `zipped({"App Data/dailysleep.csv": "id;day…"})`."""
    from oura_pipeline_tests.member_export.archives import write_zip

    return lambda files, **options: write_zip(tmp_path / "data.zip", files, **options)
