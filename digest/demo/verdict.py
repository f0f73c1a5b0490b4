"""Who should have got what, held against what arrived: Articles lost, told twice, or told to the wrong reader. Pure.

The received mails are the evidence; of the database only facts are used that no delivery can change: which Articles
there are, since when, and what each reader asked for.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from digest.demo.letters import Letter, Name
from digest.editions import cadence, choose, plan


@dataclass(frozen=True)
class Article:
    name: Name
    topics: tuple[str, ...]
    position: int
    released_at: datetime


@dataclass(frozen=True)
class Reader:
    """`begins_after` is the position below which the archive lay when this reader came."""

    email: str
    name: str
    rule: cadence.Rule
    zone: str
    topics: tuple[str, ...] | None
    begins_after: int

    def wants(self, article: Article) -> bool:
        held = None if self.topics is None else frozenset(self.topics)
        return article.position > self.begins_after and choose.matches(article.topics, held)


@dataclass(frozen=True)
class Digest:
    """A received digest, and all it tells: by the mail itself and by the list it links to."""

    letter: Letter
    told: tuple[Name, ...]


@dataclass
class Verdict:
    """What became of one reader's Articles. `waiting` are for a digest that is not due yet."""

    reader: Reader
    digests: list[Digest]
    told: int = 0
    lost: list[Name] = field(default_factory=list)
    twice: list[Name] = field(default_factory=list)
    unwanted: list[Name] = field(default_factory=list)
    waiting: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.unwanted)


def judge(reader: Reader, received: Iterable[Digest], articles: Sequence[Article], *, end: datetime) -> Verdict:
    """Go through what this reader got, in order of arrival."""
    verdict = Verdict(reader, [digest for digest in received if digest.letter.recipient == reader.email])
    wanted = [article for article in articles if reader.wants(article)]
    # Counted, not collected: some feeds give many items one address and title.
    known = Counter(article.name for article in wanted)
    missing = Counter(known)
    for name in (name for digest in verdict.digests for name in digest.told):
        if missing[name]:
            missing[name] -= 1
            verdict.told += 1
        else:
            (verdict.twice if known[name] else verdict.unwanted).append(name)
    until = settled_until(reader.rule, end)
    due = Counter(article.name for article in wanted if article.released_at <= until)
    due.subtract(known - missing)
    verdict.lost = list((+due).elements())
    verdict.waiting = missing.total() - len(verdict.lost)
    return verdict


def settled_until(rule: cadence.Rule, end: datetime) -> datetime:
    """All that was released by then must have arrived by `end`."""
    if rule.frequency is cadence.Frequency.INSTANT:
        return end - plan.INSTANT_PAUSE
    # Longer than any two digests lie apart.
    due = cadence.latest_due(rule, since=end - timedelta(days=60), now=end)
    return due.at if due else end
