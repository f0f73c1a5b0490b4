"""What a digest tells, and in which order: the Stories, the choice for one variant, and the pieces both become.

The superset holds every piece any variant may need; `arrange` names those of one variant in reading order. Pure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from digest.editions import tidy

# A piece is known by its kind and what it is about: an Article's id, a topic's slug, or nothing.
Key = tuple[str, int | str]
Topics = Sequence[tuple[str, str]]
# More names than this and the opening sentence is a list nobody reads.
NAMED_TOPICS = 3


@dataclass(frozen=True)
class Story:
    """An Article as composing sees it. Equal Stories look the same, so blocks are kept by the Story itself."""

    id: int
    version: int
    title: str
    url: str | None
    standfirst: str = ""
    image_url: str | None = None
    image_alt: str = ""
    image_width: int = 0  # in pixels of its own; 0 is not known
    image_height: int = 0
    author: str = ""
    source: str = ""
    minutes: int = 0
    published_at: datetime | None = None
    related: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Choice:
    """One variant: (Article id, topic slug) in full and as links, best first, and how many are only counted.

    The slug is the first topic of the Article that this reader holds; None puts it under the general heading. The last
    `short` of those in full go without standfirst, picture and related links.
    """

    full: tuple[tuple[int, str | None], ...]
    links: tuple[tuple[int, str | None], ...] = ()
    more: int = 0
    short: int = 0


@dataclass(frozen=True)
class Facts:
    """What an Edition and its Cadence say of themselves; `since` and `upto` are local dates, both included.

    In a notice `upto` is the day of the first or next digest, and `topics` are the names of those chosen; none means
    all. `paused` is the first day with mail again; `changed` says what the reader changed: rhythm, topics. `until` is
    when, by local time, the link to agree to another address ends.
    """

    frequency: str
    upto: date
    since: date | None = None
    weekday: int = 0
    send_at: time = time(7, 0)
    timezone: str = "UTC"
    topics: tuple[str, ...] = ()
    paused: date | None = None
    changed: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True)
class Told:
    """What the sentences about a variant are made of."""

    count: int
    lead: Story
    kicker: str
    topics: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Piece:
    """One block of the document, rendered by `parts/<kind>.html` and `.txt`."""

    kind: str
    about: int | str = ""
    story: Story | None = None
    name: str = ""

    @property
    def key(self) -> Key:
        return (self.kind, self.about)


def clean(story: Story, without: Callable[[str], str]) -> Story:
    """The Story with every text fit for a mail; `without` takes out what only we may write."""

    def line(text: str) -> str:
        return tidy.line(without(text))

    def url(address: str | None) -> str | None:
        return tidy.url(without(address or ""))

    links = [(line(title), url(address)) for title, address in story.related]
    return replace(
        story,
        title=line(story.title) or line(story.url or "") or "—",
        url=url(story.url),
        standfirst=line(story.standfirst),
        image_url=url(story.image_url),
        image_alt=line(story.image_alt),
        author=line(story.author),
        source=line(story.source),
        related=tuple((title, address) for title, address in links if title and address),
    )


def smaller(choice: Choice) -> list[Choice]:
    """The same Articles told with less and less: shorter, then fewer in full, then fewer as links.

    The lead stays, and what is no longer told by name is counted. The first is the choice itself.
    """
    picks, others = (*choice.full, *choice.links), len(choice.full) - 1
    steps = [(len(choice.full), short, len(choice.links)) for short in range(choice.short, others + 1)]
    steps += [(full, full - 1, len(picks) - full) for full in range(others, 0, -1)]
    steps += [(1, 0, links) for links in range(len(picks) - 2, -1, -1)]
    return [
        Choice(picks[:full], picks[full : full + links], choice.more + len(picks) - full - links, short)
        for full, short, links in steps
    ]


def superset(stories: Iterable[Story], topics: Topics) -> list[Piece]:
    """Every piece any choice among these Stories can need, nested as a document must be.

    A `short` is a `story` without standfirst, picture and related links, for a mail that would grow too large.
    """
    stories = list(stories)
    headings = [Piece("heading", slug, name=name) for slug, name in topics]
    return [
        Piece("open"),
        *_each("lead", stories),
        *headings,
        Piece("heading"),
        *_each("story", stories),
        *_each("short", stories),
        Piece("brief"),
        *_each("link", stories),
        Piece("brief_end"),
        Piece("more"),
        Piece("close"),
    ]


def _each(kind: str, stories: Iterable[Story]) -> Iterator[Piece]:
    return (Piece(kind, story.id, story=story) for story in stories)


def arrange(choice: Choice, topics: Topics) -> list[Key]:
    """The pieces of one variant in reading order."""
    keys: list[Key] = [("open", "")]
    keys += [("lead", article_id) for article_id, _ in choice.full[:1]]
    keys += _sections(choice, topics)
    if choice.links:
        keys += [("brief", ""), *(("link", article_id) for article_id, _ in choice.links), ("brief_end", "")]
    if choice.more:
        keys.append(("more", ""))
    return [*keys, ("close", "")]


def _sections(choice: Choice, topics: Topics) -> Iterator[Key]:
    """Headings in the Publication's order, the general one last, each with its Articles in the order chosen."""
    under: dict[str, list[Key]] = {slug: [] for slug in (*(slug for slug, _ in topics), "")}
    in_full = len(choice.full) - choice.short
    for place, (article_id, slug) in enumerate(choice.full[1:], 1):
        # A topic may have left the Publication since the Article was chosen.
        under.get(slug or "", under[""]).append(("story" if place < in_full else "short", article_id))
    for slug, keys in under.items():
        if keys:
            yield ("heading", slug)
            yield from keys


def tell(choice: Choice, stories: Mapping[int, Story], topics: Topics) -> Told:
    told = (*choice.full, *choice.links)
    names = dict(topics)
    held = [names[slug] for _, slug in told if slug in names]
    return Told(
        count=len(told) + choice.more,
        lead=stories[told[0][0]],
        kicker=names.get(told[0][1] or "", ""),
        topics=tuple(dict.fromkeys(held))[:NAMED_TOPICS] if len(set(held)) <= NAMED_TOPICS else (),
        more=choice.more,
    )
