"""Readers of a frequency or Topic that goes get what the operator names instead, and lose nothing by it."""

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from digest import database, publications
from digest.audience import apply, models, moving, preferences, standing
from tests.support import cast

pytestmark = pytest.mark.anyio


def a_spec(*frequencies: str, topics: tuple[str, ...] = ("heart", "lungs")) -> publications.Spec:
    named = [{"slug": slug, "name": slug} for slug in topics]
    return cast.a_spec(frequencies=[{"frequency": one} for one in frequencies], topics=named)


async def begin(db: database.Database, now: datetime) -> sa.Row[Any]:
    await apply.apply(db, a_spec("daily", "weekly", "monthly"), now)
    async with db.reading() as connection:
        return await publications.get(connection, "mias-feed")


async def a_reader(db: database.Database, mias: sa.Row[Any], email: str, *topics: str, **wish: Any) -> int:
    spec = publications.load(mias.spec)
    choice = preferences.fulfil(spec, preferences.Wish(topics=topics or None, **wish))
    return await cast.a_subscription(db, mias, email, choice=choice, covered_to=7)


async def chosen(db: database.Database, id_: int) -> preferences.Choice:
    async with db.reading() as connection:
        found = await standing.find(connection, id_)
        assert found is not None
        assert found.subscription.covered_to == 7
        return found.choice


async def test_without_a_word_of_the_operator_nothing_goes(db: database.Database, now: datetime) -> None:
    mias = await begin(db, now)
    await a_reader(db, mias, "anna@example.org", frequency="daily")
    with pytest.raises(apply.InUseError, match=r"'daily' cannot go: 1 subscription chose it; .* --move OLD=NEW"):
        await apply.apply(db, a_spec("weekly", "monthly"), now)


async def test_readers_of_a_frequency_keep_their_time_and_zone(db: database.Database, now: datetime) -> None:
    mias = await begin(db, now)
    anna = await a_reader(db, mias, "anna@example.org", "heart", frequency="daily", send_at="18:45", timezone="UTC")
    ben = await a_reader(db, mias, "ben@example.org", frequency="monthly", weekday=4)
    applied = await apply.apply(db, a_spec("weekly", "monthly"), now, {"daily": "weekly", "monthly": "weekly"})
    assert applied.changed == ("frequencies",)
    assert await chosen(db, anna) == preferences.Choice("weekly", 0, "18:45", "UTC", ("heart",))
    assert (await chosen(db, ben)).frequency == "monthly", "what stays in the file moves nobody"
    async with db.reading() as connection:
        [change] = (await connection.execute(sa.select(models.Change))).all()
    assert (change.subscription_id, change.what, change.door, change.at) == (anna, "changed", "cli", now)
    assert list(change.before) == ["cadence_id"]


async def test_readers_of_a_topic_get_the_other_in_its_place(db: database.Database, now: datetime) -> None:
    mias = await begin(db, now)
    anna = await a_reader(db, mias, "anna@example.org", "heart")
    both = await a_reader(db, mias, "ben@example.org", "heart", "lungs")
    every = await a_reader(db, mias, "cleo@example.org")
    await apply.apply(db, a_spec("daily", "weekly", "monthly", topics=("lungs",)), now, {"heart": "lungs"})
    assert [(await chosen(db, id_)).topics for id_ in (anna, both, every)] == [("lungs",), ("lungs",), None]


async def test_who_left_keeps_what_they_had(db: database.Database, now: datetime) -> None:
    mias = await begin(db, now)
    anna = await a_reader(db, mias, "anna@example.org", frequency="daily")
    async with db.transaction() as connection:
        await connection.execute(sa.update(models.Subscription).values(state=models.SubscriptionState.UNSUBSCRIBED))
    await apply.apply(db, a_spec("weekly", "monthly"), now, {"daily": "weekly"})
    assert (await chosen(db, anna)).frequency == "daily"


@pytest.mark.parametrize(
    ("spec", "moves", "words"),
    [
        (a_spec("weekly"), {"daily": "hourly"}, "offers no 'hourly' to move to; it has weekly"),
        (a_spec("daily", topics=()), {"heart": "lungs"}, "has no topic 'lungs' to move to; it has none"),
    ],
)
async def test_a_move_must_lead_somewhere(
    db: database.Database, now: datetime, spec: publications.Spec, moves: dict[str, str], words: str
) -> None:
    mias = await begin(db, now)
    await a_reader(db, mias, "anna@example.org", "heart", frequency="daily")
    before = await cast.everything(db)
    with pytest.raises(moving.MoveError, match=words):
        await apply.apply(db, spec, now, moves)
    assert await cast.everything(db) == before


async def test_a_changed_default_touches_new_readers_only(db: database.Database, now: datetime) -> None:
    mias = await begin(db, now)
    anna = await a_reader(db, mias, "anna@example.org", frequency="weekly")
    offers = [{"frequency": "weekly", "weekday": "friday", "send_at": "19:00"}]
    spec = a_spec("weekly").model_copy(update={"timezone": "UTC"})
    spec = spec.model_copy(update={"frequencies": tuple(publications.Offer.model_validate(one) for one in offers)})
    await apply.apply(db, spec, now)
    assert await chosen(db, anna) == preferences.Choice("weekly", 0, "07:00", "Europe/Berlin")
    assert preferences.fulfil(spec, preferences.Wish()) == preferences.Choice("weekly", 4, "19:00", "UTC")


@pytest.mark.parametrize("text", ["daily", "daily=", "=weekly", " = "])
def test_a_move_has_a_form(text: str) -> None:
    with pytest.raises(moving.MoveError, match="write OLD=NEW"):
        moving.read([text])
    assert moving.read(["daily = weekly", "heart=lungs"]) == {"daily": "weekly", "heart": "lungs"}
