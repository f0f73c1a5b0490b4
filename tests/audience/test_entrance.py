"""What becomes of sign-ups that wait: who is asked, how often, and what a look that fails leaves."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import addresses, database, links, publications
from digest.audience import entrance, erase, models, preferences, signup, suppression, trail
from digest.audience.models import SuppressionReason
from digest.run import bugs
from tests.support import cast

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
FREE = entrance.Rules("", "", "", "")


async def enter(db, publication, email="bea@example.org", *, now, frequency="weekly", origin="a"):
    choice = preferences.fulfil(publications.load(publication.spec), preferences.Wish(frequency))
    request = signup.Request(publication.id, addresses.parse(email), choice, locale="de")
    form = entrance.Form(request, entrance.Origin(origin, origin), "https://mia.example/", "You ask for it.")
    async with db.transaction() as connection:
        return await entrance.enter(connection, cast.HASHER, form, FREE, now)


async def run(db, now, trap=bugs.caught):
    return await entrance.run(db, cast.HASHER, now, trap=trap)


async def subscriptions(db):
    async with db.reading() as connection:
        return (await connection.execute(sa.select(models.Subscription).order_by(models.Subscription.id))).all()


async def count(db, model):
    async with db.reading() as connection:
        return await connection.scalar(sa.select(sa.func.count()).select_from(model))


async def sent(db):
    """Take the requests that are due as sent; how many that were."""
    due = sa.update(models.Subscription).where(models.Subscription.notice_due == "confirm")
    async with db.transaction() as connection:
        return (await connection.execute(due.values(notice_due=None))).rowcount


async def test_a_stranger_is_asked_with_what_they_chose_and_their_consent_on_record(db, now):
    publication = await cast.a_publication(db)
    await enter(db, publication, now=now)
    assert await run(db, now + timedelta(seconds=2)) == 1
    (row,) = await subscriptions(db)
    assert (row.state, row.notice_due, row.locale) == ("pending", "confirm", "de")
    async with db.reading() as connection:
        consent = (await connection.execute(sa.select(models.Consent))).one()
        words = await connection.scalar(sa.select(models.Wording.text).where(models.Wording.key == consent.wording))
        cadence = (await connection.execute(sa.select(models.Cadence))).one()
    assert (consent.asked_at, consent.page, consent.origin_hash) == (now, "https://mia.example/", "a")
    assert (words, cadence.frequency) == ("You ask for it.", "weekly")
    assert await count(db, models.SignUp) == 0
    assert await run(db, now) == 0


async def test_a_reader_is_told_once_a_day_and_loses_nothing(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication, "bea@example.org", covered_to=7)
    await enter(db, publication, now=now)
    await run(db, now)
    row = await cast.subscription(db, reader)
    assert (row.state, row.notice_due, row.covered_to) == ("active", "already", 7)
    assert await count(db, models.Consent) == 0


async def test_ten_thousand_sign_ups_for_one_address_from_a_thousand_places_are_one_mail_a_day(db, now):
    publication = await cast.a_publication(db)
    values = await _as_rows(db, publication, now)
    async with db.transaction() as connection:
        for start in range(0, 10_000, 500):
            await connection.execute(
                sa.insert(models.SignUp),
                [values | {"origin_hash": f"place {number % 1000}"} for number in range(start, start + 500)],
            )
    mails = []
    for day in range(5):
        for half in (0, 12):
            at = now + day * DAY + timedelta(hours=half)
            await enter(db, publication, now=at, origin=f"{day} {half}")
            await run(db, at)
            mails.append(await sent(db))
    # At most one a day, and three in thirty days.
    assert mails == [1, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert await count(db, models.SignUp) == 0
    assert await count(db, models.Subscription) == 1


async def _as_rows(db, publication, now):
    """The columns of one that waits."""
    await enter(db, publication, now=now)
    async with db.transaction() as connection:
        row = (await connection.execute(sa.delete(models.SignUp).returning(models.SignUp))).one()
    return {name: value for name, value in row._mapping.items() if name != "id"}


async def test_an_address_hears_from_several_publications_but_not_from_all_at_once(db, now):
    several = [await cast.a_publication(db, slug=f"p{number}") for number in range(5)]
    for publication in several:
        await enter(db, publication, now=now)
    await run(db, now)
    assert await sent(db) == 3


@pytest.mark.parametrize(
    ("reason", "asked"),
    [(SuppressionReason.REFUSED, 0), (SuppressionReason.COMPLAINED, 0), (SuppressionReason.ERASED, 1)],
)
async def test_suppressed_addresses_are_not_asked_but_who_was_erased_may_come_back(db, now, reason, asked):
    publication = await cast.a_publication(db)
    async with db.transaction() as connection:
        await suppression.add(connection, cast.HASHER, "bea@example.org", reason=reason, now=now)
    await enter(db, publication, now=now)
    assert await run(db, now) == 1
    assert await sent(db) == asked
    assert await count(db, models.SignUp) == 0


async def test_asked_again_only_the_newest_wish_is_on_record_and_confirmed(db, now):
    publication = await cast.a_publication(db)
    for days, frequency in ((0, "weekly"), (2, "monthly")):
        await enter(db, publication, now=now + days * DAY, frequency=frequency)
        await run(db, now + days * DAY)
    (row,) = await subscriptions(db)
    older, newer = (links.ConfirmToken(row.id, row.generation, now + days * DAY) for days in (0, 2))
    async with db.transaction() as connection:
        # What the first mail asked for is not what would be confirmed now.
        answer = await signup.confirm(connection, cast.HASHER, older, now=now + 2 * DAY)
        assert answer is signup.Confirming.STALE
        answer = await signup.confirm(connection, cast.HASHER, newer, now=now + 3 * DAY)
        assert answer is signup.Confirming.CONFIRMED
    async with db.reading() as connection:
        (consent,) = (await connection.execute(sa.select(models.Consent))).all()
    assert (consent.asked_at, consent.confirmed_at) == (now + 2 * DAY, now + 3 * DAY)


async def test_one_that_breaks_waits_and_stops_nobody(db, now, monkeypatch):
    publication = await cast.a_publication(db)
    for name in ("bea", "cleo", "dora"):
        await enter(db, publication, f"{name}@example.org", now=now)
    original = signup.ask

    async def ask(connection, hasher, request, **more):
        if request.address.local == "cleo":
            raise RuntimeError("broken")
        return await original(connection, hasher, request, **more)

    monkeypatch.setattr(signup, "ask", ask)
    assert await run(db, now) == 3
    assert len(await subscriptions(db)) == 2
    monkeypatch.setattr(signup, "ask", original)
    assert await run(db, now + timedelta(minutes=1)) == 0
    assert await run(db, now + entrance.PUT_OFF) == 1
    assert len(await subscriptions(db)) == 3


async def test_two_nodes_let_each_in_once(db, db_url, now):
    publication = await cast.a_publication(db)
    for number in range(60):
        await enter(db, publication, f"b{number}@example.org", now=now)
    other = database.connect(db_url)
    counts = await asyncio.gather(run(db, now), run(other, now))
    await other.close()
    assert sum(counts) == 60
    assert [row.notice_due for row in await subscriptions(db)] == ["confirm"] * 60
    async with db.reading() as connection:
        asked = sa.select(sa.func.count()).select_from(models.Change).where(models.Change.what == trail.What.ASKED)
        assert await connection.scalar(asked) == 60


async def test_erasing_forgets_what_waits(db, now):
    publication = await cast.a_publication(db)
    await enter(db, publication, now=now)
    async with db.transaction() as connection:
        await erase.erase(connection, cast.HASHER, "bea@example.org", now=now)
    assert await count(db, models.SignUp) == 0
