"""A large installation, made by the database itself in seconds: Publications, Articles, Cadences and a million readers.

Subscribers are left out (their ids are beyond any real one): neither plan nor fill ever reads one.
"""

import dataclasses
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications
from digest.articles import models as articles
from digest.audience import models as audience

NOW = datetime(2026, 11, 2, 6, tzinfo=UTC)
ARTICLES, TOPICS, OLD_SLOTS = 36, 12, 66
# Minutes.
DAY = 24 * 60
# Topics that no Article of the last day carries.
QUIET = "quiet"


@dataclasses.dataclass(frozen=True)
class Audience:
    """Readers of one Publication. `due_at` is when its first Cadence is due; the others are due days later."""

    slug: str
    readers: int
    due_at: datetime
    cadences: int = 1
    topic_sets: int = 8
    is_quiet: bool = False


async def make(db: database.Database, audience_: Audience) -> None:
    async with db.transaction() as connection:
        publication_id = await _publication(connection, audience_)
        cadence_id = await _cadences(connection, publication_id, audience_)
        topic_set_id = await _topic_sets(connection, publication_id, audience_)
        numbers = {"publication": publication_id, "cadence": cadence_id, "topic_set": topic_set_id}
        await connection.execute(_SUBSCRIPTIONS, numbers | _sizes(audience_) | {"now": NOW})


def _sizes(audience_: Audience) -> dict[str, int]:
    return {
        "readers": audience_.readers,
        "cadences": audience_.cadences,
        "topic_sets": audience_.topic_sets,
        "head": ARTICLES,
    }


# Nine readers in ten name Topics. Most had the last digest; every seventh missed some and reaches further back.
_SUBSCRIPTIONS = sa.text(
    """
    INSERT INTO subscriptions (subscriber_id, publication_id, cadence_id, topic_set_id, state, generation, covered_to,
                               created_at, confirmed_at)
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :readers)
    SELECT 1000000000 + n, :publication, :cadence + n % :cadences,
           CASE WHEN n % 10 = 0 THEN NULL ELSE :topic_set + (n / 10) % :topic_sets END,
           'active', 1, :head - 12 - CASE WHEN n % 7 = 0 THEN n % 11 ELSE 0 END, :now, :now
    FROM numbers
    """
).bindparams(sa.bindparam("now", type_=database.UtcDateTime()))


async def _publication(connection: AsyncConnection, audience_: Audience) -> int:
    topics = [f"topic-{number}" for number in range(TOPICS)]
    spec = publications.Spec.model_validate(
        {
            "slug": audience_.slug,
            "name": "A Publication",
            "sender_name": "Mia",
            "sender_address": "mia@example.org",
            "postal_address": "1 High Street, London",
            "frequencies": [{"frequency": "daily"}],
            "topics": [{"slug": slug, "name": slug} for slug in [*topics, QUIET]],
        }
    )
    values = {"slug": spec.slug, "spec": spec.model_dump(mode="json"), "created_at": NOW, "applied_at": NOW}
    new = sa.insert(publications.Publication).values(values | {"head": ARTICLES}).returning(publications.Publication.id)
    publication_id = (await connection.execute(new)).scalar_one()
    await _articles(connection, publication_id, topics)
    return publication_id


async def _articles(connection: AsyncConnection, publication_id: int, topics: list[str]) -> None:
    source = sa.insert(articles.Source).values(publication_id=publication_id, address="x", fetch_url="x")
    source_id = (await connection.execute(source.returning(articles.Source.id))).scalar_one()
    rows = [
        {
            "publication_id": publication_id,
            "source_id": source_id,
            "guid": str(position),
            "content_hash": str(position),
            "fingerprint": "",
            "title": f"Article {position}",
            "topics": [topics[position % TOPICS]],
            "state": articles.ArticleState.RELEASED,
            "position": position,
            "published_at": NOW - timedelta(hours=ARTICLES - position),
            "released_at": NOW - timedelta(hours=ARTICLES - position),
            "release_at": NOW - timedelta(hours=ARTICLES - position),
            "created_at": NOW,
            "updated_at": NOW,
        }
        for position in range(1, ARTICLES + 1)
    ]
    await connection.execute(sa.insert(articles.Article), rows)


async def _cadences(connection: AsyncConnection, publication_id: int, audience_: Audience) -> int:
    """The id of the first of them; the others follow it without a gap. Each has its past Editions."""
    first = audience_.due_at.hour * 60 + audience_.due_at.minute
    rows = [
        {
            "publication_id": publication_id,
            "frequency": "daily",
            "send_at": "{:02}:{:02}".format(*divmod((first + number) % DAY, 60)),
            "timezone": "UTC" if number < DAY else "Europe/Berlin",
            "created_at": NOW - timedelta(days=100),
            "next_due_at": audience_.due_at + timedelta(days=2 if number else 0, minutes=number),
        }
        for number in range(audience_.cadences)
    ]
    await connection.execute(sa.insert(audience.Cadence), rows)
    of_ours = audience.Cadence.publication_id == publication_id
    await connection.execute(_OLD_EDITIONS, {"publication": publication_id, "slots": OLD_SLOTS, "now": NOW})
    return (await connection.execute(sa.select(sa.func.min(audience.Cadence.id)).where(of_ours))).scalar_one()


_OLD_EDITIONS = sa.text(
    """
    INSERT INTO editions (publication_id, cadence_id, slot, due_at, planned_at, upto, state, fill_cursor, settled)
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :slots)
    SELECT :publication, cadences.id, 'past-' || n, :now, :now, 1, 'finished', 0, 0
    FROM numbers CROSS JOIN cadences WHERE cadences.publication_id = :publication
    """
).bindparams(sa.bindparam("now", type_=database.UtcDateTime()))


async def _topic_sets(connection: AsyncConnection, publication_id: int, audience_: Audience) -> int:
    """The id of the first of them; the others follow it without a gap."""
    rows = [
        {"publication_id": publication_id, "key": str(number), "topics": topics}
        for number, topics in enumerate(_choices(audience_))
    ]
    await connection.execute(sa.insert(audience.TopicSet), rows)
    of_ours = audience.TopicSet.publication_id == publication_id
    return (await connection.execute(sa.select(sa.func.min(audience.TopicSet.id)).where(of_ours))).scalar_one()


def _choices(audience_: Audience) -> list[list[str]]:
    """Different choices of Topics, each a subset told by the bits of its number."""
    if audience_.is_quiet:
        return [[QUIET]] * audience_.topic_sets
    masks = range(1, audience_.topic_sets + 1)
    return [[f"topic-{bit}" for bit in range(TOPICS) if mask >> bit & 1] for mask in masks]


async def let_settle(db: database.Database) -> None:
    """What the databases do by themselves within minutes of such a load, so that nothing measured pays for it."""
    if db.is_sqlite:
        await db.close()  # the last connection to go brings the whole log into the file
        return
    async with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
            await connection.exec_driver_sql(statement)
