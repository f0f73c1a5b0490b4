"""Who never confirms is forgotten three days after the request went out."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import addresses, publications
from digest.announcements import Announcement
from digest.audience import models as audience, preferences, signup, trail
from digest.outbox import models, unconfirmed
from tests.support import cast, table

pytestmark = pytest.mark.anyio
KEPT, SECOND = unconfirmed.KEPT, timedelta(seconds=1)


async def ask(db, publication, email="bea@example.org", *, now):
    choice = preferences.fulfil(publications.load(publication.spec), preferences.Wish("daily"))
    asked = signup.Asked(now, "/subscribe/mias-feed")
    request = signup.Request(publication.id, addresses.parse(email), choice, asked=asked)
    async with db.transaction() as connection:
        return await signup.ask(connection, cast.HASHER, request, door=trail.Door.PAGE, now=now)


async def sent(db, subscription_id, *, now, finished_at):
    """The request to confirm is a Delivery, finished or still on its way."""
    values = {"kind": "confirm", "publication_id": 1, "subscription_id": subscription_id, "created_at": now}
    state = models.DeliveryState.SENT if finished_at else models.DeliveryState.QUEUED
    async with db.transaction() as connection:
        await connection.execute(sa.insert(models.Delivery).values(**values, state=state, finished_at=finished_at))
        done = sa.update(audience.Subscription).where(audience.Subscription.id == subscription_id)
        await connection.execute(done.values(notice_due=None))


async def counts(db):
    tables = (audience.Subscriber, audience.Subscription, audience.Change, audience.Consent)
    async with db.reading() as connection:
        return [await connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables]


async def test_they_are_forgotten_with_all_that_was_known_of_them(db, now):
    publication = await cast.a_publication(db)
    reader = await ask(db, publication, now=now)
    await sent(db, reader, now=now, finished_at=now + SECOND)
    assert await counts(db) == [1, 1, 1, 1]
    assert await unconfirmed.run(db, now + KEPT + SECOND) == 0
    assert await unconfirmed.run(db, now + KEPT + 2 * SECOND) == 1
    assert await counts(db) == [0, 0, 0, 0]


async def test_not_before_their_mail_is_three_days_old_however_long_it_took(db, now):
    reader = await ask(db, await cast.a_publication(db), now=now)
    assert await unconfirmed.run(db, now + 2 * KEPT) == 0
    await sent(db, reader, now=now, finished_at=None)
    assert await unconfirmed.run(db, now + 2 * KEPT) == 0
    arrived = sa.update(models.Delivery).values(finished_at=now + KEPT)
    async with db.transaction() as connection:
        await connection.execute(arrived)
    assert await unconfirmed.run(db, now + 2 * KEPT) == 0
    assert await unconfirmed.run(db, now + 2 * KEPT + SECOND) == 1


async def test_readers_and_lists_of_the_operator_stay(db, now):
    publication = await cast.a_publication(db)
    await cast.a_subscription(db, publication, "anna@example.org")
    await cast.a_subscription(db, publication, "imported@example.org", state=audience.SubscriptionState.PENDING)
    before = await cast.everything(db)
    assert await unconfirmed.run(db, now + 10 * KEPT) == 0
    assert await cast.everything(db) == before


async def test_who_had_left_once_has_left_again_and_is_not_forgotten(db, now):
    publication = await cast.a_publication(db)
    left = audience.SubscriptionState.UNSUBSCRIBED
    reader = await cast.a_subscription(db, publication, "bea@example.org", state=left, left_at=now, covered_to=5)
    await ask(db, publication, now=now + SECOND)
    await sent(db, reader, now=now, finished_at=now + SECOND)
    assert await unconfirmed.run(db, now + 2 * KEPT) == 1
    row = await cast.subscription(db, reader)
    assert (row.state, row.left_at, row.covered_to, row.generation) == (left, now, 5, 2)
    assert await unconfirmed.run(db, now + 4 * KEPT) == 0


async def test_a_person_with_another_subscription_stays(db, now):
    publication, other = await cast.a_publication(db), await cast.a_publication(db, slug="other")
    await cast.a_subscription(db, other, "bea@example.org")
    reader = await ask(db, publication, now=now)
    await sent(db, reader, now=now, finished_at=now)
    assert await unconfirmed.run(db, now + 2 * KEPT) == 1
    assert (await counts(db))[:2] == [1, 1]


async def test_what_was_to_be_told_of_them_or_was_told_is_forgotten_too(db, now):
    publication = await cast.a_publication(db)
    reader = await ask(db, publication, now=now)
    other = await cast.a_subscription(db, publication, "anna@example.org")
    for about in (reader, other):
        values = {"endpoint_id": 1, "event": "subscription.subscribed", "at": now, "due_at": now, "facts": {}}
        await table.add(db, Announcement, **values, subscription_id=about, body='{"email": "them@example.org"}')
    await sent(db, reader, now=now, finished_at=now)
    assert await unconfirmed.run(db, now + 2 * KEPT) == 1
    assert [row.subscription_id for row in await table.rows(db, Announcement)] == [other]
