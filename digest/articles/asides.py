"""Lines of an Article that are not the Article: captions, share buttons, advertisements, leftovers of software. Pure.

In the languages and publishing systems we met.
"""

import re

_LONGEST = 300  # characters: what is longer is a text
_TAIL = 600  # characters looked at, for searching a whole article at every space takes longer than reading it
_MORE = (
    "Read more|Keep reading|Learn more|View more|Weiterlesen|Mehr lesen|Zum Artikel|Lire la suite|En savoir plus"
    "|Leer más|Seguir leyendo|Continua a leggere|Leia mais|Lees verder|اقرأ المزيد"
)
_NETWORKS = "facebook|twitter|x|linkedin|whatsapp|reddit|instagram|mastodon|bluesky|pinterest|telegram|e-?mail|pocket"
# At the end of an excerpt, put there by publishing systems.
_APPENDED = tuple(
    re.compile(rf"\s*{pattern}\s*$")
    for pattern in (
        r"The post .{1,300} (?:first appeared|appeared first) on .{1,200}\.?",
        r"(?:Der Beitrag|L[’']article|La entrada) .{1,300} "
        r"(?:erschien zuerst auf|est apparu en premier sur|se publicó primero en) .{1,200}\.?",
        r"(?:Continue reading|Read the rest|Read the full)\b.{0,200}",
        # With a capital, and nothing after it but what it is about: "those who read more" is part of a sentence.
        rf"[\[(<«→]?\s*\b(?:{_MORE})(?:\s+(?:about|on|of|at|this|here|in|from)\b.{{0,200}}|\W{{0,6}})",
        r"(?:\[(?:…|\.{3}|&hellip;|[Mm]ore|link|comments)\]|\([Mm]ore\s?(?:…|\.{3})?\))",
        r"submitted by\s+/?u/\S+(?:\s+to r/\S+)?",
        r"(?:^|(?<=[.!?…”]))\s*(?:(?:\d+ )?Comments?|Permalink|Tweet|Share|Source|Link)",
    )
)
# A whole paragraph of it, in whatever case.
_ASIDES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:share|tweet|like|follow)"
        rf"(?: (?:this|us|me|on|via|with|the|article|story|post|page|{_NETWORKS}))+\b.{{0,80}}",
        r"(?:click to (?:share|e-?mail|print|tweet)|teilen (?:auf|sie|per)|partager (?:sur|cet))\b.{0,80}",
        rf"(?:(?:share|tweet|print|save|copy link|like|loading|{_NETWORKS})\b[\s,|·:…]*)+",
        r"(?:advertisement|advertising|sponsored(?: content)?|anzeige|werbung|publicité|publicidad)\W{0,3}",
        r"(?:(?:photo|image|picture|photograph|illustration|foto|bild)s?(?: credit)?|credit|getty images|ap photo)"
        r"(?: by (?-i:[A-ZÀ-Þ])| courtesy\b| ?[:/©]).{0,160}",
        # A name: so many words with a capital, and nothing else.
        r"(?:by|von|par|por|written by) "
        r"(?-i:[A-ZÀ-Þ][\w.'’-]+(?:,? (?:(?:and|und|et|y|van|von|de|der|la|bin) )*|$)){1,6}",
        r"(?:last )?(?:updated|published|posted|aktualisiert|veröffentlicht)\b[^.!?]{0,80}",
        r"(?:listen to|watch|download) (?:this|the) (?:article|story|episode|post|podcast|video|audio)\b.{0,80}",
        r"(?:sign up|subscribe|register|join)\b.{0,60}"
        r"\b(?:newsletter|e-?mails?|inbox|mailing list|updates|channel|podcast)\b.{0,80}",
        r"(?:read|see|hear|watch) (?:more|also|next)\b.{0,160}",
        r"(?:related|recommended|also read|siehe auch|lire aussi)\s?:.{0,160}",
        r"(?:table of )?contents\W?|skip to .{0,40}|\d{1,3} min(?:ute)?s?(?: read)?\W?|estimated reading time\b.{0,40}",
        r"this (?:article|post|story) (?:was )?(?:first|originally)(?: was)? (?:appeared|published)\b.{0,160}",
        r"this (?:article|post|page) (?:may contain|contains) affiliate links?\b.{0,160}|disclosure:.{0,200}",
    )
)


def is_one(text: str) -> bool:
    """Whether a whole paragraph is an aside."""
    if len(text) > _LONGEST:
        return False
    is_known = any(pattern.fullmatch(text) for pattern in _ASIDES)
    return is_known or not without_additions(text) or not re.search(r"\w", text)


def without_additions(text: str) -> str:
    """A text on one line without what software put at its end; several may follow each other."""
    head, tail, before = text[:-_TAIL], text[-_TAIL:], None
    while before != tail:
        before = tail
        for pattern in _APPENDED:
            tail = pattern.sub("", tail)
    return (head + tail).strip()


def is_cut(before: str, after: str) -> bool:
    """Whether what is left stops where the publishing system cut, perhaps in the middle of a sentence."""
    return bool(after) and after != before and not after.endswith((".", "!", "?", "…", "。", "”", '"'))
