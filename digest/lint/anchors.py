"""The links of a mail: where they lead, what they are called, and whether the way out is among them (pure)."""

import re
from collections.abc import Iterator

from digest.lint import page as pages
from digest.lint.finding import Finding, error, shown, warning
from digest.lint.letter import Letter

# Said again and again, and out of context in a list of links, where screen readers have them.
VAGUE = re.compile(
    r"(?:click )?here|click|link|this|more|read more|learn more|continue reading|details|weiterlesen|mehr|hier|"
    r"lire la suite|en savoir plus|ici|leer más|más|aquí|اقرأ المزيد|هنا",
    re.IGNORECASE,
)
# Where a mail is this long, a way out at its end is a long way off, and the end may be cut off.
LONG = 60_000
EARLY = 25_000


def check(page: pages.Page, letter: Letter) -> Iterator[Finding]:
    found = page.all("a")
    for anchor in found:
        yield from _anchor(anchor)
    if letter.all("List-Unsubscribe"):
        yield from _way_out(page, found, letter)


def _anchor(anchor: pages.Element) -> Iterator[Finding]:
    where, target = pages.place(anchor), (anchor.get("href") or "").strip()
    if not target and anchor.get("name") is None and anchor.get("id") is None:
        yield error("no-target", where, "a link without address", "give it one, or make it text")
    elif re.match(r"(?:javascript|data|vbscript|file):", target, re.IGNORECASE):
        yield error("dangerous-link", where, f"leads to {shown(target)}", "remove it")
    elif target.startswith("http:"):
        yield warning("link-not-https", where, f"leads to {shown(target)}", "use https where the site has it")
    elif target and not re.match(r"https://[^/\s]|mailto:|tel:|#", target):
        yield error("relative-link", where, f"leads to {shown(target)}", "write the whole address; a mail has no home")
    text = pages.words(anchor).strip(" \u00a0→»›.…")
    if target and not text:
        yield error("silent-link", where, f"a link that says nothing, to {shown(target)}", "give it words, or alt text")
    elif VAGUE.fullmatch(text):
        yield error("vague-link", where, f"a link that says {shown(text)}", "name what is behind it")


def _way_out(page: pages.Page, anchors: list[pages.Element], letter: Letter) -> Iterator[Finding]:
    listed = set(re.findall(r"<(https?://[^>]*)>", letter.value("List-Unsubscribe")))
    ways = [anchor for anchor in anchors if (anchor.get("href") or "") in listed]
    if not ways:
        yield error(
            "no-visible-way-out",
            "html",
            "no visible link of List-Unsubscribe's address",
            "show one: providers ask for it beside the header",
        )
        return
    size = len(page.text.encode())
    places = [page.text.find(address.replace("&", "&amp;")) for address in listed]
    first = min((at for at in places if at >= 0), default=size)
    if size > LONG and len(page.text[:first].encode()) > EARLY:
        yield error("late-way-out", "html", "the way out is far down a long mail", "repeat it near the top")
