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
    topics: tuple[str, ...] | None
    begins_after: int

    def wants(self, article: Article) -> bool:
        held = None if self.topics is None else frozenset(self.topics)
        return article.position > self.begins_after and choose.matches(article.topics, held)


@dataclass
class Verdict:
    """What became of one reader's Articles. `waiting` are for a digest that is not due yet."""

    reader: Reader
    letters: list[Letter]
    told: int = 0
    lost: list[Name] = field(default_factory=list)
    twice: list[Name] = field(default_factory=list)
    unwanted: list[Name] = field(default_factory=list)
    waiting: int = 0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.unwanted)


def judge(reader: Reader, letters: Iterable[Letter], articles: Sequence[Article], *, end: datetime) -> Verdict:
    """Go through the reader's digests in order of arrival."""
    mine = [letter for letter in letters if letter.recipient == reader.email and letter.is_digest]
    verdict = Verdict(reader, mine)
    wanted = [article for article in articles if reader.wants(article)]
    open_: Counter[Name] = Counter(article.name for article in wanted)
    known = Counter(open_)
    for letter in mine:
        for name in letter.told:
            if open_[name]:
                open_[name] -= 1
                verdict.told += 1
            else:
                (verdict.twice if known[name] else verdict.unwanted).append(name)
        verdict.told += _settle_counted(open_, letter, wanted)
    overdue = Counter(article.name for article in wanted if article.released_at <= settled_until(reader.rule, end))
    overdue.subtract(known - open_)
    verdict.lost = list((+overdue & +open_).elements())
    verdict.waiting = (+open_).total() - len(verdict.lost)
    return verdict


def _settle_counted(open_: Counter[Name], letter: Letter, wanted: Sequence[Article]) -> int:
    """ "And 12 more": right only if exactly twelve were out by then and told nowhere else."""
    counted = [article.name for article in wanted if article.released_at <= letter.at and open_[article.name]]
    if not letter.more or len(counted) != letter.more:
        return 0
    open_.subtract(counted)
    return letter.more


def settled_until(rule: cadence.Rule, end: datetime) -> datetime:
    """All that was released by then must have arrived by `end`."""
    if rule.frequency is cadence.Frequency.INSTANT:
        return end - plan.INSTANT_PAUSE
    due = cadence.latest_due(rule, since=end - timedelta(days=60), now=end)
    return due.at if due else end
