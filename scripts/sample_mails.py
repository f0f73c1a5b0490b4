"""Mails of sample content in every layout and language, composed as they would be sent: for `sheet` and `quality`.

The content is that of the demonstration, with Arabic and with extremes from `samples/` beside it. No database is asked.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from PIL import Image

from digest import database, links, publications, templating, zones
from digest.articles import parse, topics
from digest.audience import address_changes, preferences
from digest.commands import proofs
from digest.editions import choose, compose, outline, typeset
from digest.outbox import signing_keys, writer

HERE = Path(__file__).resolve().parent
DEMO = templating.data_dir("config") / "demo"
TEMPLATES = templating.data_dir("templates") / "email"
SITE = "https://feed.example/"
NOW = datetime(2026, 11, 9, 6, 0, tzinfo=UTC)
# How much there is to tell; what only differs in number has the demonstration's Articles.
AMOUNTS = {"one": 1, "five": 5, "fifteen": 15, "sixty": 60}
CONTENTS = (*AMOUNTS, "extremes")
INSTANT = "instant"
# What the feeds tell of: when they are told again, they are so much older, and no story stands beside itself.
FEED_DAYS = timedelta(days=14)
ARABIC = {
    "cardiology": "أمراض القلب",
    "infectious-disease": "الأمراض المعدية",
    "mental-health": "الصحة النفسية",
    "nutrition": "التغذية",
    "child-health": "صحة الطفل",
    "research-methods": "مناهج البحث",
}
READERS = {"en": ("Anna Berg", "anna.berg@example.org"), "ar": ("سارة حداد", "sara@example.org")}


@dataclasses.dataclass(frozen=True)
class Sample:
    """One mail: a digest with this content, or the notice that `content` names."""

    layout: str
    content: str
    locale: str = "en"

    @property
    def name(self) -> str:
        return f"{self.layout}-{self.content}-{self.locale}"


def layouts() -> list[str]:
    return typeset.layouts(TEMPLATES)


def digests(locales: tuple[str, ...]) -> Iterator[Sample]:
    """Every layout in every language with every content, and the form of a single Article sent as it happens."""
    for layout, locale in itertools.product(layouts(), locales):
        yield from (Sample(layout, content, locale) for content in (*CONTENTS, INSTANT))


def notices(locales: tuple[str, ...]) -> Iterator[Sample]:
    yield from (Sample(*one) for one in itertools.product(layouts(), typeset.NOTICES, locales))


def images() -> dict[str, bytes]:
    """Those of the samples, by their addresses in the mails."""
    return {f"{SITE}images/{path.name}": path.read_bytes() for path in (DEMO / "images").iterdir()}


class Press:
    """Composes samples; mails are signed with a key that was made for this occasion."""

    def __init__(self, folder: Path, at: datetime = NOW) -> None:
        self._at = at
        signing_keys.make(folder / "key.pem", "rsa")
        entry = signing_keys.Entry("mias-feed.example", "sample", folder / "key.pem")
        imprint = writer.Imprint("https://news.mias-feed.example", "samples", "", signing_keys.load((entry,)))
        signer = links.Signer(["sample-key-" * 4])
        # Nothing here asks the database, but a Writer has one.
        nowhere = database.connect(f"sqlite:///{folder / 'nowhere.db'}")
        self._writer = writer.Writer(nowhere, compose.Composer(), signer, imprint)

    async def proof(self, sample: Sample) -> proofs.Proof:
        return await proofs.compose(self._writer, dataclasses.replace(material(sample), at=self._at), id_=1)


def material(sample: Sample) -> proofs.Material:
    spec = publication(sample)
    is_notice = sample.content in typeset.NOTICES
    stories = () if is_notice else _stories(sample)
    name, address = READERS.get(sample.locale, READERS["en"])
    frequency = INSTANT if sample.content == INSTANT else "weekly"
    choice = preferences.fulfil(spec, preferences.Wish(frequency=frequency))
    return proofs.Material(
        publication_id=1,
        spec=spec,
        reader=proofs.Reader(choice, address, name, sample.locale),
        facts=_facts(frequency, is_notice=is_notice),
        at=NOW,
        notice=sample.content if is_notice else None,
        stories=tuple(story for story, _ in stories),
        chosen=None if is_notice else _chosen(spec, stories),
    )


Filed = tuple[outline.Story, choose.Candidate]


def publication(sample: Sample) -> publications.Spec:
    spec = publications.read(templating.data_dir("config") / "publications" / "mias-feed.toml")
    changes: dict[str, object] = {"layout": sample.layout, "base_url": "https://news.mias-feed.example"}
    if sample.locale == "ar":
        changes |= {
            "name": "خلاصة ميا",
            "tagline": "أخبار الطب وأبحاثه، بهدوء",
            "description": "دراسات جديدة، وما تبيّنه وما لا تبيّنه، كل منها في دقيقتين. "
            "اختاروا كم مرة تودون أن تصلكم أخبارنا، وعن ماذا.",
            "topics": tuple(topic.model_copy(update={"name": ARABIC[topic.slug]}) for topic in spec.topics),
        }
    return spec.model_copy(update=changes)


def _stories(sample: Sample) -> tuple[Filed, ...]:
    """The newest first."""
    spec = publication(sample)
    wanted = 1 if sample.content == INSTANT else AMOUNTS.get(sample.content)
    entries = sorted(feed(sample).entries, key=lambda entry: entry.published_at or NOW, reverse=True)
    count = wanted or len(entries)
    repeated = enumerate(itertools.islice(itertools.cycle(entries), count))
    return tuple(_filed(spec, entry, number, FEED_DAYS * (number // len(entries))) for number, entry in repeated)


def feed(sample: Sample) -> parse.Feed:
    if sample.content == "extremes":
        return _read(HERE / "samples" / "extremes.json")
    return _read(HERE / "samples" / "arabic.json" if sample.locale == "ar" else DEMO / "feed.xml")


def _read(path: Path) -> parse.Feed:
    found = parse.read(path.read_bytes(), url=SITE + "feed")
    assert not found.faults, found.faults
    return found


def _filed(spec: publications.Spec, entry: parse.Entry, number: int, age: timedelta) -> Filed:
    """The Article a feed's entry becomes; `number` counts from the newest."""
    at = (entry.published_at or NOW) - age
    width, height = _size(entry)
    story = outline.Story(
        id=1000 - number,
        version=1,
        title=entry.title,
        url=entry.url,
        standfirst=entry.standfirst,
        image_url=entry.image_url,
        image_alt=entry.image_alt,
        image_width=width,
        image_height=height,
        author=entry.author,
        source=spec.name,
        minutes=entry.minutes,
        published_at=at,
        related=tuple((link.title, link.url) for link in entry.related),
    )
    return story, choose.Candidate(story.id, story.id, topics.match(spec.topics, entry), at, at)


