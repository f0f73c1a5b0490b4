from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import addresses, publications
from digest.audience import joining, models, preferences, signup, suppression, trail, undoing, unsubscribe
from digest.links import ConfirmToken, MailToken
from tests.support import cast

pytestmark = pytest.mark.anyio
State, Confirming = models.SubscriptionState, signup.Confirming
ANNA = "Anna@Example.org"


async def ask(db, publication, *, now, frequency=None, topics=None):
    spec = publications.load(publication.spec)
    choice = preferences.fulfil(spec, preferences.Wish(frequency, topics=topics))
    request = signup.Request(publication.id, addresses.parse(ANNA), choice, name="Anna", locale="en")
    async with db.transaction() as connection:
        return await signup.ask(connection, cast.HASHER, request, door=trail.Door.PAGE, now=now)


async def confirm(db, subscription_id, generation=1, *, now):
    async with db.transaction() as connection:
        return await signup.confirm(connection, cast.HASHER, ConfirmToken(subscription_id, generation, now), now=now)


async def leave(db, subscription_id, generation, *, now):
    async with db.transaction() as connection:
        token = MailToken(subscription_id, generation, 1)
        return await unsubscribe.leave(connection, token, door=trail.Door.PAGE, now=now)


async def test_asking_makes_a_pending_reader_who_is_sent_the_request_alone(db, now):
    publication = await cast.a_publication(db)
    reader = await ask(db, publication, now=now)
    row = await cast.subscription(db, reader)
    assert (row.state, row.notice_due, row.confirmed_at, row.covered_to) == (State.PENDING, "confirm", None, 0)
    async with db.reading() as connection:
        person = (await connection.execute(sa.select(models.Subscriber))).one()
    assert (person.email, person.key, person.name) == (ANNA, "anna@example.org", "Anna")


async def test_confirming_starts_with_the_newest_few_articles_and_a_welcome(db, now):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, ("heart",), ("heart",), ("heart",), ("lungs",))
    reader = await ask(db, publication, now=now, topics=("heart",))
    assert await confirm(db, reader, now=now) is Confirming.CONFIRMED
    row = await cast.subscription(db, reader)
    assert (row.state, row.notice_due, row.confirmed_at, row.covered_to) == (State.ACTIVE, "welcome", now, 1)


async def test_a_publication_without_a_welcome_orders_none(db, now):
    reader = await ask(db, await cast.a_publication(db, welcome=False), now=now)
    await confirm(db, reader, now=now)
    assert (await cast.subscription(db, reader)).notice_due is None


async def test_a_confirmation_works_once_and_only_for_what_it_was_asked_for(db, now):
    reader = await ask(db, await cast.a_publication(db), now=now)
    assert await confirm(db, reader, 2, now=now) is Confirming.STALE
    assert await confirm(db, reader + 1, now=now) is Confirming.STALE
    await confirm(db, reader, now=now)
    before = await cast.everything(db)
    assert await confirm(db, reader, now=now + timedelta(hours=1)) is Confirming.ALREADY
    assert await cast.everything(db) == before
    await leave(db, reader, 1, now=now)
    assert await confirm(db, reader, now=now) is Confirming.STALE
    assert (await cast.subscription(db, reader)).state is State.UNSUBSCRIBED


async def test_machines_whose_clocks_differ_confirm_all_the_same(db, now):
    publication = await cast.a_publication(db)
    ahead = now + timedelta(minutes=20)
    id_ = await ask(db, publication, now=ahead)
    assert await confirm(db, id_, now=now) is Confirming.CONFIRMED
    other = await cast.a_publication(db, slug="other")
    id_ = await ask(db, other, now=ahead)
    spec = publications.load(other.spec)
    choice = preferences.fulfil(spec, preferences.Wish())
    request = signup.Request(other.id, addresses.parse(ANNA), choice)
    async with db.transaction() as connection:
        agreement = joining.Agreement(now, "the counter")
        joined = await joining.join(connection, cast.HASHER, request, agreement, now=now - timedelta(hours=2))
    assert (joined.subscription_id, joined.is_new) == (id_, False)
    assert (await cast.subscription(db, id_)).state is State.ACTIVE


