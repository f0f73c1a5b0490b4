"""Where an HTML page says its feeds are (`<link rel=alternate>`), for an operator who gave the page's address. Pure."""

from html.parser import HTMLParser

from digest.articles import encoding, weblinks

# In the order a reader would choose; comment feeds and the like are the page's own order within a kind.
_TYPES = ("application/atom+xml", "application/rss+xml", "application/feed+json", "application/rdf+xml",
          "application/json", "application/xml", "text/xml")  # fmt: skip
_HEAD = 500_000  # characters: feeds are named in the head, and pages can be of any size
_MOST = 20


def read(document: bytes, *, url: str, content_type: str | None = None) -> tuple[str, ...]:
    """Absolute feed URLs, most likely first; none if the page names no feed."""
    page = _Page()
    page.feed(encoding.text(document[:_HEAD], content_type=content_type))
    base = weblinks.absolute(page.base, url) or url
    found = [(_rank(kind, title), weblinks.absolute(href, base)) for kind, title, href in page.links]
    ordered = sorted((pair for pair in found if pair[1]), key=lambda pair: pair[0])
    return tuple(dict.fromkeys(link for _, link in ordered if link))[:_MOST]


def _rank(kind: str, title: str) -> int:
    """A feed of comments comes after every feed of articles."""
    return _TYPES.index(kind) + (len(_TYPES) if "comment" in title.lower() else 0)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.links: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = self.base or values.get("href", "")
        elif tag == "link" and "alternate" in values.get("rel", "").lower().split():
            kind = values.get("type", "").partition(";")[0].strip().lower()
            # oEmbed names itself application/json+oembed, WordPress its API application/json: neither is a feed.
            if kind in _TYPES and values.get("href") and "wp-json" not in values["href"]:
                self.links.append((kind, values.get("title", ""), values["href"]))
