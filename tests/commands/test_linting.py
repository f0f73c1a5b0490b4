"""`digest lint-mail`, as somebody uses it: without settings, without a database."""

import io
import json
import sys

import pytest

from digest import cli
from tests.lint.sound import Mail


@pytest.fixture
def lint(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Spam filters have a test of their own.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DIGEST_HOME", str(tmp_path / "nowhere"))

    def run(*words, **files):
        for name, content in files.items():
            (tmp_path / f"{name}.eml").write_bytes(content)
        code = cli.main(["lint-mail", *words])
        return code, *capsys.readouterr()

    return run


def test_a_sound_mail_ends_with_0(lint):
    assert lint("good.eml", good=Mail().bytes()) == (0, "good.eml: nothing to object to\n", "")


def test_an_error_is_told_with_place_and_cure_and_ends_with_1(lint):
    code, out, _ = lint(
        "bad.eml", "good.eml", bad=Mail().page(' alt="Two people walking"', "").bytes(), good=Mail().bytes()
    )
    assert code == 1
    assert out.splitlines() == [
        "bad.eml:",
        "  error: html line 21: a picture without alt: 'https://news.example.org/walk.jpg' [no-alt]",
        '      describe it, or write alt=""',
        "good.eml: nothing to object to",
    ]


def test_warnings_and_hints_are_told_and_end_with_0(lint):
    code, out, _ = lint("odd.eml", odd=Mail().without("Auto-Submitted").bytes())
    assert (code, "hint: Auto-Submitted" in out) == (0, True)


def test_scripts_get_one_document(lint):
    code, out, _ = lint("bad.eml", "--json", bad=Mail().saying("Subject", "Re: you").bytes())
    found = json.loads(out)
    assert (code, found["ok"]) == (1, False)
    [one] = found["files"]["bad.eml"]
    assert (one["rule"], one["severity"], one["where"]) == ("fake-reply", "error", "Subject")


def test_a_mail_may_come_by_standard_input(lint, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Mail().bytes())))
    assert lint("-")[:2] == (0, "-: nothing to object to\n")


def test_what_is_no_mail_and_what_is_not_there_is_one_clear_line(lint):
    code, _, err = lint("picture.eml", picture=b"\x89PNG\r\n\x1a\n")
    assert (code, err) == (
        2,
        "digest: picture.eml: this is no mail: it does not begin with a header such as 'From: …'\n",
    )
    code, _, err = lint("none.eml")
    assert (code, err) == (1, "digest: none.eml: No such file or directory\n")
