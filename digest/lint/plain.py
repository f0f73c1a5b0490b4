"""The text part: a mail of its own for those who read nothing else (pure)."""

import re
from collections.abc import Iterator

from digest.lint import page as pages
from digest.lint.finding import Finding, error, shown, warning

WIDEST = 78
_TAG = re.compile(r"</?(?:p|br|div|span|a|b|i|em|strong|table|tr|td|ul|li|h[1-6]|img|style)\b[^>]*>", re.IGNORECASE)
_ENTITY = re.compile(
    r"&(?:nbsp|amp|lt|gt|quot|apos|mdash|ndash|hellip|[rl]squo|[rl]dquo|#\d{2,6}|#x[0-9a-f]{2,5});", re.IGNORECASE
)
_ADDRESS = re.compile(r"https?://\S+")
# Of what the HTML links to, the text may leave out no more than this share: pictures and repeated links.
MISSING_SHARE = 0.1


def check(text: str, page: pages.Page | None) -> Iterator[Finding]:
    if len(text.strip()) < 20:
        yield error("empty-text", "text", "says nothing", "tell in it what the HTML tells")
        return
    for number, line in enumerate(text.split("\n"), 1):
        yield from _line(f"text line {number}", line)
    if page is not None:
        yield from _links(text, page)


def _line(where: str, line: str) -> Iterator[Finding]:
    if found := _TAG.search(line):
        yield error("markup-in-text", where, f"holds {shown(found[0])}", "write the text from its own template")
    elif found := _ENTITY.search(line):
        yield error("entity-in-text", where, f"holds {shown(found[0])}", "write the letter itself")
    # One long word, an address above all, cannot be broken.
    if len(line) > WIDEST and " " in line.strip() and not _ADDRESS.search(line):
        yield warning("wide-text", where, f"has {len(line)} characters", "wrap it at 72; not everybody's program does")


def _links(text: str, page: pages.Page) -> Iterator[Finding]:
    told = {address.rstrip(">).,;") for address in _ADDRESS.findall(text)}
    wanted = {str(anchor.get("href")) for anchor in page.all("a") if str(anchor.get("href", "")).startswith("http")}
    missing = sorted(wanted - told)
    if wanted and len(missing) / len(wanted) > MISSING_SHARE:
        what = f"lacks {len(missing)} of {len(wanted)} links, such as {shown(missing[0])}"
        yield warning("text-lacks-links", "text", what, "let it lead where the HTML leads")
