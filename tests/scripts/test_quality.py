"""What others say of our mails, and that their programs would say so if something were wrong."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import quality_html
import quality_mime
import quality_report
import quality_spam
from quality_verdict import Finding, Mail, ToolError, Verdict, run

from digest.outbox import headers, message

GOOD = Verdict("one", "1.0", 3, (), {"lowest": -1.0, "highest": 0.0, "rules": {"SMALL": 2}})
BAD = Verdict("other", "2.0", 3, tuple(Finding(f"mail-{number}", "broken") for number in range(12)))
AT = datetime(2026, 11, 9, 6, tzinfo=UTC)
LETTERHEAD = headers.Letterhead("Mia's Feed", "digest@mias-feed.example")


def a_mail(*, html: str = "<p>Grüße</p>", text: str = "Grüße", subject: str = "Herz & Schlaf") -> Mail:
    personal = headers.Personal("anna@example.org", "<d1.abc@mias-feed.example>", at=AT, name="Anna Berg")
    content = message.prepare([html], [text]).render({}, headers.write(LETTERHEAD, subject, personal))
    return Mail("a-mail", html, text, subject, content)


def test_both_parsers_agree_about_a_good_mail() -> None:
    verdict = quality_mime.parse([a_mail()])
    assert (verdict.looked_at, verdict.findings) == (1, ())
    assert "Email::MIME" in verdict.version


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"Subject: Herz & Schlaf", b"Subject: Something else", "the subject is not what was written"),
        (
            b"Gr=C3=BC=C3=9Fe\r\n",
            b"Gr=C3=BC=C3=9Fe!\r\n",
            "the parts are not the text and the HTML that a preview shows, in this order",
        ),
        (b"boundary=", b"border=", "Python finds NoBoundaryInMultipartDefect"),
    ],
)
def test_a_mail_that_was_spoilt_is_found(old: bytes, new: bytes, said: str) -> None:
    good = a_mail()
    spoilt = Mail(good.name, good.html, good.text, good.subject, good.content.replace(old, new, 1))
    assert spoilt.content != good.content
    assert said in [finding.says for finding in quality_mime.parse([spoilt]).findings]


def test_spamassassin_scores_are_read_though_they_are_folded() -> None:
    said = "No, score=-1.0 required=5.0 tests=HTML_MESSAGE,\n\tMAILING_LIST_MULTI\n\tautolearn=disabled version=4.0.1"
    assert quality_spam.scored(said) == (-1.0, ["HTML_MESSAGE", "MAILING_LIST_MULTI"])
    assert quality_spam.scored("Yes, score=7.5 required=5.0 tests=BAD autolearn=no version=4") == (7.5, ["BAD"])


def test_a_score_that_cannot_be_read_is_no_good_score() -> None:
    with pytest.raises(ToolError, match="SpamAssassin said something else"):
        quality_spam.scored("None")


def test_findings_of_axe_name_rule_and_place() -> None:
    rule = {"id": "color-contrast", "help": "Contrast", "nodes": [{"html": "<p>pale</p>"}, {"html": "<b>"}]}
    [finding] = quality_html.found("a-mail, dark", [rule])
    assert finding == Finding("a-mail, dark", "Contrast (color-contrast): <p>pale</p> and 1 more")


def test_one_finding_spoils_the_whole() -> None:
    assert quality_report.document([GOOD], 3)["ok"] is True
    found = quality_report.document([GOOD, BAD], 3)
    assert found["ok"] is False
    assert len(found["checks"][1]["findings"]) == 12
    json.dumps(found)


def test_a_checker_that_looked_at_nothing_is_no_good_sign() -> None:
    assert not Verdict("one", "1.0", 0, ()).is_good


def test_the_table_shows_some_findings_and_counts_the_rest() -> None:
    lines = quality_report.table([GOOD, BAD])
    assert [line.split()[0] for line in lines[:3]] == ["checker", "one", "other"]
    assert lines[-1].strip() == "and 2 more; see the JSON document"


def test_the_page_holds_figures_and_versions() -> None:
    page = quality_report.page([GOOD, BAD], 54, date(2026, 11, 6))
    assert "has 54 sample mails" in page
    assert "Figures of 6 November 2026" in page
    assert "| one | 1.0 | 3 | 0 | -1.0 to 0.0 points; rules: SMALL 2 |" in page


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ToolError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_a_program_that_failed_is_named_with_what_it_said() -> None:
    with pytest.raises(ToolError, match="sh ended with 3: oh dear"):
        run(["sh", "-c", "echo oh dear >&2; exit 3"])


def test_rspamd_of_ours_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules"
    (rules / "override.d").mkdir(parents=True)
    monkeypatch.setattr(quality_spam, "RSPAMD", rules)
    quality_spam.configure(tmp_path, 12345)
    ours = tmp_path / "conf" / "override.d"
    assert 'nameserver = ["127.0.0.1:1:1"]' in (ours / "options.inc").read_text()
    assert "127.0.0.1:12345" in (ours / "worker-normal.inc").read_text()
    for module in ("rbl", "spf", "dmarc", "fuzzy_check"):
        assert (ours / f"{module}.conf").read_text() == "enabled = false;\n"
