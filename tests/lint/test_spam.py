"""The spam filters of this machine: asked if they are there, missed by nobody."""

import shutil

from digest.lint import spam
from digest.lint.finding import Severity
from tests.lint.sound import Mail


def test_without_a_filter_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(spam.check(Mail().bytes())) == []


def test_a_filter_that_is_there_is_asked_and_never_calls_it_an_error():
    found = list(spam.check(Mail().bytes()))
    asked = {one.where for one in found}
    there = {
        name for name, program in (("SpamAssassin", "spamassassin"), ("rspamd", "rspamc")) if shutil.which(program)
    }
    assert asked <= there
    assert all(one.severity is not Severity.ERROR for one in found)
