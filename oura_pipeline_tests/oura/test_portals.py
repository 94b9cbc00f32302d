"""What differs between Oura's two portals, and which one an address belongs to."""

from __future__ import annotations

import pytest

from oura_pipeline.oura.portals import CLOUD, MOI, PORTALS, issuer, portal_at
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.settings import settings_with

MOI_AT = "https://moi.ouraring.com/oauth/v2/ext"
HERE = "http://127.0.0.1:9000"


def test_the_settings_name_the_portals_by_default() -> None:
    """People consent at the one, and tokens are tried at both."""
    oura = settings_with().oura
    assert (oura.authorize_url, oura.token_urls, oura.revoke_urls) == (
        CLOUD.authorize_url,
        (CLOUD.token_url, MOI.token_url),
        (),
    )


@pytest.mark.parametrize(
    ("address", "portal"),
    [
        ("https://cloud.ouraring.com/oauth/authorize", CLOUD),
        ("https://api.ouraring.com/oauth/token", CLOUD),
        ("https://developer.ouraring.com/authorize", CLOUD),
        (f"{MOI_AT}/oauth-authorize", MOI),
        (f"{MOI_AT}/oauth-token", MOI),
        ("https://moi.ouraring.com/something/new", MOI),
        (f"{HERE}/oauth/authorize", CLOUD),
        (f"{HERE}/oauth/v2/ext/oauth-authorize", MOI),
    ],
)
def test_scopes_are_asked_for_in_the_spelling_of_the_page(address: str, portal: object) -> None:
    """Bare at the one, prefixed at the other, however the settings spell them."""
    assert portal_at(address) is portal
    names = "daily spo2" if portal is CLOUD else "extapi:daily extapi:spo2"
    for scopes in ("daily spo2", "extapi:daily extapi:spo2", "daily  extapi:spo2"):
        assert portal_at(address).requested(scopes) == names


def test_tokens_are_revoked_where_they_were_issued() -> None:
    assert issuer("https://api.ouraring.com/oauth/token") is CLOUD
    assert issuer(f"{MOI_AT}/oauth-token") is MOI
    assert (CLOUD.revokes_by_query, MOI.revokes_by_query) == (True, False)


def test_a_stand_in_has_its_addresses_side_by_side() -> None:
    like_moi = issuer(f"{HERE}/oauth/v2/ext/oauth-token")
    assert like_moi.addresses == (
        f"{HERE}/oauth/v2/ext/oauth-authorize",
        f"{HERE}/oauth/v2/ext/oauth-token",
        f"{HERE}/oauth/v2/ext/oauth-revoke",
        f"{HERE}/oauth/v2/ext/oauth-introspect",
    )
    assert not like_moi.revokes_by_query
    like_cloud = issuer(f"{HERE}/oauth/token")
    assert (like_cloud.revoke_url, like_cloud.revokes_by_query) == (f"{HERE}/oauth/revoke", True)
    other = issuer("https://example.org/login/tokens")
    assert (other.revoke_url, other.revokes_by_query) == ("https://example.org/login/revoke", False)


def test_the_settings_say_where_a_stand_in_revokes() -> None:
    """An address that is, or is like, one portal's is not the other's."""
    tokens = f"{HERE}/oauth/v2/ext/oauth-token"
    for urls, expected in {
        (f"{HERE}/give-back",): (f"{HERE}/give-back", False),
        (f"{HERE}/oauth/revoke",): (f"{HERE}/oauth/v2/ext/oauth-revoke", False),
        (f"{HERE}/x/revoke", f"{HERE}/x/oauth-revoke"): (f"{HERE}/x/oauth-revoke", False),
        (CLOUD.revoke_url,): (f"{HERE}/oauth/v2/ext/oauth-revoke", False),
    }.items():
        found = issuer(tokens, urls)
        assert (found.revoke_url, found.revokes_by_query) == expected
    assert issuer(MOI.token_url, [CLOUD.revoke_url]) is MOI
    assert issuer(CLOUD.token_url, [CLOUD.revoke_url]) == CLOUD
    other = issuer("https://example.org/tokens", [f"{HERE}/oauth/revoke"])
    assert (other.revoke_url, other.revokes_by_query) == (f"{HERE}/oauth/revoke", True)


def test_the_page_about_signing_in_names_every_address() -> None:
    text = (ROOT / "docs" / "signing-in.md").read_text(encoding="utf-8")
    addresses = [address for portal in PORTALS for address in portal.addresses]
    assert [address for address in addresses if address not in text] == []
