"""Keys of the API by the operator's hand: made and shown once, listed without a secret, revoked."""

import re

from digest.web.api import keys
from tests.support.operator import SHIPPED, Operator


def made(operator: Operator, *words: str) -> str:
    answer = operator("keys", "new", "website", "--scope", "articles:write", *words)
    assert (answer.code, "shown only now" in answer.err) == (0, True)
    return answer.out.strip()


def test_a_key_is_shown_once_and_alone_on_stdout(operator: Operator) -> None:
    key = made(operator)
    assert keys.FORM.fullmatch(key)
    listed = operator("keys", "list")
    assert key.split("_")[1] in listed.out
    assert key.split("_")[2] not in listed.out + operator("keys", "list", "--json").out


def test_what_a_key_opens_is_listed(operator: Operator) -> None:
    assert "no keys yet" in operator("keys", "list").out
    operator("apply", SHIPPED / "publications" / "mias-feed.toml")
    made(operator, "--scope", "articles:read", "--publication", "mias-feed", "--days", "30")
    [key] = operator("keys", "list", "--json").document["keys"]
    assert (key["scopes"], key["publication"], key["last_used_at"]) == (
        ["articles:read", "articles:write"],
        "mias-feed",
        None,
    )
    [_, line] = operator("keys", "list").out.splitlines()
    assert re.search(r"mias-feed +articles:read articles:write +never +until 20", line)


def test_a_key_is_ended_by_number_handle_or_the_whole_of_it(operator: Operator) -> None:
    for name_of in (lambda _key: "1", lambda key: key.split("_")[1], lambda key: key):
        key = made(operator)
        assert operator("keys", "revoke", name_of(key)).out == "Revoked.\n"
        assert operator("keys", "revoke", name_of(key), "--json").document == {"revoked": False}
    assert operator("keys", "list").out.count("revoked 20") == 3


def test_mistakes_are_told_in_one_line(operator: Operator) -> None:
    for words, complaint in (
        (("new", "website"), "at least one --scope"),
        (("new", "website", "--scope", "articles:eat"), "'articles:eat' is no scope; there are: articles:read"),
        (("new", "", "--scope", "articles:read"), "needs a name"),
        (("new", "website", "--scope", "articles:read", "--publication", "x"), "no publication 'x'"),
        (("revoke", "digest_secret"), "there is no such key; see: digest keys list"),
    ):
        answer = operator("keys", *words)
        assert (answer.code, complaint in answer.complaint) == (2, True), answer
        assert "digest_secret" not in answer.err
