"""The verdicts in words: a table for whoever waits, JSON for scripts, and the page docs/quality.md."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import quality_spam
from quality_verdict import Verdict

# More of the same helps nobody.
SHOWN = 10


def document(verdicts: Sequence[Verdict], mails: int) -> dict[str, Any]:
    return {
        "ok": all(one.is_good for one in verdicts),
        "mails": mails,
        "checks": [
            {
                "checker": one.checker,
                "version": one.version,
                "looked_at": one.looked_at,
                "figures": one.figures,
                "findings": [{"mail": found.mail, "says": found.says} for found in one.findings],
            }
            for one in verdicts
        ],
    }


def table(verdicts: Sequence[Verdict]) -> list[str]:
    lines = [f"{'checker':14}  {'looked at':>9}  {'to mend':>7}  version"]
    for one in verdicts:
        lines.append(f"{one.checker:14}  {one.looked_at:>9}  {len(one.findings):>7}  {one.version}")
        lines += [f"    {found.mail}: {found.says}" for found in one.findings[:SHOWN]]
        if len(one.findings) > SHOWN:
            lines.append(f"    and {len(one.findings) - SHOWN} more; see the JSON document")
    return lines


def page(verdicts: Sequence[Verdict], mails: int, on: date) -> str:
    """docs/quality.md."""
    rows = [
        f"| {one.checker} | {one.version} | {one.looked_at} | {len(one.findings)} | {_figures(one)} |"
        for one in verdicts
    ]
    return PAGE.format(
        mails=mails, limit=quality_spam.MOST_RSPAMD, day=f"{on:%d %B %Y}".lstrip("0"), rows="\n".join(rows)
    )


def _figures(one: Verdict) -> str:
    if "lowest" in one.figures:
        rules = ", ".join(f"{name} {count}" for name, count in one.figures["rules"].items()) or "none"
        return f"{one.figures['lowest']} to {one.figures['highest']} points; rules: {rules}"
    return "; ".join(f"{name}: {_said(value)}" for name, value in one.figures.items())


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "nothing"
    return f"{value:,}" if isinstance(value, int) else str(value)


PAGE = """# What others say of the mails

`scripts/quality` has {mails} sample mails judged by programs that are not ours: every layout and notice, in every
language, with one Article and with sixty, and with content nobody designs for (`scripts/samples/extremes.json`). The
mails are composed and signed as they would be sent. It installs what it needs (Debian packages as root, npm packages
from a lock file), prints a table and a JSON document, and ends with 1 when one of the programs finds something or when
the two parsers disagree. Figures of {day}:

| by | version | looked at | to mend | figures |
| --- | --- | --- | --- | --- |
{rows}

**html-validate** judges by all it recommends but four rules, which forbid what mail is made of: inline styles, the
attributes that Outlook needs (`bgcolor`, `align`, `width` …), its conditional comments, and tables without `tbody`.

**axe-core** looks at each mail in Chromium, in light and in dark, by the rules of WCAG 2.2 A and AA and its own advice,
but for landmarks: the page a mail is shown within has them.

**The MIME parsers** must find no defect, must agree on header names, subject, addresses and parts, and must give back
the subject that was written and the parts that a preview shows and the browser is given.

**SpamAssassin** runs as `spamassassin -t -L` and may give no point at all. Without a receiving server there is no
`Received` line, which it notes (NO_RECEIVED, NO_RELAYS) and hardly counts. **rspamd** runs with Debian's rules and must
say "no action" below {limit} points; its point for an odd number of links (URI_COUNT_ODD) is a matter of chance. In
both, what needs DNS is off: SPF, DKIM, DMARC, block lists and the sender's host name depend on the domain that sends.
What they would say of the signature is in the tests, by three other programs.
"""
