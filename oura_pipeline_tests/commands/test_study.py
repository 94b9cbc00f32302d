"""`oura-pipeline study`: from the first participant to a folder without names."""

from __future__ import annotations

from pathlib import Path

from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.commands.shell import Shell, words


def test_a_study_from_its_beginning_to_its_export(shell: Shell, tmp_path: Path) -> None:
    """Without anybody's name, and without who took their consent back."""
    shell.sign_in("koa")
    shell.sign_in("runa")
    assert shell("study", "create", "nap").output == (
        "There is a study nap now. `study enroll` adds people.\n"
    )
    agreed = ("--consent", "1.2", "--consented", "2026-02-20", "--from", "2026-03-02")
    joined = shell("study", "enroll", "nap", "koa", *agreed, "--code", "K1", "--arm", "early")
    assert joined.output == "koa takes part in nap as K1, from 2026-03-02 on.\n"
    shell("study", "enroll", "nap", "runa", *agreed, "--code", "R1", "--type", "sleep")
    with open_pipeline() as pipeline:
        found = pipeline.accounts.studies.participants("nap")
        publish(pipeline)
    assert [(one.code, one.document_types) for one in found] == [("K1", None), ("R1", ("sleep",))]
    rows = words(shell("study", "compliance", "nap").output)
    assert [row[0] for row in rows if row[:1] in (["K1"], ["R1"])] == ["K1", "R1"]
    shell("study", "enroll", "nap", "koa", *agreed, "--code", "K2", "--arm", "early")
    assert (
        "Enrolled since the copy was published: K2." in shell("study", "compliance", "nap").output
    )
    shell("study", "enroll", "nap", "koa", *agreed, "--code", "K1", "--arm", "early")
    shell("study", "withdraw", "nap", "runa", "--on", "2026-04-01")
    assert "nap 1 1" in [" ".join(row) for row in words(shell("study", "list").output)]
    exported = shell("study", "export", "nap", "--into", str(tmp_path / "out"))
    assert "Wrote 1 row of 1 participant to" in exported.output
    assert "Not in it, consent withdrawn: R1.\n" in exported.output
    assert "koa" not in (tmp_path / "out" / "participants.csv").read_text(encoding="utf-8")
    deleted = shell("study", "delete", "nap", "--yes")
    assert deleted.output == "nap is deleted.\n"


def test_what_is_never_fetched_can_be_agreed_to_and_not_asked_for(shell: Shell) -> None:
    shell.sign_in("koa")
    shell("study", "create", "nap")
    shell("study", "enroll", "nap", "koa", "--consent", "1", "--type", "temperature")
    with open_pipeline() as pipeline:
        [found] = pipeline.accounts.studies.of_person("koa")
    assert found.document_types == ("temperature",)
    result = shell("sync", "--type", "temperature")
    assert result.exit_code == 2
    assert "temperature comes in a member's own export alone" in result.output


def test_what_cannot_be_is_one_line(shell: Shell, tmp_path: Path) -> None:
    for arguments, said in {
        ("study", "export", "none"): "Error: there is no study 'none'; there is none yet\n",
        ("study", "create", "a/b"): "Error: 'a/b' cannot be a study: up to 32 letters, digits, _ "
        "and -, beginning with neither sign\n",
    }.items():
        result = shell(*arguments)
        assert (result.exit_code, result.output) == (1, said)
