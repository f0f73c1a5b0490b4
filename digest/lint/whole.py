"""All that is to be said of one mail (pure)."""

from collections.abc import Iterator

from digest.lint import anchors, contrast, form, headers, letter as letters, page as pages, plain, styles, support
from digest.lint.finding import Finding, Severity

ORDER = {severity: place for place, severity in enumerate(Severity)}


def check(content: bytes) -> list[Finding]:
    """The worst first, and among equals as they stand in the mail. Raises LetterError for what is no mail."""
    return sorted(_all(letters.read(content)), key=lambda one: ORDER[one.severity])


def errors(content: bytes) -> list[Finding]:
    return [one for one in check(content) if one.severity is Severity.ERROR]


def _all(letter: letters.Letter) -> Iterator[Finding]:
    yield from form.check(letter)
    yield from headers.check(letter)
    html, text = letter.part("html"), letter.part("plain")
    page = pages.Page(html.text) if html else None
    if page:
        yield from pages.check(page)
        yield from anchors.check(page, letter)
        yield from styles.check(page)
        yield from contrast.check(page)
        yield from support.check(page)
    if text:
        yield from plain.check(text.text, page)
