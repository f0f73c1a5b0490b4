"""Signed tokens: they say what was signed, for ever and across rotation, and nothing else is believed."""

import itertools
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from digest import errors, links

OLD = "an-old-key-an-old-key-an-old-key-1"
NEW = "a-new-key-a-new-key-a-new-key-a-new-2"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ID = st.integers(min_value=0, max_value=2**63 - 1)


@pytest.fixture(scope="module")
def signer() -> links.Signer:
    return links.Signer([OLD])


@given(ID, ID, ID)
def test_a_mail_token_says_what_was_signed(subscription_id, generation, delivery_id):
    signer = links.Signer([OLD])
    token = signer.mail_token(subscription_id, generation, delivery_id)
    assert signer.read_mail_token(token) == links.MailToken(subscription_id, generation, delivery_id)
    assert len(token) <= links.MAX_TOKEN_LENGTH
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


def test_a_token_of_a_big_list_still_fits_a_mail_local_part(signer):
    assert len(signer.mail_token(36**5 - 1, 35, 36**7 - 1)) <= 63


def test_a_token_survives_key_rotation(signer):
    token = signer.mail_token(7, 1, 9)
    assert links.Signer([OLD, NEW]).read_mail_token(token) == (7, 1, 9)


def test_the_newest_key_signs():
    token = links.Signer([OLD, NEW]).mail_token(7, 1, 9)
    assert links.Signer([NEW]).read_mail_token(token) == (7, 1, 9)
    assert links.Signer([OLD]).read_mail_token(token) is None


def test_a_token_of_a_dropped_key_is_unknown(signer):
    assert links.Signer([NEW]).read_mail_token(signer.mail_token(7, 1, 9)) is None


def test_only_the_spelling_we_wrote_is_read(signer):
    token = signer.mail_token(7, 1, 9)
    others = [token[:-1] + last for last in string.ascii_letters + string.digits + "-_" if last != token[-1]]
    assert [signer.read_mail_token(other) for other in others] == [None] * 63
    assert signer.read_mail_token(token + "=") is None


def test_no_single_changed_character_is_accepted(signer):
    token = signer.mail_token(123456, 3, 987654)
    for place, letter in itertools.product(range(len(token)), "0aZ.-"):
        changed = token[:place] + letter + token[place + 1 :]
        assert changed == token or signer.read_mail_token(changed) is None


@given(st.text())
def test_reading_never_raises(text):
    signer = links.Signer([OLD])
    assert signer.read_mail_token(text) is None
    assert signer.read_confirm_token(text, NOW, timedelta(days=1)) is None


@pytest.mark.parametrize(
    "text", ["", ".", "...", "a" * 10_000, "7.1.9", "7.1.9.", "é.1.9.x", "\x00", "\ud800", "7.1.9.\n"]
)
def test_malformed_tokens_are_unknown(signer, text):
    assert signer.read_mail_token(text) is None


def test_a_confirmation_ends_with_its_age(signer):
    token = signer.confirm_token(5, 2, NOW)
    day = timedelta(days=1)
    assert signer.read_confirm_token(token, NOW + day, day) == links.ConfirmToken(5, 2, NOW)
    assert signer.read_confirm_token(token, NOW + day + timedelta(seconds=1), day) is None


def test_a_clock_set_back_does_not_break_a_confirmation(signer):
    token = signer.confirm_token(5, 2, NOW)
    assert signer.read_confirm_token(token, NOW - timedelta(days=3), timedelta(days=1)) is not None


# What each is made of, but for the time.
EXPIRING = {"confirm": (5, 2), "manage": (5, 2), "address": (5,), "moving": (5,)}


@pytest.mark.parametrize("purpose", EXPIRING)
def test_a_token_serves_one_purpose_only(signer, purpose):
    token, age = getattr(signer, f"{purpose}_token")(*EXPIRING[purpose], NOW), timedelta(days=3)
    read = {name: getattr(signer, f"read_{name}_token")(token, NOW, age) for name in EXPIRING}
    assert {name for name, found in read.items() if found} == {purpose}
    assert signer.read_mail_token(token) is None
    late = NOW + age + timedelta(seconds=1)
    assert getattr(signer, f"read_{purpose}_token")(token, late, age) is None
    mail = signer.mail_token(5, 2, 3)
    assert getattr(signer, f"read_{purpose}_token")(mail, NOW, timedelta(days=10**6)) is None


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ([], "no secret key"),
        ([OLD, "short"], "key 2 of 2 has 5 characters"),
        ([""], "has 0 characters"),
        (["x" * 64], "placeholder"),
        (["please-change-me-please-change-me-please"], "placeholder"),
    ],
)
def test_weak_keys_are_refused_by_number_and_never_shown(keys, says):
    with pytest.raises(links.KeyProblem, match=says) as caught:
        links.Signer(keys)
    assert isinstance(caught.value, errors.DigestError)
    assert not any(key and key in str(caught.value) for key in keys)


def test_keys_do_not_show(signer):
    assert OLD not in repr(signer) + str(signer) + repr(vars(signer))


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (35, "z"), (36, "10"), (2**63 - 1, "1y2p0ij32e8e7")])
def test_base36_is_what_int_reads(number, text):
    assert links.base36(number) == text
    assert int(text, 36) == number


def test_base36_refuses_what_cannot_be_an_id():
    with pytest.raises(ValueError, match="negative"):
        links.base36(-1)
