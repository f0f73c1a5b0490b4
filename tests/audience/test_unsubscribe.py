import pytest
import sqlalchemy as sa

from digest.audience import models, trail, unsubscribe
from digest.links import MailToken
from tests.support import cast

pytestmark = pytest.mark.anyio
State, Leaving = models.SubscriptionState, unsubscribe.Leaving


async def leave(db, subscription_id, generation=1, *, now, **more):
    async with db.transaction() as connection:
        token = MailToken(subscription_id, generation, 5)
        return await unsubscribe.leave(connection, token, door=trail.Door.ONE_CLICK, now=now, **more)


async def changes(db):
    async with db.reading() as connection:
        return (await connection.execute(sa.select(models.Change).order_by(models.Change.id))).all()


@pytest.mark.parametrize("state", [State.ACTIVE, State.PENDING, State.FAILING])
async def test_whoever_leaves_is_out_and_the_trail_says_how(db, now, state):
    reader = await cast.a_subscription(db, await cast.a_publication(db), state=state)
    assert await leave(db, reader, now=now) is Leaving.LEFT
    row = await cast.subscription(db, reader)
    assert (row.state, row.left_at, row.generation, row.notice_due) == (State.UNSUBSCRIBED, now, 1, None)
    (change,) = await changes(db)
    assert (change.subscription_id, change.what, change.door, change.at) == (reader, "left", "one-click", now)
    assert change.before == {"state": state.value, "left_at": None, "notice_due": None}


async def test_leaving_again_changes_nothing(db, now):
    reader = await cast.a_subscription(db, await cast.a_publication(db))
    await leave(db, reader, now=now)
    before = await cast.everything(db)
    assert await leave(db, reader, now=now) is Leaving.ALREADY
    assert await cast.everything(db) == before


async def test_an_old_link_ends_nothing_unless_the_reader_saw_that_it_is_old(db, now):
    reader = await cast.a_subscription(db, await cast.a_publication(db), generation=3)
    before = await cast.everything(db)
    for generation in (0, 1, 2, 4):
        assert await leave(db, reader, generation, now=now) is Leaving.OLD_LINK
    assert await cast.everything(db) == before
    assert await leave(db, reader, 2, now=now, any_generation=True) is Leaving.LEFT
    assert (await cast.subscription(db, reader)).generation == 3


async def test_a_link_to_nobody_is_unknown(db, now):
    assert await leave(db, 4711, now=now) is Leaving.UNKNOWN


@pytest.mark.parametrize(
    ("goodbye", "state", "notice"),
    [(True, State.ACTIVE, "goodbye"), (True, State.PENDING, None), (False, State.ACTIVE, None)],
)
async def test_a_goodbye_is_ordered_when_the_publication_says_it_and_the_reader_had_come(
    db, now, goodbye, state, notice
):
    publication = await cast.a_publication(db, goodbye=goodbye)
    reader = await cast.a_subscription(db, publication, state=state, notice_due="welcome")
    await leave(db, reader, now=now)
    assert (await cast.subscription(db, reader)).notice_due == notice


async def test_the_look_before_answers_as_leaving_would(db, now):
    reader = await cast.a_subscription(db, await cast.a_publication(db), generation=2)
    async with db.reading() as connection:
        answers = [
            await unsubscribe.find_answer(connection, MailToken(one, generation, 5))
            for one, generation in ((reader, 2), (reader, 1), (reader + 1, 1))
        ]
    assert answers == [Leaving.LEFT, Leaving.OLD_LINK, Leaving.UNKNOWN]
