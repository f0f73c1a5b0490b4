"""RSS 0.9 to 2.0 and Atom 0.3 to 1.0 as raw items. Pure.

One mapping serves all of them: elements go by prefix and name, whatever version they come from, because real feeds
mix vocabularies freely. Nothing is cleaned here.
"""

import html
from collections.abc import Iterator
from itertools import islice

from lxml import etree

from digest.articles import raw, tree, weblinks
from digest.articles.pictures import noise

_PREFIXES = {
    "http://www.w3.org/2005/atom": "",
    "http://purl.org/atom/ns#": "",
    "http://purl.org/rss/1.0/": "",
    "http://my.netscape.com/rdf/simple/0.9/": "",
    "http://channel.netscape.com/rdf/simple/0.9/": "",
    "http://backend.userland.com/rss2": "",
    "http://purl.org/rss/1.0/modules/content/": "content",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://purl.org/dc/terms/": "dc",
    "http://search.yahoo.com/mrss/": "media",
    "http://search.yahoo.com/mrss": "media",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "http://rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "urn:digest:feed:1": "digest",
}
_RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_ROOTS = {"rss", "feed", "rdf", "channel"}
_DATES = ("pubdate", "published", "dc:date", "dc:issued", "issued", "dc:created", "created", "updated", "modified",
          "dc:modified", "date")  # fmt: skip
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp")

Fields = dict[str, list[tree.Node]]


def is_feed(root: tree.Node) -> bool:
    return tree.local_name(root) in _ROOTS


def read(root: tree.Node, *, url: str, max_items: int) -> raw.Document:
    """The first items of a tree for which `is_feed` holds, in document order."""
    channel = next((node for node in root.iter() if tree.local_name(node) in ("channel", "feed")), root)
    fields = _fields(channel)
    home = weblinks.absolute(_address(fields, "alternate"), url) or url
    nodes = (node for node in root.iter() if tree.local_name(node) in ("item", "entry"))
    items = [_item(node, number, home=home) for number, node in enumerate(islice(nodes, max_items), start=1)]
    return raw.Document(title=_headline(fields), items=items)


def _item(node: tree.Node, number: int, *, home: str) -> raw.Item:
    fields = _fields(node)
    has_base = any(parent.get(_XML_BASE) for parent in (node, *node.iterancestors()))
    base = node.base if has_base and node.base else home
    summary, body = _texts(fields)
    guid, is_link = _guid(node, fields)
    url = _text(fields, "feedburner:origlink") or _address(fields, "alternate") or (guid if is_link else "")
    return raw.Item(
        where=f"item {number}",
        base=base,
        # Without xml:base, relative links in a text were written for the page it stands on.
        body_base=_body_base(fields) if has_base else weblinks.absolute(url, base) or base,
        guid=guid,
        url=url,
        title=_headline(fields),
        summary=summary,
        body=body,
        author=_author(fields),
        minutes=_text(fields, "digest:minutes"),
        dates=[_text(fields, name) for name in _DATES if name in fields],
        categories=list(_categories(fields)),
        images=list(_images(fields)),
        related=[raw.Link(link.get("href"), link.get("title") or "") for link in _links(fields, "related")],
    )


def _fields(node: tree.Node) -> Fields:
    """Children by "prefix:name"; those of a media:group count as the item's own. Unknown vocabularies are left out."""
    found: Fields = {}
    for child in node:
        name = _name(child)
        if name == "media:group":
            for key, nodes in _fields(child).items():
                found.setdefault(key, []).extend(nodes)
        elif name:
            found.setdefault(name, []).append(child)
    return found


def _name(node: tree.Node) -> str:
    local = tree.local_name(node)
    if not local:
        return ""
    qualified = str(node.tag)
    if qualified.startswith("{"):
        prefix = _PREFIXES.get(qualified[1:].partition("}")[0].strip().lower())
    else:
        # An undeclared prefix is taken at its word: the tag then is "media:content" as a whole.
        prefix = qualified.rpartition(":")[0].lower()
    if prefix is None:
        return ""
    return f"{prefix}:{local}" if prefix else local


def _text(fields: Fields, name: str) -> str:
    """The first one's plain content."""
    return next((text for node in fields.get(name, ()) if (text := "".join(node.itertext()).strip())), "")


def _markup(fields: Fields, *names: str) -> str:
    """The first one's content as HTML."""
    nodes = (node for name in names for node in fields.get(name, ()))
    return next((text for node in nodes if (text := _html(node))), "")


def _headline(fields: Fields) -> str:
    nodes = (node for name in ("title", "dc:title", "media:title", "itunes:title") for node in fields.get(name, ()))
    texts = (html.escape("".join(node.itertext()), quote=False) if len(node) else _html(node) for node in nodes)
    return next((text for text in texts if text.strip()), "")


def _html(node: tree.Node) -> str:
    """Text constructs (RFC 4287 §3.1). RSS never says what it means, and nearly always means HTML."""
    # Atom 0.3 said by "mode" what 1.0 says by "type".
    kind = "html" if node.get("mode") == "escaped" else (node.get("type") or "").lower()
    if len(node):
        return _inner(node)
    text = (node.text or "").strip()
    is_atom = "atom" in str(node.tag).lower()
    if kind in ("text", "text/plain") or (is_atom and not kind):
        return html.escape(text, quote=False)
    if "/" in kind and kind not in ("text/html", "application/xhtml+xml") and is_atom:
        return ""  # Atom carries base64 pictures or whole XML documents this way
    return text


