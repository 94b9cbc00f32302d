"""How people leave: nothing is fetched any more, Oura is told, and everything of theirs goes.

What surprises: everything may be done again at any time. Whoever crashed half-way deletes once
more, and the person themselves go last, so that somebody remembers that there is something to do.
Oura being away stops nothing: what could not be revoked is tried again as long as they are here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oura_pipeline.accounts.errors import AccountsBusy, KeyRefused
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.exports.views import child_path
from oura_pipeline.graphite.removal import StoredMetrics, remove_lines, stored_metrics
from oura_pipeline.pipeline import Pipeline


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """Whether Oura knows that we have no business with a person any more.

    Attributes:
        done: we hold no token of theirs any more, and those we held are revoked.
        reason: why not, in one line; empty when it is done.
    """

    done: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """What was deleted of a person.

    Attributes:
        revocation: whether their consent was given back at Oura.
        rows: documents in the warehouse.
        published: whether the published copy is a new one. Whoever has the old one open keeps
            reading it until they close it.
        files: files that were written of them in OURA_EXPORTS.
        lines: points in the file of points.
        graphite: what a Graphite holds still.
    """

    revocation: Revocation
    rows: int
    published: bool
    files: int
    lines: int
    graphite: StoredMetrics


def disconnect(pipeline: Pipeline, username: str) -> Revocation:
    """Fetch nothing of a person any more, and revoke their tokens; what was landed stays.

    When Oura cannot be reached the tokens stay, and the job `retire_people` revokes them.

    Raises:
        UnknownPerson: nobody has this username.
    """
    pipeline.accounts.removal.disconnect(username)
    return revoke(pipeline, username)


def leave(pipeline: Pipeline, username: str) -> Revocation:
    """Fetch nothing of a person any more, and revoke their tokens; the job deletes the rest.

    Raises:
        UnknownPerson: nobody has this username.
    """
    pipeline.accounts.removal.retire(username)
    return revoke(pipeline, username)


def revoke(pipeline: Pipeline, username: str) -> Revocation:
    """Give somebody's consent back at Oura, if it is not given back yet.

    Raises:
        UnknownPerson: nobody has this username.
    """
    try:
        pipeline.accounts.removal.revoke(username, pipeline.oauth.renew, pipeline.oauth.revoke)
    except (OuraError, AccountsBusy, KeyRefused) as error:
        return Revocation(done=False, reason=str(error))
    return Revocation(done=True)


def delete_everything(
    pipeline: Pipeline,
    username: str,
    said: Callable[[str], None] = lambda step: None,
) -> Deleted:
    """Delete all that there is of a person; doing it again after a crash ends it.

    Args:
        pipeline: what is worked with.
        username: who left.
        said: hears of every step when it is done.

    Raises:
        UnknownPerson: nobody has this username, perhaps because all is done.
        AccountsError, WarehouseError: a database was busy or unusable; do it again.
        OSError: files cannot be deleted; do it again.
    """
    leaving = pipeline.accounts.people.get(username).state is PersonState.RETIRED
    revocation = revoke(pipeline, username) if leaving else leave(pipeline, username)
    said("nothing is fetched any more")
    holds = whisper_paths(pipeline, username)
    rows = pipeline.warehouse.forget(username)
    said(f"{rows} documents are gone from the warehouse")
    published = _publish(pipeline)
    said("the published copy is a new one" if published else "nothing was published yet")
    files = _delete_files(child_path(pipeline.settings.storage.exports_path, username))
    said(f"{files} exported files are gone")
    lines = remove_lines(pipeline.settings.storage.graphite_log_path, holds.metrics)
    said(f"{lines} points are gone from the file of points")
    # Written anew before as well: after the removal nobody would know that it is still to be done.
    pipeline.accounts.removal.scrub()
    pipeline.accounts.removal.delete(username)
    pipeline.accounts.removal.scrub()
    said("tokens, ledgers and the person themselves are gone")
    return Deleted(
        revocation=revocation,
        rows=rows,
        published=published,
        files=files,
        lines=lines,
        graphite=holds,
    )


def whisper_paths(pipeline: Pipeline, username: str) -> StoredMetrics:
    """What a Graphite holds of a person, and the command that deletes it there."""
    return stored_metrics(pipeline.settings.graphite.prefix, username)


def _publish(pipeline: Pipeline) -> bool:
    """Swap in a published copy without them; whether there is a warehouse at all."""
    copy = pipeline.settings.storage.analytics_path
    if not (pipeline.warehouse.path.exists() or copy.exists()):
        return False
    pipeline.warehouse.publish(copy)
    return True


def _delete_files(folder: Path) -> int:
    """Delete a folder with all that is in it; how many files there were."""
    if folder.is_symlink():
        # Without the path, which holds their username: Dagster may record this.
        raise OSError(
            "their folder in OURA_EXPORTS is a symbolic link: delete what is theirs behind it, and "
            "the link; then the rest can go"
        )
    files = sum(not path.is_dir() for path in folder.rglob("*"))
    if folder.exists():
        shutil.rmtree(folder)
    return files
