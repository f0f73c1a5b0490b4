import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from digest import errors
from digest.audience import apply, models, preferences, standing, trail, undoing, unsubscribe
from digest.links import MailToken
from tests.support import cast

pytestmark = pytest.mark.anyio
Choice, Wish = preferences.Choice, preferences.Wish
SPEC = cast.a_spec(
    frequencies=[
        {"frequency": "daily", "send_at": "06:30"},
        {"frequency": "instant"},
        {"frequency": "weekly", "weekday": "friday"},
        {"frequency": "monthly", "weekday": "sunday", "send_at": "09:00"},
    ]
)
DAILY = Choice("daily", 0, "06:30", "Europe/Berlin")
TOKYO = Choice("weekly", 2, "21:00", "Asia/Tokyo", ("heart",))


@pytest.mark.parametrize(
    ("wish", "current", "choice"),
    [
        (Wish(), None, DAILY),
        (Wish("weekly"), None, Choice("weekly", 4, "07:00", "Europe/Berlin")),
        (
            Wish("weekly", 1, "22:15", "UTC", ("sleep", "heart")),
            None,
            Choice("weekly", 1, "22:15", "UTC", ("heart", "sleep")),
        ),
        (Wish("daily", weekday=3), None, DAILY),
        (Wish("instant", 3, "22:15", "UTC"), None, Choice("instant", 0, "00:00", "UTC")),
        (Wish(topics=()), TOKYO, Choice("weekly", 2, "21:00", "Asia/Tokyo")),
        (Wish(), TOKYO, TOKYO),
        (Wish("monthly"), TOKYO, Choice("monthly", 2, "21:00", "Asia/Tokyo", ("heart",))),
        (Wish("daily"), TOKYO, Choice("daily", 0, "21:00", "Asia/Tokyo", ("heart",))),
        (Wish("weekly"), DAILY, Choice("weekly", 4, "06:30", "Europe/Berlin")),
        (Wish("daily"), Choice("instant", 0, "00:00", "UTC"), DAILY),
        (Wish(send_at="05:00"), Choice("weekdays", 0, "06:00", "UTC"), Choice("weekdays", 0, "05:00", "UTC")),
    ],
)
def test_a_wish_changes_what_it_names_and_nothing_else(wish, current, choice):
    assert preferences.fulfil(SPEC, wish, current) == choice


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (
            Wish("fortnightly"),
            "frequency 'fortnightly' is not on offer; Mia’s Feed offers daily, instant, weekly, monthly",
        ),
        (Wish(topics=("hart",)), "no topic 'hart'; Mia’s Feed has heart, lungs, sleep"),
        (Wish(timezone="Europe/Berlim"), "did you mean Europe/Berlin"),
        (Wish("instant", timezone="Mars"), "'Mars' is no time zone"),
    ],
)
def test_a_wish_that_cannot_be_granted_says_what_can(wish, says):
    with pytest.raises(errors.DigestError, match=says.replace("(", r"\(")):
        preferences.fulfil(SPEC, wish)


@given(
    st.sampled_from([offer.frequency for offer in SPEC.frequencies]),
    st.integers(0, 6),
    st.sampled_from([None, DAILY, TOKYO]),
)
def test_a_choice_is_in_its_normal_form(frequency, weekday, current):
    choice = preferences.fulfil(SPEC, Wish(frequency, weekday), current)
    assert preferences.fulfil(SPEC, Wish(), choice) == choice
    assert choice.weekday == (weekday if frequency in preferences.HAVE_WEEKDAY else 0)


@pytest.mark.parametrize(
    ("frequency", "less"),
    [
        ("instant", ("daily", "weekly", "monthly")),
        ("daily", ("weekly", "monthly")),
        ("weekdays", ("weekly", "monthly")),
        ("fortnightly", ("monthly",)),
        ("monthly", ()),
    ],
)
def test_less_often_means_what_is_slower_and_on_offer(frequency, less):
    assert preferences.slower(SPEC, frequency) == less


async def test_who_chose_the_same_shares_one_cadence_and_one_topic_set(db, now):
    publication = await cast.a_publication(db)
    async with db.transaction() as connection:
        ids = [await preferences.cadence_id(connection, publication.id, DAILY, now) for _ in range(3)]
        other = await preferences.cadence_id(connection, publication.id, TOKYO, now)
        sets = [
            await preferences.topic_set_id(connection, publication.id, slugs)
            for slugs in (["heart", "sleep"], ["sleep", "heart", "sleep"], None, ["heart"])
        ]
        rows = (await connection.execute(sa.select(models.Cadence).order_by(models.Cadence.id))).all()
    assert len(set(ids)) == 1
    assert other not in ids
    assert sets[0] == sets[1] != sets[3]
    assert sets[2] is None
    assert [(row.created_at, row.next_due_at, row.planned_upto) for row in rows] == [(now, None, 0)] * 2


