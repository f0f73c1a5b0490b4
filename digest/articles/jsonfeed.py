"""JSON Feed 1.0 and 1.1 (jsonfeed.org) as raw items, with our extension `_digest: {minutes, related}`. Pure.

Any value may have any type: what is not what the format asks for counts as absent.
"""

import html
import json
from collections.abc import Iterator
from typing import Any

from digest.articles import encoding, raw


def load(text: str) -> dict[str, Any] | None:
    """The document if it is a JSON Feed, else None."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_feed = isinstance(document, dict) and isinstance(document.get("items"), list)
    return document if is_feed and ("jsonfeed.org" in _string(document, "version") or "title" in document) else None


def read(document: dict[str, Any], *, url: str, max_items: int) -> raw.Document:
    home = _string(document, "home_page_url") or url
    items, remarks = [], []
    for number, item in enumerate(document["items"][:max_items], start=1):
        if isinstance(item, dict):
            items.append(_item(item, f"item {number}", home=home))
        else:
            remarks.append((f"item {number}", "is not a JSON object"))
    return raw.Document(title=_plain(document, "title"), items=items, remarks=remarks)


def _item(item: dict[str, Any], where: str, *, home: str) -> raw.Item:
    ours = item.get("_digest") if isinstance(item.get("_digest"), dict) else {}
    url = _string(item, "url") or _string(item, "external_url")
    body = _string(item, "content_html") or _plain_paragraphs(_string(item, "content_text"))
    return raw.Item(
        where=where,
        base=home,
        body_base=url or home,
        guid=_string(item, "id"),
        url=url,
        title=_plain(item, "title"),
        summary=_plain(item, "summary"),
        body=body,
        author=", ".join(_authors(item)),
        minutes=_string(ours, "minutes"),
        dates=[_string(item, "date_published"), _string(item, "date_modified")],
        categories=[encoding.sound(tag) for tag in _list(item, "tags") if isinstance(tag, str)],
        images=[raw.Image(_string(item, key)) for key in ("image", "banner_image")] + list(_attached(item)),
        related=[raw.Link(_string(link, "url"), _plain(link, "title")) for link in _objects(ours, "related")],
    )


def _authors(item: dict[str, Any]) -> Iterator[str]:
    author = item.get("author")  # version 1.0 knew only one
    for person in [*_objects(item, "authors"), *([author] if isinstance(author, dict) else [])]:
        if name := _plain(person, "name"):
            yield name


def _attached(item: dict[str, Any]) -> Iterator[raw.Image]:
    for file in _objects(item, "attachments"):
        if _string(file, "mime_type").startswith("image/"):
            yield raw.Image(
                _string(file, "url"), _string(file, "title"), type=_string(file, "mime_type"), bytes=_bytes(file)
            )


def _bytes(file: dict[str, Any]) -> int:
    size = file.get("size_in_bytes")
    return size if isinstance(size, int) and not isinstance(size, bool) else 0


def _string(thing: Any, key: str) -> str:
    """Ids are numbers in some feeds; the format says to take them as strings."""
    value = thing.get(key)
    if isinstance(value, str):
        return encoding.sound(value).strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _plain(thing: Any, key: str) -> str:
    return html.escape(_string(thing, key), quote=False)


def _plain_paragraphs(text: str) -> str:
    blocks = [html.escape(block.strip(), quote=False) for block in text.replace("\r\n", "\n").split("\n\n")]
    return "".join(f"<p>{block.replace(chr(10), '<br>')}</p>" for block in blocks if block)


def _list(thing: Any, key: str) -> list[Any]:
    value = thing.get(key)
    return value if isinstance(value, list) else []


def _objects(thing: Any, key: str) -> list[dict[str, Any]]:
    return [entry for entry in _list(thing, key) if isinstance(entry, dict)]
