"""Which usernames there can be."""

from __future__ import annotations

import pytest

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.accounts.usernames import check_username, suggested_username, username_problem


@pytest.mark.parametrize("username", ["ada", "a_b-9", "a" * 32, "p-parker2", "p-lee01"])
def test_a_username_is_taken_as_it_is(username: str) -> None:
    assert check_username(username) == username


@pytest.mark.parametrize(
    ("username", "wrong"),
    [
        ("", "has 0 characters, 3 to 32 are allowed"),
        ("al", "has 2 characters, 3 to 32 are allowed"),
        ("a" * 33, "has 33 characters, 3 to 32 are allowed"),
        ("_ada", "begins with '_', it must begin with a letter from a to z"),
        ("a.l", "contains '.', only a to z, 0 to 9, _ and - are allowed"),
        ("ada." + "l" * 28, "contains '.', only a to z, 0 to 9, _ and - are allowed"),
        ("p-7f3k2m", "looks like an id that the application gives"),
        ("p-oliver", "looks like an id that the application gives"),
        ("ada\n", "contains '\\n', only a to z, 0 to 9, _ and - are allowed"),
        (
            "9*",
            "has 2 characters, 3 to 32 are allowed; "
            "it begins with '9', it must begin with a letter from a to z; "
            "it contains '*', only a to z, 0 to 9, _ and - are allowed",
        ),
    ],
)
def test_all_that_is_wrong_is_said_at_once(username: str, wrong: str) -> None:
    with pytest.raises(PersonRefused) as refused:
        check_username(username)
    assert str(refused.value) == f"{username!r} cannot be a username: it {wrong}"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("ada", "ada"),
        ("Ada Lovelace", "ada_lovelace"),
        ("Zoë", "zoe"),
        ("ada@example.com", "ada_example_com"),
        ("42-ada.", "ada"),
        ("x" * 40, "x" * 32),
        ("Al", None),
        ("P-Parker", None),
        ("愛子", None),
    ],
)
def test_the_nearest_username_is_suggested(name: str, suggestion: str | None) -> None:
    assert suggested_username(name) == suggestion


@pytest.mark.parametrize("username", ["", "al", "a" * 33, "_ada", "ada.l", "ada\n", "Ada", "zoë"])
def test_somebody_who_chooses_is_told_the_rule(username: str) -> None:
    """One sentence for a web page, which does not repeat what they typed."""
    assert username_problem(username) == (
        "a username has 3 to 32 characters, lower-case letters, digits, _ and -, "
        "beginning with a letter; choose one like that"
    )


def test_somebody_who_chooses_an_id_is_told_so() -> None:
    assert username_problem("p-7f3k2m") == (
        "this looks like an id that the application gives; choose another username"
    )


@pytest.mark.parametrize("username", ["ada", "a_b-9", "a" * 32])
def test_a_good_choice_is_no_problem(username: str) -> None:
    assert username_problem(username) is None
