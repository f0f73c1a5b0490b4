"""Where everybody may look, without a token: one function per address, so that each is spelled in one place. Pure.

`base` is where readers reach the service, or only its path for links within a page.
"""

from datetime import date


def archive(base: str, slug: str) -> str:
    return f"{base}/archive/{slug}"


def archive_dates(base: str, slug: str, frequency: str) -> str:
    return f"{archive(base, slug)}/{frequency}"


def archive_page(base: str, slug: str, frequency: str, day: date) -> str:
    return f"{archive_dates(base, slug, frequency)}/{day.isoformat()}"


def archive_feed(base: str, slug: str, frequency: str) -> str:
    return f"{archive_dates(base, slug, frequency)}/feed.atom"


def subscribe(base: str, slug: str) -> str:
    return f"{base}/subscribe/{slug}"