def _size(entry: parse.Entry) -> tuple[int, int]:
    """As the feed says, or as the pass that looks at pictures would have found."""
    path = DEMO / "images" / (entry.image_url or "-").rpartition("/")[2]
    if entry.image_width or not path.is_file():
        return entry.image_width, entry.image_height
    with Image.open(path) as image:
        return image.size


def _chosen(spec: publications.Spec, stories: tuple[Filed, ...]) -> choose.Chosen:
    limits = choose.Limits(1, spec.max_items, spec.max_links, timedelta(0))
    reach = choose.Reach(None, 0, 10_000)
    found = choose.choose([one for _, one in stories], reach, limits=limits, topic_order=spec.topic_slugs, now=NOW)
    assert isinstance(found, choose.Chosen)
    return found


def _facts(frequency: str, *, is_notice: bool) -> outline.Facts:
    """A notice names the day of the first digest, a digest the days it tells of."""
    upto = date(2026, 11, 16) if is_notice else date(2026, 11, 9)
    since = None if is_notice or frequency == INSTANT else date(2026, 11, 2)
    until = (NOW + address_changes.LASTS).astimezone(zones.get("Europe/Berlin")) if is_notice else None
    return outline.Facts(frequency, upto, since, 0, time(7, 0), "Europe/Berlin", until=until)
