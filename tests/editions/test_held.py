"""The operator's word on an Edition: which state allows what, and that asking twice is the same as once."""

from datetime import timedelta

import pytest

from digest.audience import preferences
from digest.editions import held
from digest.editions.models import Edition, EditionState
from tests.support import cast, table

pytestmark = pytest.mark.anyio
NOW, HOUR = cast.NOW, timedelta(hours=1)


async def an_edition(db, **values):
    publication = await cast.a_publication(db)
    async with db.transaction() as connection:
        choice = preferences.fulfil(cast.a_spec(), preferences.Wish(frequency="daily"))
        cadence_id = await preferences.cadence_id(connection, publication.id, choice, NOW)
    usual = {"publication_id": publication.id, "cadence_id": cadence_id, "slot": "2026-11-02", "due_at": NOW, "upto": 5}
    return await table.add(db, Edition, **(usual | {"planned_at": NOW, "state": EditionState.FILLED} | values))


async def act(db, verb, id_, now=NOW):
    async with db.transaction() as connection:
        return await verb(connection, id_, now)


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [
        (held.release, {"held"}),
        (held.pause, {"planned", "filled"}),
        (held.resume, {"planned", "filled"}),
        (held.cancel, {"planned", "filled", "held", "cancelled"}),
    ],
)
async def test_each_verb_is_for_some_states_and_says_which(db, verb, allowed):
    id_ = await an_edition(db)
    for state in EditionState:
        await table.change(db, Edition, id_, state=state)
        if state.value in allowed:
            await act(db, verb, id_)
            continue
        with pytest.raises(held.EditionError, match=f"edition {id_} is {state}, and only one that is"):
            await act(db, verb, id_)


async def test_an_edition_there_is_not(db):
    for verb in (held.release, held.pause, held.resume, held.cancel):
        with pytest.raises(held.EditionError, match="there is no edition 77"):
            await act(db, verb, 77)


async def test_a_pause_asked_for_twice_began_the_first_time(db):
    id_ = await an_edition(db)
    assert await act(db, held.pause, id_)
    assert not await act(db, held.pause, id_, NOW + HOUR)
    assert (await table.row(db, Edition)).paused_at == NOW


async def test_the_time_an_edition_stood_still_does_not_count_against_its_life(db):
    id_ = await an_edition(db, planned_at=NOW - HOUR)
    await act(db, held.pause, id_)
    assert await act(db, held.resume, id_, NOW + 5 * HOUR)
    assert not await act(db, held.resume, id_, NOW + 9 * HOUR)
    row = await table.row(db, Edition)
    assert (row.paused_at, row.planned_at) == (None, NOW + 4 * HOUR)


async def test_cancelling_ends_a_pause_and_is_done_once(db):
    id_ = await an_edition(db, paused_at=NOW)
    assert await act(db, held.cancel, id_)
    assert not await act(db, held.cancel, id_, NOW + HOUR)
    row = await table.row(db, Edition)
    assert (row.state, row.paused_at, row.finished_at) == (EditionState.CANCELLED, None, NOW)
