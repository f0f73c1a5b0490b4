"""Others' opinion of our mails: `scripts/quality [--quick] [--only CHECK] [--page FILE]`.

Prints ONE JSON document on stdout, and a table on stderr. Exit code 1 when something has to be mended or a checker
could not do its work. --quick: English and Arabic only. --page writes docs/quality.md, or wherever it says.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import quality_html  # noqa: E402
import quality_mime  # noqa: E402
import quality_report  # noqa: E402
import quality_spam  # noqa: E402
import sample_mails  # noqa: E402
from quality_verdict import Mail, ToolError, Verdict  # noqa: E402

from digest import errors  # noqa: E402
from digest.commands import proofs  # noqa: E402

LOCALES, FEW_LOCALES = ("en", "de", "ar", "fr", "es"), ("en", "ar")
CHECKS: dict[str, Callable[[Sequence[Mail]], Verdict]] = {
    "html-validate": quality_html.validate,
    "axe": lambda mails: quality_html.axe(mails, sample_mails.images()),
    "mime": quality_mime.parse,
    "spamassassin": quality_spam.spamassassin,
    "rspamd": quality_spam.rspamd,
}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    locales = FEW_LOCALES if options.quick else LOCALES
    mails = asyncio.run(_compose([*sample_mails.digests(locales), *sample_mails.notices(locales)]))
    try:
        verdicts = [CHECKS[name](mails) for name in options.only or CHECKS]
    except (ToolError, errors.DigestError) as error:
        print(f"scripts/quality: {error}", file=sys.stderr)
        return 1
    print("\n".join(quality_report.table(verdicts)), file=sys.stderr)
    if options.page:
        page = quality_report.page(verdicts, len(mails), datetime.now(UTC).date())
        options.page.write_text(page, encoding="utf-8")
    found = quality_report.document(verdicts, len(mails))
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0 if found["ok"] else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/quality", description="Has others judge sample mails.")
    parser.add_argument("--quick", action="store_true", help="two languages instead of all")
    parser.add_argument("--only", action="append", choices=list(CHECKS), help="more than once for more")
    parser.add_argument("--page", type=Path, help="write the figures there too, as docs/quality.md has them")
    return parser.parse_args(arguments)


async def _compose(samples: Iterable[sample_mails.Sample]) -> list[Mail]:
    """Dated today, for an old date counts against a mail."""
    with tempfile.TemporaryDirectory() as folder:
        press = sample_mails.Press(Path(folder), at=datetime.now(UTC))
        return [_mail(sample.name, await press.proof(sample)) for sample in samples]


def _mail(name: str, proof: proofs.Proof) -> Mail:
    return Mail(name, proof.html, proof.text, proof.subject, proof.letter.content)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
