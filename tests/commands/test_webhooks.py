"""`digest webhooks …`, with a real program behind the address."""

from collections.abc import Iterator

import pytest

from tests.support import receiver
from tests.support.operator import Operator
from tests.support.receiver import Receiver


@pytest.fixture
def program() -> Iterator[Receiver]:
    with receiver.running() as server:
        yield server


def added(operator: Operator, program: Receiver, *more: str) -> tuple[int, str]:
    operator.set(DIGEST_WEBHOOKS_ALLOW_HOSTS="127.0.0.1")
    answer = operator("webhooks", "add", program.url(), *more, "--json")
    assert answer.code == 0, answer.err
    return answer.document["id"], answer.document["secret"]


def test_an_endpoint_is_added_tried_and_removed(operator: Operator, program: Receiver) -> None:
    operator.begin()
    id_, secret = added(operator, program)
    answer = operator("webhooks", "test", str(id_))
    assert (answer.code, answer.out.strip()) == (0, f"endpoint {id_} took it")
    assert (program.types, program.told[0].is_signed_by(secret)) == (["ping"], True)
    assert "good" in operator("webhooks", "list").out
    assert secret not in operator("webhooks", "list", "--json").out
    assert "told" in operator("webhooks", "log", str(id_)).out
    assert operator("webhooks", "remove", str(id_)).code == 0
    assert "no endpoints yet" in operator("webhooks", "list").out


def test_a_trial_that_fails_says_why_and_ends_with_one(operator: Operator, program: Receiver) -> None:
    operator.begin()
    id_, _ = added(operator, program)
    program.always = 500
    answer = operator("webhooks", "test", str(id_))
    assert answer.code == 1
    assert answer.out.startswith(f"endpoint {id_} did not take it: ")
    assert "status 500" in answer.out


def test_the_secret_alone_is_on_stdout(operator: Operator, program: Receiver) -> None:
    operator.begin()
    answer = operator("webhooks", "add", program.url())
    assert answer.out.startswith("whsec_")
    assert len(answer.out.splitlines()) == 1
    assert "shown only now" in answer.err
    rotated = operator("webhooks", "rotate", "1")
    assert rotated.out.startswith("whsec_")
    assert rotated.out != answer.out


def test_run_tells_what_happened_and_status_names_what_was_stopped(operator: Operator, program: Receiver) -> None:
    operator.begin()
    added(operator, program)
    operator("subscribers", "unsubscribe", "mias-feed", "anna.berg@example.org")
    operator("run")
    assert "subscription.unsubscribed" in program.types
    program.answers = [410]
    operator("subscribers", "erase", "david.owens@example.org")
    operator("run")
    assert "told nothing more: it answered 410 Gone" in operator("status").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "ftp://example.org/"), "https://"),
        (("add", "http://example.org/"), "must begin with https://"),
        (("add", "https://user:secret@example.org/"), "no password"),
        (("add", "nonsense"), "is no web address"),
        (("add", "https://[v1.a]/"), "is no web address"),
        (("add", "https://xn--a.example/"), "is no web address"),
        (("add", "https://example.org/", "--event", "subscription.exploded"), "there is no event"),
        (("add", "https://example.org/", "--publication", "mia"), "no publication 'mia'"),
        (("test", "99"), "there is no endpoint 99"),
        (("rotate", "99"), "there is no endpoint 99"),
        (("retry", "99"), "there is no endpoint 99"),
        (("remove", "99"), "there is no endpoint 99"),
        (("log", "99"), "there is no endpoint 99"),
    ],
)
def test_mistakes_are_one_clear_line(operator: Operator, arguments: tuple[str, ...], words: str) -> None:
    operator.begin()
    answer = operator("webhooks", *arguments)
    assert (answer.code, words in answer.err, "secret" in answer.err) == (2, True, False)