async def act(db, subscription_id, deed, *values, now, **more):
    async with db.transaction() as connection:
        found = await standing.find(connection, subscription_id, lock=True)
        return await deed(connection, found.subscription, *values, door=trail.Door.PAGE, now=now, **more)


async def undo(db, subscription_id, now):
    async with db.transaction() as connection:
        return await undoing.undo(connection, subscription_id, door=trail.Door.PAGE, now=now)


async def choice_of(db, subscription_id):
    async with db.reading() as connection:
        return (await standing.find(connection, subscription_id)).choice


async def test_a_change_leaves_covered_to_alone_and_can_be_undone(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication, covered_to=7)
    before = await cast.subscription(db, reader)
    assert await act(db, reader, preferences.change, TOKYO, now=now)
    assert not await act(db, reader, preferences.change, TOKYO, now=now)
    assert await choice_of(db, reader) == TOKYO
    assert (await cast.subscription(db, reader)).covered_to == 7
    assert await undo(db, reader, now) == "changed"
    assert await cast.subscription(db, reader) == before
    assert await undo(db, reader, now) is None


@pytest.mark.parametrize(("chosen", "back"), [(("heart", "sleep"), ("heart",)), (("sleep",), None)])
async def test_undo_brings_back_no_topic_that_was_taken_off_since(db, now, chosen, back):
    publication = await cast.a_publication(db)
    before = preferences.fulfil(cast.a_spec(), preferences.Wish("daily", topics=chosen))
    reader = await cast.a_subscription(db, publication, choice=before)
    await act(db, reader, preferences.change, TOKYO, now=now)
    left = [{"slug": slug, "name": slug.title()} for slug in ("heart", "lungs")]
    await apply.apply(db, cast.a_spec(topics=left), now)
    assert await undo(db, reader, now) == "changed"
    assert await choice_of(db, reader) == dataclasses.replace(before, topics=back)


@pytest.mark.parametrize(
    ("had", "offered", "back"),
    [
        (DAILY, ("instant", "weekly", "monthly"), Choice("weekly", 0, "06:30", "Europe/Berlin")),
        (TOKYO, ("instant", "daily"), Choice("instant", 0, "00:00", "UTC", ("heart",))),
    ],
)
async def test_undo_brings_back_no_frequency_that_was_taken_off_since(db, now, had, offered, back):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication, choice=had, covered_to=7)
    async with db.transaction() as connection:
        await unsubscribe.leave(connection, MailToken(reader, 1, 9), door=trail.Door.PAGE, now=now)
    await apply.apply(db, cast.a_spec(frequencies=[{"frequency": one} for one in offered]), now)
    assert await undo(db, reader, now) == "left"
    assert await choice_of(db, reader) == back
    row = await cast.subscription(db, reader)
    assert (row.state, row.covered_to) == (models.SubscriptionState.ACTIVE, 7)


async def test_a_pause_can_be_changed_resumed_and_undone(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication, covered_to=7)
    until = now + timedelta(weeks=2)
    assert await act(db, reader, preferences.pause, until, now=now)
    assert not await act(db, reader, preferences.pause, until, now=now)
    assert (await cast.subscription(db, reader)).paused_until == until
    assert await act(db, reader, preferences.resume, now=now)
    assert not await act(db, reader, preferences.resume, now=now)
    assert (await cast.subscription(db, reader)).paused_until is None
    assert await undo(db, reader, now) == "resumed"
    row = await cast.subscription(db, reader)
    assert (row.paused_until, row.covered_to) == (until, 7)


async def test_leaving_can_be_undone_for_a_day_and_keeps_the_generation(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication, covered_to=7)
    before = await cast.subscription(db, reader)

    async def leave():
        async with db.transaction() as connection:
            token = MailToken(reader, 1, 9)
            return await unsubscribe.leave(connection, token, door=trail.Door.ONE_CLICK, now=now)

    assert await leave() is unsubscribe.Leaving.LEFT
    assert await undo(db, reader, now + timedelta(days=1)) == "left"
    assert await cast.subscription(db, reader) == before
    assert await leave() is unsubscribe.Leaving.LEFT
    assert await undo(db, reader, now + timedelta(days=1, seconds=1)) is None
    assert (await cast.subscription(db, reader)).state is models.SubscriptionState.UNSUBSCRIBED


async def test_nobody_undoes_what_the_operator_did(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication)
    async with db.transaction() as connection:
        found = await standing.find(connection, reader, lock=True)
        await preferences.change(connection, found.subscription, TOKYO, door=trail.Door.CLI, now=now)
    assert await undo(db, reader, now) is None
