"""What the database knows that no delivery can change: the Articles there are, and what each reader asked for."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles import models as articles
from digest.audience import models as audience
from digest.demo import feeds, letters, verdict
from digest.editions import plan


async def released(connection: AsyncConnection) -> list[verdict.Article]:
    """Every Article that has a position."""
    article = articles.Article
    statement = sa.select(article).where(article.position.is_not(None)).order_by(article.position)
    return [
        verdict.Article(letters.name_of(row.url, row.title), tuple(row.topics), row.position, row.released_at)
        for row in await connection.execute(statement)
    ]


async def readers(connection: AsyncConnection, programme: feeds.Programme) -> list[verdict.Reader]:
    """Every reader as of now; to be asked right after the import, before anything is settled for them."""
    subscription, subscriber = audience.Subscription, audience.Subscriber
    cadence, topics = audience.Cadence, audience.TopicSet
    statement = (
        sa.select(
            subscriber.email,
            subscriber.name,
            subscription.covered_to,
            topics.topics,
            *(cadence.frequency, cadence.weekday, cadence.send_at, cadence.timezone),
        )
        .join(subscriber, subscriber.id == subscription.subscriber_id)
        .join(cadence, cadence.id == subscription.cadence_id)
        .outerjoin(topics, topics.id == subscription.topic_set_id)
        .order_by(subscription.id)
    )
    # `instant` needs no zone, so its Cadence has none of its own; the reader has one all the same.
    zones = {row.address.spelling: row.wish.timezone for row in programme.readers}
    return [_reader(row, programme.spec, zones.get(row.email)) for row in await connection.execute(statement)]


def _reader(row: Any, spec: publications.Spec, zone: str | None) -> verdict.Reader:
    topics = None if row.topics is None else tuple(row.topics)
    return verdict.Reader(
        email=row.email,
        name=row.name,
        rule=plan.rule_of(row, spec),
        zone=zone or row.timezone,
        topics=topics,
        begins_after=row.covered_to,
    )
