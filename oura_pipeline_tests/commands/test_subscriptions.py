"""What an operator types about webhook subscriptions, and reads in a pipe of 80 columns."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.commands.group import cli
from oura_pipeline.oura.webhooks import verification_token
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.testing.webhook_receiver import Receiver, webhook_receiver
from oura_pipeline_tests.testing.world import World, world

OPTIONS = SandboxOptions(people=1, days=1)
TOKEN = verification_token(OPTIONS.client_secret)


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with webhook_receiver(TOKEN) as made:
        yield made


@pytest.fixture
def made(there: Receiver, tmp_path: Path) -> Iterator[World]:
    """A world with a public address and one person, who let us see the heart's age and fitness."""
    public = {"OURA_PUBLIC_URL": there.url.removesuffix("/webhook")}
    with running(OPTIONS) as cloud, world(tmp_path / "data", cloud, settings=public) as made:
        with made.accounts() as accounts:
            accounts.people.add("ada", SignIn(refresh_token="r", scopes=["heart_health"]))
        yield made


def typed(*arguments: str, answer: str | None = None) -> Result:
    """One command; no secret may be in what it prints."""
    result = CliRunner().invoke(cli, ("subscriptions", *arguments), input=answer)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert OPTIONS.client_secret not in result.output
    assert TOKEN not in result.output
    return result


def said(*arguments: str, answer: str | None = None) -> tuple[int, str]:
    result = typed(*arguments, answer=answer)
    return result.exit_code, result.output


def oura(cloud: Sandbox, method: str, path: str = "", **sent: str) -> httpx.Response:
    """Somebody else with our client id and secret."""
    headers = {"x-client-id": OPTIONS.client_id, "x-client-secret": OPTIONS.client_secret}
    url = f"/v2/webhook/subscription{path}"
    answer = cloud.http.request(method, url, headers=headers, json=sent or None)
    answer.raise_for_status()
    return answer


def test_made_renewed_and_ended_by_hand(made: World) -> None:
    """Each command says what it did and how many there are now."""
    assert said("create") == (0, "6 created; there are 6 now.\n")
    assert said("create") == (0, "Nothing done; there are 6 now.\n")
    assert said("renew") == (0, "6 renewed; there are 6 now.\n")
    assert said("renew", "--type", "vo2_max") == (0, "3 renewed; there are 6 now.\n")
    assert said("delete", "--elsewhere") == (0, "Nothing done; there are 6 now.\n")
    code, output = said("delete", answer="n\n")
    assert (code, output.splitlines()[-1]) == (1, "Aborted!")
    assert len(oura(made.sandbox, "GET").json()) == 6
    assert said("delete", "--yes") == (0, "6 deleted; there are 0 now.\n")


def test_the_list_can_be_read_in_a_pipe(made: World, there: Receiver) -> None:
    """No line is longer than 80 columns, and no word is cut."""
    typed("create")
    moved, unwanted, *_ = oura(made.sandbox, "GET").json()
    elsewhere = there.url.replace("/webhook", "/somebody-else")
    change = {"verification_token": TOKEN}
    oura(made.sandbox, "PUT", f"/{moved['id']}", callback_url=elsewhere, **change)
    oura(made.sandbox, "PUT", f"/{unwanted['id']}", data_type="tag", **change)
    piped = subprocess.run(
        [sys.executable, "-m", "oura_pipeline.cli", "subscriptions", "list"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    lines = [line.rstrip() for line in piped.splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"here: {there.url}"
    assert lines[-1] == "6 at Oura, 6 wanted, 2 missing"
    [strange] = [line.split() for line in lines if "points" in line]
    assert strange[:3] == [moved["data_type"], moved["event_type"], "90.0"]
    assert strange[-2:] == ["points", "elsewhere"]
    here = [line.split() for line in lines if " here" in line]
    assert ["tag", unwanted["event_type"], "90.0", "here", "not", "wanted"] in here
    others = sorted(words for words in here if words[0] != "tag")
    left = oura(made.sandbox, "GET").json()
    assert others == sorted(
        [row["data_type"], row["event_type"], "90.0", "here"]
        for row in left
        if row["id"] not in (moved["id"], unwanted["id"])
    )


def test_what_points_elsewhere_can_be_ended_alone(made: World, there: Receiver) -> None:
    """It stands in the way of what would be made."""
    typed("create")
    first, *_ = oura(made.sandbox, "GET").json()
    moved = {"callback_url": there.url + "/2", "verification_token": TOKEN}
    oura(made.sandbox, "PUT", f"/{first['id']}", **moved)
    code, output = said("create")
    assert code == 1
    assert output.splitlines()[0] == "Nothing done; there are 6 now."
    assert "subscriptions delete --elsewhere" in output
    assert said("delete", "--elsewhere") == (0, "1 deleted; there are 5 now.\n")
    assert said("create") == (0, "1 created; there are 6 now.\n")


def test_without_a_public_address_nothing_is_made(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is can still be seen and ended."""
    typed("create")
    monkeypatch.setenv("OURA_PUBLIC_URL", "")
    code, output = said("create")
    assert (code, "OURA_PUBLIC_URL" in output) == (1, True)
    code, output = said("delete", "--elsewhere")
    assert (code, "OURA_PUBLIC_URL" in output) == (1, True)
    code, output = said("list")
    assert (code, "there is no OURA_PUBLIC_URL" in output) == (0, True)
    assert said("delete", answer="y\n")[1].endswith("6 deleted; there are 0 now.\n")


def test_what_does_not_work_is_told_in_one_line(made: World) -> None:
    """And the status says so."""
    made.sandbox.fault("ssl_error", route="webhook", skip=1, count=6)
    code, output = said("create")
    assert code == 1
    first, second, third = output.splitlines()
    assert first == "Nothing done; there are 0 now."
    assert second.count("create ") == 2
    assert "certificate" in second
    assert third == "the others are left to the next run: Oura is unavailable"
    made.sandbox.clear_faults()
    made.sandbox.fault("error", route="webhook", status=401)
    code, output = said("list")
    assert code == 1
    assert output.startswith("Error: Oura rejects our client (401")
    assert output.count("\n") == 1