def _inner(node: tree.Node) -> str:
    """Markup that stands in the feed as elements (XHTML), without its namespaces."""
    for inside in node.iter():
        if isinstance(inside.tag, str):
            inside.tag = inside.tag.rpartition("}")[2].rpartition(":")[2]
    etree.cleanup_namespaces(node)
    start = html.escape(node.text or "", quote=False)
    return start + "".join(etree.tostring(child, method="html", encoding="unicode") for child in node)


def _texts(fields: Fields) -> tuple[str, str]:
    """Summary and body. One text alone is the body: the summary is made from it later."""
    body = _markup(fields, "content:encoded", "content")
    names = ("description", "summary", "dc:description", "dc:abstract", "media:description", "itunes:summary")
    summary = _markup(fields, *names) or _markup(fields, "itunes:subtitle")
    return (summary, body) if body else ("", summary)


def _body_base(fields: Fields) -> str:
    nodes = [node for name in ("content:encoded", "content", "description", "summary") for node in fields.get(name, ())]
    return str(nodes[0].base or "") if nodes else ""


def _guid(node: tree.Node, fields: Fields) -> tuple[str, bool]:
    """The item's identity, and whether RSS says it is a link too (isPermaLink is true unless denied)."""
    for guid in fields.get("guid", ()):
        if text := (guid.text or "").strip():
            denied = (guid.get("isPermaLink") or guid.get("ispermalink") or "true").strip().lower() == "false"
            return text, not denied and text.startswith(("http://", "https://"))
    atom_id = _text(fields, "id")
    return (atom_id, False) if atom_id else ((node.get(_RDF_ABOUT) or "").strip(), False)


def _address(fields: Fields, relation: str) -> str:
    links = list(_links(fields, relation))
    pages = [link for link in links if "html" in (link.get("type") or "html")]
    if pages or links:
        return str((pages or links)[0].get("href")).strip()
    return next((text for link in fields.get("link", ()) if (text := (link.text or "").strip())), "")


def _links(fields: Fields, relation: str) -> Iterator[tree.Node]:
    for link in fields.get("link", ()):
        if link.get("href") and (link.get("rel") or "alternate").strip().lower() == relation:
            yield link


def _author(fields: Fields) -> str:
    names = [_person(node) for key in ("dc:creator", "author", "itunes:author") for node in fields.get(key, ())]
    return ", ".join(dict.fromkeys(name for name in names if name))


def _person(node: tree.Node) -> str:
    inside = _fields(node)
    if "name" in inside:
        return html.escape(_text(inside, "name"), quote=False)
    return "" if "email" in inside else "".join(node.itertext()).strip()


def _categories(fields: Fields) -> Iterator[str]:
    for key in ("category", "dc:subject", "media:category"):
        for node in fields.get(key, ()):
            yield from (text for text in (node.get("term"), node.get("label"), node.text) if text)
    for node in fields.get("itunes:category", ()):
        yield node.get("text") or ""


def _images(fields: Fields) -> Iterator[raw.Image]:
    """The likeliest first: what the feed calls the item's picture, its previews, then attached files."""
    contents = [node for node in fields.get("media:content", ()) if _is_picture(node)]
    for node in sorted(contents, key=lambda node: -_size(node)[0]):
        yield raw.Image(node.get("url") or "", _alt(node), *_size(node), node.get("type") or "", _bytes(node))
    nested = (_fields(node) for node in fields.get("media:content", ()))
    for inside in (fields, *nested):
        for node in inside.get("media:thumbnail", ()):
            yield raw.Image(node.get("url") or (node.text or "").strip(), _alt(node), *_size(node))
    for node in (*fields.get("enclosure", ()), *_links(fields, "enclosure")):
        if _is_picture(node):
            url, kind = node.get("url") or node.get("href") or "", node.get("type") or ""
            yield raw.Image(url, node.get("title") or "", type=kind, bytes=_bytes(node))
    for node in (*fields.get("image", ()), *fields.get("featured_image", ()), *fields.get("thumbnail", ())):
        yield raw.Image(_text(_fields(node), "url") or (node.text or "").strip(), _text(_fields(node), "title"))
    for node in fields.get("itunes:image", ()):
        yield raw.Image(node.get("href") or "")


def _is_picture(node: tree.Node) -> bool:
    kind = (node.get("medium") or node.get("type") or "").lower()
    if kind:
        return kind.startswith("image")
    return str(node.get("url") or node.get("href") or "").partition("?")[0].lower().endswith(_PICTURES)


def _alt(node: tree.Node) -> str:
    """What the picture shows. A media:title next to it, not in it, names the item instead."""
    inside = _fields(node)
    return _text(inside, "media:description") or _text(inside, "media:title")


def _size(node: tree.Node) -> tuple[int, int]:
    return noise.pixels(node.get("width")), noise.pixels(node.get("height"))


def _bytes(node: tree.Node) -> int:
    text = str(node.get("fileSize") or node.get("length") or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
