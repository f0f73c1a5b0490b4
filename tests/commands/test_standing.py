"""Readers who were given up, seen and mailed again."""

import pytest

from tests.support.operator import Operator

FAILING = (
    "UPDATE subscriptions SET state = 'failing', misses = 6, missing_since = '2026-10-01 00:00:00+00' WHERE id < 3"
)


@pytest.fixture
def given_up(operator: Operator, db_url: str) -> list[str]:
    """The addresses of two readers who are failing."""
    operator.begin()
    operator.behind_the_back(db_url, FAILING.replace("+00", ".000000") if "sqlite" in db_url else FAILING)
    readers = operator("subscribers", "list", "mias-feed", "--state", "failing", "--json").document["readers"]
    return [reader["email"] for reader in readers]


def test_they_are_shown_wherever_one_looks(operator: Operator, given_up: list[str]) -> None:
    assert len(given_up) == 2
    assert "failing" in operator("subscribers", "list", "mias-feed", "--state", "failing").out
    [warning] = [line for line in operator("status", "--json").document["warnings"] if "failing" in line]
    assert warning.startswith("2 readers of mias-feed are failing")
    told = operator("explain", "mias-feed", given_up[0]).out
    assert "failing, 6 editions in a row refused since 2026-10-01" in told


def test_one_or_all_are_mailed_again(operator: Operator, given_up: list[str]) -> None:
    first, second = given_up
    assert operator("subscribers", "reactivate", "mias-feed", first, "--json").document == {"reactivated": 1}
    answer = operator("subscribers", "reactivate", "mias-feed", first)
    assert (answer.code, f"{first} is active, not failing" in answer.complaint) == (2, True)
    assert operator("subscribers", "reactivate", "mias-feed", "--all-failing", "--json").document == {"reactivated": 1}
    assert operator("subscribers", "list", "mias-feed", "--state", "failing").out == "nobody\n"
    assert second in operator("subscribers", "list", "mias-feed", "--state", "active").out


@pytest.mark.parametrize("words", [(), ("anna@example.org", "--all-failing")])
def test_it_has_to_be_said_who(operator: Operator, words: tuple[str, ...]) -> None:
    assert (
        "either one reader's address or --all-failing" in operator("subscribers", "reactivate", "x", *words).complaint
    )


def test_a_state_there_is_not(operator: Operator) -> None:
    answer = operator("subscribers", "list", "mias-feed", "--state", "tired")
    assert answer.code == 2
    assert "use one of pending, active, unsubscribed, failing" in answer.complaint
