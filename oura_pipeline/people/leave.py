"""How people leave: nothing is fetched any more, Oura revokes their tokens, their data goes.

Every step can be repeated: whoever crashed half-way deletes once more.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from oura_pipeline.accounts.errors import AccountsBusy, KeyRefused
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.removal import Revoker
from oura_pipeline.accounts.tokens import Renewer
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import STORED_TYPES
from oura_pipeline.exports.views import child_path
from oura_pipeline.graphite.readback.victoria import VictoriaClient
from oura_pipeline.graphite.removal import StoredMetrics, remove_lines, stored_metrics
from oura_pipeline.oura.oauth import PATIENCE_SECONDS
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.settings import Protocol


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """Whether a person's consent is revoked at Oura.

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
    """Revoke somebody's consent at Oura, if it is not revoked yet.

    Raises:
        UnknownPerson: nobody has this username.
    """
    person_id = pipeline.accounts.people.get(username).id
    return _revocation(pipeline, person_id, pipeline.accounts.removal.revoke, username)


def revoke_gone(pipeline: Pipeline, person_id: str) -> Revocation:
    """Revoke what was kept of somebody who was deleted before Oura had revoked their consent."""
    return _revocation(pipeline, person_id, pipeline.accounts.removal.revoke_gone, person_id)


def _revocation(
    pipeline: Pipeline, person_id: str, revoke: Callable[[str, Renewer, Revoker], None], whose: str
) -> Revocation:
    try:
        # They may be waiting for the page, and it is tried again in any case.
        renew = partial(pipeline.oauth.renew, seconds=PATIENCE_SECONDS)
        revoke(whose, renew, pipeline.oauth.revoke)
    # Oura being away stops nothing: the tokens are kept, and it is tried again.
    except (OuraError, AccountsBusy, KeyRefused) as error:
        pipeline.accounts.removal.not_revoked(person_id, str(error))
        return Revocation(done=False, reason=str(error))
    return Revocation(done=True)


def delete_everything(
    pipeline: Pipeline,
    username: str,
    progress: Callable[[str], None] = lambda step: None,
) -> Deleted:
    """Delete everything there is of a person; repeat it after a crash.

    Args:
        pipeline: accounts, warehouse and settings.
        username: who left.
        progress: called with a sentence after each step.

    Raises:
        UnknownPerson: nobody has this username, perhaps because all is done.
        AccountsError, WarehouseError: a database was busy or unusable; do it again.
        OSError: files cannot be deleted; do it again.
        GraphiteUnavailable: VictoriaMetrics could not delete their series; do it again.
    """
    leaving = pipeline.accounts.people.get(username).state is PersonState.RETIRED
    revocation = revoke(pipeline, username) if leaving else leave(pipeline, username)
    progress("nothing is fetched any more")
    _await_others(pipeline)
    holds = whisper_paths(pipeline, username)
    rows = pipeline.warehouse.forget(username)
    progress(f"{rows} documents deleted from the warehouse")
    published = _publish(pipeline)
    progress("published a copy without them" if published else "nothing was published yet")
    with pipeline.exporting():
        files = _delete_files(child_path(pipeline.settings.storage.exports_path, username))
    progress(f"{files} exported files deleted")
    lines = remove_lines(pipeline.settings.storage.graphite_log_path, holds.metrics)
    progress(f"{lines} points deleted from the file of points")
    if isinstance(pipeline.render, VictoriaClient):
        pipeline.render.delete(holds.metrics)
        holds = replace(holds, gone=True)
        progress("their series deleted from VictoriaMetrics")
    # The person goes last: as long as they are there, a crash leaves somebody to delete.
    pipeline.accounts.removal.delete(username, reserve=True)
    progress("tokens, ledgers and the person deleted")
    return Deleted(
        revocation=revocation,
        rows=rows,
        published=published,
        files=files,
        lines=lines,
        graphite=holds,
    )


def _await_others(pipeline: Pipeline) -> None:
    """Wait for what is landed and written now: whatever comes later leaves them out."""
    for document_type in STORED_TYPES:
        with pipeline.landing(document_type):
            pass
        # What carbon gets nobody can take back, and it may take its time.
        if pipeline.settings.graphite.protocol is Protocol.FILE or deletes_points(pipeline):
            with pipeline.pushing(document_type):
                pass


def deletes_points(pipeline: Pipeline) -> bool:
    """Return whether somebody's points can be deleted from here, where they were sent to."""
    return isinstance(pipeline.render, VictoriaClient)


def whisper_paths(pipeline: Pipeline, username: str) -> StoredMetrics:
    """Return what Graphite holds of a person, and the command that deletes it there."""
    return stored_metrics(pipeline.settings.graphite.prefix, username)


def _publish(pipeline: Pipeline) -> bool:
    """Publish a copy without them; return whether there is a warehouse at all."""
    copy = pipeline.settings.storage.analytics_path
    if not (pipeline.warehouse.exists() or copy.exists()):
        return False
    pipeline.warehouse.publish(copy)
    return True


def _delete_files(folder: Path) -> int:
    """Delete a folder with all that is in it; return how many files there were."""
    if folder.is_symlink():
        # Without the path, which holds their username: Dagster may record this.
        raise OSError(
            "their folder in OURA_EXPORTS is a symbolic link: delete it and their files behind it"
        )
    files = sum(not path.is_dir() for path in folder.rglob("*"))
    if folder.exists():
        shutil.rmtree(folder)
    return files
