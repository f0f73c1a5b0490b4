"""html-validate on the source, axe on the page as a browser shows it, in light and in dark."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from quality_verdict import TOOLS, Finding, Mail, ToolError, Verdict, run

from digest.commands import browser

AXE = TOOLS / "node_modules" / "axe-core"
VALIDATOR = TOOLS / "node_modules" / "html-validate"
# A desktop's reading pane. Contrast does not depend on the width, and what is hidden on a phone is looked at here.
WIDTH = 600


def validate(mails: Sequence[Mail]) -> Verdict:
    """With everything html-validate recommends but four rules that forbid what mail is made of: inline styles, the
    attributes Outlook needs (bgcolor, align, width …), its conditional comments, and tables without tbody.
    """
    with tempfile.TemporaryDirectory() as folder:
        for mail in mails:
            (Path(folder) / f"{mail.name}.html").write_text(mail.html, encoding="utf-8")
        names = [f"{mail.name}.html" for mail in mails]
        script, rules = VALIDATOR / "bin" / "html-validate.mjs", TOOLS / "htmlvalidate.json"
        command = ["node", str(script), "--config", str(rules), "--formatter", "json", *names]
        said = json.loads(run(command, codes=(0, 1), cwd=folder))
    findings = tuple(
        Finding(Path(file["filePath"]).stem, f"line {message['line']}: {message['message']} ({message['ruleId']})")
        for file in said
        for message in file["messages"]
    )
    return Verdict("html-validate", _version(VALIDATOR), len(mails), findings)


RUN_AXE = """axe.run(document, {
    resultTypes: ['violations', 'incomplete', 'passes'],
    rules: {'landmark-one-main': {enabled: false}, 'region': {enabled: false}},
})"""


def axe(mails: Sequence[Mail], images: browser.Images) -> Verdict:
    """All rules of WCAG 2.2 A and AA, and axe's own advice but for landmarks.

    A mail is shown within a page, which has its landmarks already, and a second "main" would confuse. What axe leaves
    to a person is counted, not judged.
    """
    script = _script()
    findings: list[Finding] = []
    doubts: Counter[str] = Counter()
    passes = 0
    with browser.opened() as opened:
        for mail in mails:
            for view in (browser.View(WIDTH, "light"), browser.View(WIDTH, "dark")):
                with browser.shown(opened, mail.html, view, images, scripts=True) as page:
                    page.evaluate(script)
                    said = page.evaluate(RUN_AXE)
                findings += found(f"{mail.name}, {view.scheme}", said["violations"])
                doubts.update(rule["id"] for rule in said["incomplete"])
                passes += len(said["passes"])
    figures = {"rules passed": passes, "left to a person": dict(doubts)}
    return Verdict("axe-core", _version(AXE), len(mails) * 2, tuple(findings), figures)


def _script() -> str:
    try:
        return (AXE / "axe.min.js").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ToolError("axe-core is not installed; scripts/quality installs it") from None


def found(name: str, rules: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    for rule in rules:
        where = rule["nodes"][0]
        more = f" and {len(rule['nodes']) - 1} more" if len(rule["nodes"]) > 1 else ""
        yield Finding(name, f"{rule['help']} ({rule['id']}): {where['html'][:160]}{more}")


def _version(package: Path) -> str:
    try:
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        raise ToolError(f"{package.name} is not installed; scripts/quality installs it") from None
