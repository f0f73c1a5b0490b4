"""Who comes and who is forgotten at the same moment: PostgreSQL only, for SQLite lets one write after the other."""

import asyncio
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import addresses
from digest.audience import erase, importing, intake, joining, models, preferences, rows, signup, suppression, trail
from digest.outbox import unconfirmed
from tests.support import cast, table

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("db_url", ["postgres"], indirect=True)]
BEN = "ben@example.org"
State = models.SubscriptionState


async def bring(db, publication, text, *, now):
    source = rows.read(io.StringIO(text, newline=""))
    return await importing.run(db, source, importing.Order(publication, cast.HASHER, now, confirmed=True))


async def take(connection, publication, *, now):
    taker = await intake.Intake.prepared(connection, importing.Order(publication, cast.HASHER, now, confirmed=True))
    row = rows.Row(1, addresses.parse(BEN), preferences.Wish())
    return await taker.take(connection, {BEN: row})


async def forget(db, *, now):
    async with db.transaction() as connection:
        return await erase.erase(connection, cast.HASHER, BEN, now=now)


async def readers(db):
    """(address, state) of all Subscriptions, and what stands without the other."""
    pairs = sa.select(models.Subscriber.email, models.Subscription.state).select_from(
        sa.outerjoin(
            models.Subscriber,
            models.Subscription,
            models.Subscription.subscriber_id == models.Subscriber.id,
            full=True,
        )
    )
    async with db.reading() as connection:
        return [tuple(row) for row in await connection.execute(pairs)]


async def while_open(db, work, other):
    """What came of `other`, begun while the transaction of `work` was open and ended after it."""
    async with db.transaction() as connection:
        await work(connection)
        task = asyncio.create_task(other)
        # It may wait for us, or be done; both are right as long as the outcome is.
        await asyncio.wait({task}, timeout=0.3)
    return await task


async def test_an_import_does_not_bring_back_who_was_erased_while_it_looked(db, now, monkeypatch):
    publication = await cast.a_publication(db)
    look_up = intake.Intake._look_up

    async def slow(self, connection, good):
        found = await look_up(self, connection, good)
        await forget(db, now=now)
        return found

    monkeypatch.setattr(intake.Intake, "_look_up", slow)
    report = await bring(db, publication, f"email\n{BEN}\ncleo@example.org\n", now=now)
    assert (report.imported, report.refused) == (1, [(2, "is suppressed (erased): not revived")])
    assert await readers(db) == [("cleo@example.org", State.ACTIVE)]


@pytest.mark.parametrize("is_known", [True, False])
async def test_an_erasure_reaches_who_is_just_brought_in(db, now, is_known):
    publication = await cast.a_publication(db)
    if is_known:
        await cast.a_subscription(db, await cast.a_publication(db, slug="other"), BEN)
    was_there = await while_open(db, lambda connection: take(connection, publication, now=now), forget(db, now=now))
    assert was_there
    assert await readers(db) == []


async def test_a_sign_up_does_not_bring_back_who_is_just_erased(db, now):
    publication = await cast.a_publication(db)
    choice = preferences.Choice("daily", 0, "07:00", "UTC")

    async def sign_up():
        async with db.transaction() as connection:
            request = signup.Request(publication.id, addresses.parse(BEN), choice)
            return await signup.ask(connection, cast.HASHER, request, door=trail.Door.PAGE, now=now)

    async def complain(connection):
        await suppression.add(connection, cast.HASHER, BEN, reason=models.SuppressionReason.COMPLAINED, now=now)
        await erase.erase(connection, cast.HASHER, BEN, now=now)

    with pytest.raises(signup.SignupError, match="may not write"):
        await while_open(db, complain, sign_up())
    assert await readers(db) == []


async def test_an_older_consent_does_not_bring_back_who_is_just_erased(db, now):
    publication = await cast.a_publication(db)

    async def join():
        async with db.transaction() as connection:
            request = signup.Request(
                publication.id, addresses.parse(BEN), preferences.Choice("daily", 0, "07:00", "UTC")
            )
            agreement = joining.Agreement(now - timedelta(days=1), "the counter")
            await joining.join(connection, cast.HASHER, request, agreement, now=now)

    async def forget_ben(connection):
        await erase.erase(connection, cast.HASHER, BEN, now=now)

    with pytest.raises(signup.SignupError, match="after this consent"):
        await while_open(db, forget_ben, join())
    assert await readers(db) == []


async def test_who_never_confirmed_here_stays_if_a_list_brings_them_elsewhere(db, now):
    here, there = await cast.a_publication(db), await cast.a_publication(db, slug="other")
    old = now - timedelta(days=9)
    pending = await cast.a_subscription(db, here, BEN, state=State.PENDING, confirmed_at=None, created_at=old)
    asked = {"subscription_id": pending, "at": old, "what": "asked", "door": "page", "before": {}}
    await table.add(db, models.Change, **asked)
    forgotten = await while_open(db, lambda connection: take(connection, there, now=now), unconfirmed.run(db, now))
    assert forgotten == 1
    assert await readers(db) == [(BEN, State.ACTIVE)]


@pytest.mark.parametrize("states", [("active", "unsubscribed"), ("bounced", "bounced")])
async def test_two_lists_of_the_same_people_do_not_wait_in_a_ring(db, now, states):
    publication = await cast.a_publication(db)
    for batch in "abcd":
        people = [(f"{'az'[number % 2]}{batch}{number}@example.org", states[number % 2]) for number in range(1500)]
        mixed = "".join(f"{address},{state}\n" for address, state in people)
        others = "".join(f"{address},{states[0]}\n" for address, _ in reversed(people))
        lists = (bring(db, publication, f"email,state\n{text}", now=now) for text in (mixed, others))
        found = await asyncio.gather(*lists)
        assert sum(report.imported + report.left + report.suppressed for report in found) == len(people)
