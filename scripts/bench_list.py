"""An installation with readers who can be mailed: a Publication, its Articles, and an Edition for each round.

The readers are made by the database itself in one statement, so a million take seconds. Those of round 0 get the
first Edition, those of round 1 the second: no round finds anything another one has sent.
"""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications
from digest.articles import models as articles
from digest.audience import models as audience
from digest.editions import contents, plan
from digest.outbox import fill

TOPICS, DOMAINS = 4, 500
# Long ago enough for any round to be over before it is due again.
NEVER = timedelta(days=300)


@dataclasses.dataclass(frozen=True)
class Readers:
    """`articles` tells how long a mail is: every Article carries every Topic, so each choice brings all of them.

    Round 0 is a small one: the sending process warms up with it, as one that runs for weeks is warm.
    """

    slug: str
    articles: int
    rounds: int
    per_round: int
    first: int = 64

    @property
    def total(self) -> int:
        return self.first + self.rounds * self.per_round


async def make(db: database.Database, readers: Readers) -> None:
    now = datetime.now(UTC)
    async with db.transaction() as connection:
        publication_id = await _publication(connection, readers, now)
        numbers = {"publication": publication_id, "now": now, "total": readers.total, "domains": DOMAINS}
        numbers |= {"topic_set": await _topic_sets(connection, publication_id), "topic_sets": TOPICS}
        numbers |= {"cadence": await _cadences(connection, publication_id, readers, now)}
        numbers |= {"first": readers.first, "per_round": max(readers.per_round, 1)}
        numbers |= {
            "start": await connection.scalar(sa.select(sa.func.coalesce(sa.func.max(audience.Subscriber.id), 0)))
        }
        await connection.execute(_SUBSCRIBERS, numbers)
        if not db.is_sqlite:
            # Ids were chosen here, of which its sequence knows nothing.
            await connection.execute(_GO_ON)
        await connection.execute(_SUBSCRIPTIONS, numbers)


_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :total)"
_NOW = sa.bindparam("now", type_=database.UtcDateTime())

_SUBSCRIBERS = sa.text(
    f"""
    INSERT INTO subscribers (id, email, key, name, created_at)
    {_NUMBERS}
    SELECT :start + 1 + n, address, address, 'Reader ' || n, :now
    FROM (SELECT n, 'reader' || (:start + n) || '@d' || (n % :domains) || '.example.org' AS address FROM numbers) AS new
    """
).bindparams(_NOW)

_GO_ON = sa.text("SELECT setval(pg_get_serial_sequence('subscribers', 'id'), max(id)) FROM subscribers")

_SUBSCRIPTIONS = sa.text(
    f"""
    INSERT INTO subscriptions (subscriber_id, publication_id, cadence_id, topic_set_id, state, generation, covered_to,
                               created_at, confirmed_at)
    {_NUMBERS}
    SELECT :start + 1 + n, :publication,
           :cadence + CASE WHEN n < :first THEN 0 ELSE 1 + (n - :first) / :per_round END,
           :topic_set + n % :topic_sets, 'active', 1, 0, :now, :now
    FROM numbers
    """
).bindparams(_NOW)


async def _publication(connection: AsyncConnection, readers: Readers, now: datetime) -> int:
    topics = [f"topic-{number}" for number in range(TOPICS)]
    spec = publications.Spec.model_validate(
        {
            "slug": readers.slug,
            "name": "Mia’s Feed",
            "tagline": "Medical news and research",
            "sender_name": "Mia",
            "sender_address": "mia@example.org",
            "postal_address": "1 High Street, London",
            "frequencies": [{"frequency": "daily"}],
            "topics": [{"slug": slug, "name": slug.title()} for slug in topics],
            "max_items": 50,
        }
    )
    values = {"slug": spec.slug, "spec": spec.model_dump(mode="json"), "created_at": now, "applied_at": now}
    new = sa.insert(publications.Publication).values(values | {"head": readers.articles})
    publication_id = (await connection.execute(new.returning(publications.Publication.id))).scalar_one()
    source = sa.insert(articles.Source).values(
        publication_id=publication_id, address="x", fetch_url="x", title="The Example Journal", is_polled=False
    )
    source_id = (await connection.execute(source.returning(articles.Source.id))).scalar_one()
    rows = [_article(publication_id, source_id, number, now) for number in range(1, readers.articles + 1)]
    await connection.execute(sa.insert(articles.Article), rows)
    return publication_id


def _article(publication_id: int, source_id: int, number: int, now: datetime) -> dict[str, Any]:
    return {
        "publication_id": publication_id,
        "source_id": source_id,
        "guid": str(number),
        "url": f"https://news.example.org/articles/{number}",
        "content_hash": str(number),
        "fingerprint": "",
        "title": f"Study {number}: what ten thousand steps a day do, and what they do not",
        "standfirst": "A trial with nine years of follow-up found a smaller effect than hoped, yet a lasting one.",
        "author": "Ada Diaz",
        "minutes": number % 7 + 1,
        "topics": [f"topic-{topic}" for topic in range(TOPICS)],
        "state": articles.ArticleState.RELEASED,
        "position": number,
        "published_at": now - timedelta(hours=number),
        "released_at": now - timedelta(hours=number),
        "release_at": now - timedelta(hours=number),
        "created_at": now,
        "updated_at": now,
    }


async def _topic_sets(connection: AsyncConnection, publication_id: int) -> int:
    """Choices of all Topics but one. The id of the first; the others follow it."""
    rows = [
        {
            "publication_id": publication_id,
            "key": str(left_out),
            "topics": [f"topic-{number}" for number in range(TOPICS) if number != left_out],
        }
        for left_out in range(TOPICS)
    ]
    await connection.execute(sa.insert(audience.TopicSet), rows)
    of_ours = audience.TopicSet.publication_id == publication_id
    return int((await connection.execute(sa.select(sa.func.min(audience.TopicSet.id)).where(of_ours))).scalar_one())


async def _cadences(connection: AsyncConnection, publication_id: int, readers: Readers, now: datetime) -> int:
    """One for each round. The id of the first; the others follow it."""
    rows = [
        {
            "publication_id": publication_id,
            "frequency": "daily",
            "send_at": f"07:{number:02}",
            "timezone": "UTC",
            "created_at": now,
            "next_due_at": now + NEVER,
        }
        for number in range(readers.rounds + 1)
    ]
    await connection.execute(sa.insert(audience.Cadence), rows)
    of_ours = audience.Cadence.publication_id == publication_id
    return int((await connection.execute(sa.select(sa.func.min(audience.Cadence.id)).where(of_ours))).scalar_one())


async def make_due(db: database.Database, slug: str, round_: int, at: datetime) -> None:
    cadence = audience.Cadence
    publication_id = sa.select(publications.Publication.id).where(publications.Publication.slug == slug)
    ours = sa.and_(cadence.publication_id == publication_id.scalar_subquery(), cadence.send_at == f"07:{round_:02}")
    async with db.transaction() as connection:
        await connection.execute(sa.update(cadence).where(ours).values(next_due_at=at))


async def queue(db: database.Database, slug: str, round_: int, *, batch_size: int = 2000) -> None:
    """Plan and fill the Edition of this round, so that nothing is left but to send it."""
    now = datetime.now(UTC)
    await make_due(db, slug, round_, now)
    await plan.run(db, plan.Policy(), now)
    filler = fill.Filler(contents.Shelves(), contents.Topics(), batch_size=batch_size)
    while (await fill.run(db, filler, now)).more:
        pass
    await db.close()  # so that the log of what was filled is in the file, and nobody who sends pays for it