async def test_asking_for_what_one_has_changes_nothing(db, now):
    publication = await cast.a_publication(db)
    reader = await ask(db, publication, now=now)
    await confirm(db, reader, now=now)
    before = await cast.subscription(db, reader)
    assert await ask(db, publication, now=now, frequency="weekly") == reader
    assert await cast.subscription(db, reader) == before


async def test_asking_twice_counts_the_later_wish(db, now):
    publication = await cast.a_publication(db)
    reader = await ask(db, publication, now=now, frequency="weekly")
    before = await cast.subscription(db, reader)
    assert await ask(db, publication, now=now, frequency="monthly") == reader
    after = await cast.subscription(db, reader)
    assert after.cadence_id != before.cadence_id
    assert (after.generation, after.state) == (1, State.PENDING)


async def test_coming_back_begins_a_new_generation_and_repeats_nothing(db, now):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, *[("heart",)] * 6)
    reader = await cast.a_subscription(db, publication, "anna@example.org", covered_to=5, paused_until=now)
    await leave(db, reader, 1, now=now)
    assert await ask(db, publication, now=now) == reader
    # Nobody but the reader ends or revives it in the meantime, by whatever old link.
    assert await leave(db, reader, 1, now=now) is unsubscribe.Leaving.OLD_LINK
    assert await confirm(db, reader, 1, now=now) is Confirming.STALE
    assert await confirm(db, reader, 2, now=now) is Confirming.CONFIRMED
    row = await cast.subscription(db, reader)
    assert (row.generation, row.covered_to, row.left_at, row.paused_until) == (2, 5, None, None)
    assert await leave(db, reader, 1, now=now) is unsubscribe.Leaving.OLD_LINK


async def test_the_cadence_a_new_wish_replaces_is_kept_and_nothing_is_undone_by_it(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication, "anna@example.org")
    had = [(await cast.subscription(db, reader)).cadence_id]
    await leave(db, reader, 1, now=now)
    for frequency in ("weekly", "monthly", "monthly"):
        await ask(db, publication, now=now, frequency=frequency)
        had.append((await cast.subscription(db, reader)).cadence_id)
    async with db.transaction() as connection:
        assert await trail.cadences(connection, await cast.subscription(db, reader)) == sorted(set(had))
        assert await undoing.undo(connection, reader, door=trail.Door.PAGE, now=now) is None
    assert len(set(had)) == 3
    assert (await cast.subscription(db, reader)).state is State.PENDING


async def test_coming_back_late_starts_with_the_newest_few_again(db, now):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, *[("heart",)] * 6)
    reader = await cast.a_subscription(db, publication, "anna@example.org", covered_to=1)
    await leave(db, reader, 1, now=now)
    await ask(db, publication, now=now)
    await confirm(db, reader, 2, now=now)
    assert (await cast.subscription(db, reader)).covered_to == 4


async def test_a_reader_whose_mail_failed_loses_nothing_by_confirming(db, now):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, *[("heart",)] * 6)
    reader = await cast.a_subscription(db, publication, "anna@example.org", covered_to=1, state=State.FAILING)
    await ask(db, publication, now=now)
    row = await cast.subscription(db, reader)
    assert (row.state, row.notice_due) == (State.FAILING, "confirm")
    assert await confirm(db, reader, now=now) is Confirming.CONFIRMED
    assert (await cast.subscription(db, reader)).covered_to == 1


@pytest.mark.parametrize("reason", [r for r in models.SuppressionReason if r is not models.SuppressionReason.ERASED])
async def test_an_address_we_may_not_write_to_cannot_be_signed_up(db, now, reason):
    publication = await cast.a_publication(db)
    async with db.transaction() as connection:
        await suppression.add(connection, cast.HASHER, "anna@example.org", reason=reason, now=now)
    with pytest.raises(signup.SignupError, match=reason):
        await ask(db, publication, now=now)


async def test_who_was_erased_comes_back_by_confirming_and_not_before(db, now):
    publication = await cast.a_publication(db)
    async with db.transaction() as connection:
        reason = models.SuppressionReason.ERASED
        await suppression.add(connection, cast.HASHER, "anna@example.org", reason=reason, now=now)
    reader = await ask(db, publication, now=now)
    async with db.transaction() as connection:
        assert await suppression.covers(connection, cast.HASHER, "anna@example.org") is reason
    await confirm(db, reader, now=now)
    async with db.transaction() as connection:
        assert await suppression.covers(connection, cast.HASHER, "anna@example.org") is None
