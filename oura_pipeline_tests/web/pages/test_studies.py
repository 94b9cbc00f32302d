"""Studies on the operator's page, and what a participant sees of them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite


def test_a_study_is_begun_somebody_joins_and_takes_their_consent_back(open_site: OpenSite) -> None:
    """The operator does it by forms, and the participant's own page says it each time."""
    site = open_site()
    runa = site.browser()
    runa.join("runa")
    assert "Studies" not in runa.go("/me").text
    operator = site.browser()
    operator.go("/operator")
    operator.send("/operator", token=OPERATOR)
    assert "nap" in operator.send("/status/studies", study="nap").text
    person_id = site.accounts.people.get("runa").id
    page = operator.send(
        "/status/participants",
        study="nap",
        person=person_id,
        consent="1.2",
        consented_on="2026-02-20",
        first_day="2026-03-02",
        last_day="2026-05-31",
        arm="early",
        code="A1",
    )
    joined = site.accounts.studies.of_person("runa")[0]
    assert (joined.code, joined.arm, joined.last_day) == ("A1", "early", date(2026, 5, 31))
    assert (joined.consent_version, joined.consented_on) == ("1.2", date(2026, 2, 20))
    row = f"A1 nap {person_id} early 2026-03-02 to 2026-05-31 1.2 of 2026-02-20 , all data"
    assert row in page.text
    assert (
        "nap You take part from 2026-03-02 to 2026-05-31 , as A1 . On 2026-02-20 you agreed to "
        "version 1.2 of its consent, for all of your data." in runa.go("/me").text
    )
    operator.go("/status")
    again = {
        "study": "nap",
        "person": "runa",
        "consent": "1.3",
        "document_types": "sleep, temperature",
    }
    operator.send("/status/participants", **again)
    assert site.accounts.studies.of_person("runa")[0].document_types == ("sleep", "temperature")
    operator.go("/status")
    assert "withdrawn" in operator.send("/status/withdrawals").text
    assert site.accounts.studies.of_person("runa")[0].withdrawn_on == datetime.now(UTC).date()
    assert "You took your consent back" in runa.go("/me").text


def test_what_cannot_be_is_said_and_names_nobody_else(open_site: OpenSite) -> None:
    site = open_site()
    site.browser().join("runa")
    site.accounts.studies.create("nap")
    operator = site.browser()
    operator.go("/operator")
    operator.send("/operator", token=OPERATOR)
    page = operator.send("/status/participants", person="eve", consent="1", study="nap")
    assert (page.status, "Nobody has this username or ID" in page.text) == (422, True)
    assert "runa" not in page.html
    operator.go("/status")
    page = operator.send(
        "/status/participants", person="runa", consent="1", study="nap", first_day="tomorrow"
    )
    assert (page.status, "'tomorrow' is no day" in page.text) == (422, True)
    operator.go("/status")
    odd = {"person": "runa", "consent": "1", "study": "nap", "document_types": "sleep steps"}
    page = operator.send("/status/participants", **odd)
    assert (page.status, "steps" in page.text) == (422, True)
    operator.go("/status")
    page = operator.send("/status/studies", study="nap")
    assert (page.status, "there is a study nap already" in page.text) == (422, True)
    assert site.accounts.studies.everybody() == []
