"""Builders for Publications, Articles and readers, and the keys all tests sign with."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest import addresses, database, publications
from digest.articles import models as articles
from digest.audience import models, preferences, suppression

KEYS = ("an-old-key-that-nobody-ever-guesses-0123", "the-new-key-that-nobody-ever-guesses-456")
HASHER = suppression.Hasher(KEYS)
NOW = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_spec(**changes: Any) -> publications.Spec:
    values = {
        "slug": "mias-feed",
        "name": "Mia’s Feed",
        "sender_name": "Mia",
        "sender_address": "mia@example.org",
        "postal_address": "1 High Street, London",
        "timezone": "Europe/Berlin",
        "frequencies": [{"frequency": f} for f in ("daily", "instant", "weekly", "monthly")],
        "topics": [{"slug": slug, "name": slug.title()} for slug in ("heart", "lungs", "sleep")],
        "first_articles": 2,
    }
    return publications.Spec.model_validate(values | changes)


async def a_publication(db: database.Database, **changes: Any) -> sa.Row[Any]:
    spec = a_spec(**changes)
    values = {"slug": spec.slug, "spec": spec.model_dump(mode="json"), "created_at": NOW, "applied_at": NOW}
    async with db.transaction() as connection:
        await connection.execute(sa.insert(publications.Publication).values(**values))
        return await publications.get(connection, spec.slug)


async def some_articles(db: database.Database, publication_id: int, *topics: tuple[str, ...]) -> None:
    """One released Article for each tuple of topics, at positions 1, 2, 3 …"""
    async with db.transaction() as connection:
        source = sa.insert(articles.Source).values(publication_id=publication_id, address="x", fetch_url="x")
        source_id = (await connection.execute(source.returning(articles.Source.id))).scalar_one()
        for position, carried in enumerate(topics, 1):
            await connection.execute(
                sa.insert(articles.Article).values(
                    publication_id=publication_id,
                    source_id=source_id,
                    guid=str(position),
                    content_hash=str(position),
                    fingerprint="",
                    title=f"Article {position}",
                    topics=list(carried),
                    state=articles.ArticleState.RELEASED,
                    position=position,
                    release_at=NOW,
                    created_at=NOW,
                    updated_at=NOW,
                )
            )
        await connection.execute(sa.update(publications.Publication).values(head=len(topics)))


async def a_subscription(
    db: database.Database, publication: sa.Row[Any], email: str = "anna@example.org", **values: Any
) -> int:
    """An active daily reader, unless said otherwise; `choice` is a Choice."""
    address = addresses.parse(email)
    spec = publications.load(publication.spec)
    choice = values.pop("choice", None) or preferences.fulfil(spec, preferences.Wish(frequency="daily"))
    async with db.transaction() as connection:
        person = sa.insert(models.Subscriber).values(email=email, key=address.key, created_at=NOW)
        row = {
            # Given where the reader is a person that is there already.
            "subscriber_id": values.pop("subscriber_id", None)
            or (await connection.execute(person.returning(models.Subscriber.id))).scalar_one(),
            "publication_id": publication.id,
            "cadence_id": await preferences.cadence_id(connection, publication.id, choice, NOW),
            "topic_set_id": await preferences.topic_set_id(connection, publication.id, choice.topics),
            "state": models.SubscriptionState.ACTIVE,
            "created_at": NOW,
            "confirmed_at": NOW,
        }
        new = sa.insert(models.Subscription).values(row | values).returning(models.Subscription.id)
        return int((await connection.execute(new)).scalar_one())


async def subscription(db: database.Database, subscription_id: int) -> sa.Row[Any]:
    async with db.reading() as connection:
        found = await connection.execute(
            sa.select(models.Subscription).where(models.Subscription.id == subscription_id)
        )
        return found.one()


async def everything(db: database.Database) -> dict[str, Any]:
    """All rows of all tables, to prove that nothing was changed."""
    async with db.reading() as connection:
        return {
            table.name: sorted(map(repr, (await connection.execute(sa.text(f"SELECT * FROM {table.name}"))).all()))
            for table in database.Base.metadata.sorted_tables
        }
