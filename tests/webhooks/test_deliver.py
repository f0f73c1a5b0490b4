"""How stubbornly, how gently and how exactly endpoints are told."""

import asyncio
import dataclasses
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.announcements import Announcement, Endpoint, Event
from digest.run import bugs
from digest.webhooks import deliver, endpoints, patience, post
from tests.support import receiver

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


async def order(office, count=1):
    """Trials, to have something to tell."""
    async with office.world.parts.db.transaction() as connection:
        return [await endpoints.trial(connection, office.endpoint, office.world.now) for _ in range(count)]


@contextmanager
def no_deeper(frames: int) -> Iterator[None]:
    """Code that goes deeper than this from here fails, as it would with thousands of rows."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


async def until(is_so):
    while not is_so():  # noqa: ASYNC110 - it is another thread that changes it
        await asyncio.sleep(0.01)


async def test_what_fails_is_told_again_under_the_same_id_and_with_the_same_body(office):
    office.program.answers = [500, 503]
    await order(office)
    for wait in (timedelta(0), timedelta(seconds=7), timedelta(minutes=7)):
        office.world.now += wait
        await office.tell()
    assert len(office.program.told) == 3
    assert len({told.id for told in office.program.told}) == 1
    assert len({told.raw for told in office.program.told}) == 1
    # The time is that of the try, or a receiver would take the second for a replay.
    assert len({told.seconds for told in office.program.told}) == 3
    [row] = await office.announcements()
    assert (row.is_told, row.tries, row.trouble, row.body) == (True, 3, None, None)


async def test_not_before_its_time(office):
    office.program.always = 500
    await order(office)
    await office.tell()
    await office.tell()
    office.world.now += timedelta(seconds=3)
    await office.tell()
    assert len(office.program.told) == 1


async def test_after_days_it_is_given_up_and_the_endpoint_stopped_and_shown(office):
    office.program.always = 500
    await order(office)
    for _ in range(len(patience.PAUSES) + 3):
        await office.tell()
        office.world.now += timedelta(hours=30)
    assert len(office.program.told) == len(patience.PAUSES) + 1
    row = await office.row()
    assert row.stopped_at is not None
    assert "10 tries over days came to nothing: the server answered with status 500" in row.stopped_reason
    # What happens meanwhile waits, and all of it is told when the operator says so.
    await order(office)
    await office.tell()
    assert len(office.program.told) == len(patience.PAUSES) + 1
    office.program.always = None
    async with office.world.parts.db.transaction() as connection:
        assert await endpoints.retry(connection, office.endpoint, office.world.now) == 2
    await office.tell()
    assert [row.is_told for row in await office.announcements()] == [True, True]


async def test_gone_stops_at_once(office):
    office.program.answers = [410]
    await order(office, 2)
    await office.tell()
    assert len(office.program.told) == 1
    assert "410 Gone" in (await office.row()).stopped_reason


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_redirects_are_not_followed(office, status):
    office.program.answers = [(status, {"Location": office.program.url("/elsewhere")})]
    await order(office)
    await office.tell()
    assert [told.path for told in office.program.told] == ["/hook"]
    [row] = await office.announcements()
    assert "redirects are not followed" in row.trouble


async def test_a_server_that_asks_for_time_gets_it(office):
    office.program.answers = [(503, {"Retry-After": "3600"})]
    await order(office)
    await office.tell()
    office.world.now += timedelta(minutes=50)
    await office.tell()
    assert len(office.program.told) == 1
    office.world.now += timedelta(minutes=11)
    await office.tell()
    assert len(office.program.told) == 2


async def test_one_that_is_down_is_left_alone_and_not_asked_for_each_thing(office):
    office.program.always = 500
    await order(office, 10)
    await office.tell()
    assert len(office.program.told) == deliver.IN_A_ROW
    await office.tell()
    assert len(office.program.told) == deliver.IN_A_ROW
    office.program.always = None
    office.world.now += 10 * MINUTE
    await office.tell()
    assert all(row.is_told for row in await office.announcements())


async def test_a_slow_endpoint_holds_up_nobody_else(office):
    office.program.hanging.set()
    await order(office, 3)
    courier = deliver.Courier(office.desk, bugs.caught)
    with receiver.running() as other:
        other_id, _ = await office.add(other)
        await courier.turn()
        for _ in range(3):
            async with office.world.parts.db.transaction() as connection:
                await endpoints.trial(connection, other_id, office.world.now)
            await courier.turn()
            async with asyncio.timeout(10):
                await until(lambda: not courier._busy.keys() - {office.endpoint})
        assert other.types == ["ping"] * 3
    assert len(office.program.told) == 1
    await courier.stop()


async def test_who_is_killed_in_the_middle_leaves_it_to_be_told_again(office):
    office.program.hanging.set()
    await order(office)
    courier = deliver.Courier(office.desk, bugs.caught)
    await courier.turn()
    async with asyncio.timeout(10):
        await until(lambda: office.program.told)
    await courier.stop()
    office.program.hanging.clear()
    office.program.released.set()
    await office.tell()
    assert len(office.program.told) == 1
    office.world.now += deliver.LEASE
    await office.tell()
    first, second = office.program.told
    assert (first.id, first.raw) == (second.id, second.raw)


async def test_two_nodes_tell_each_thing_once(office):
    await order(office, 30)
    await asyncio.gather(office.tell(), office.tell())
    ids = [told.id for told in office.program.told]
    assert len(ids) == len(set(ids)) == 30


async def test_nobody_behind_the_address_is_told_in_words(office):
    with receiver.running() as short:
        url = short.url()
    async with office.world.parts.db.transaction() as connection:
        await connection.execute(sa.update(Endpoint).values(url=url))
    await order(office)
    await office.tell()
    [row] = await office.announcements()
    assert row.trouble
    assert "Traceback" not in row.trouble


async def test_our_own_network_is_closed_unless_it_is_allowed(office):
    desk = dataclasses.replace(office.desk, way=post.Way("digest/test"))
    await order(office)
    await deliver.run(desk, trap=bugs.caught)
    assert office.program.told == []
    [row] = await office.announcements()
    assert "webhooks.allow_hosts" in row.trouble


async def test_both_secrets_sign_for_a_day_after_a_change(office):
    async with office.world.parts.db.transaction() as connection:
        new = await endpoints.rotate(connection, office.desk.seal, office.endpoint, office.world.now)
    await order(office)
    await office.tell()
    office.world.now += endpoints.OVERLAP + MINUTE
    await order(office)
    await office.tell()
    first, second = office.program.told
    assert (first.is_signed_by(new), first.is_signed_by(office.secret)) == (True, True)
    assert (second.is_signed_by(new), second.is_signed_by(office.secret)) == (True, False)


async def test_no_secret_lies_in_the_database_as_it_is(office):
    sealed = (await office.row()).secret
    assert office.secret.removeprefix("whsec_") not in sealed


async def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(office):
    await order(office)
    await office.tell()
    await order(office)
    assert await deliver.prune(office.world.parts.db, office.world.now - MINUTE) == 0
    assert await deliver.prune(office.world.parts.db, office.world.now + MINUTE) == 1
    async with office.world.parts.db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(Announcement)) == 1


async def test_however_many_readers_are_gone_the_next_one_is_told(office):
    gone = {"endpoint_id": office.endpoint, "event": Event.CHANGED, "subscription_id": 99, "facts": {}}
    now = office.world.now
    async with office.world.parts.db.transaction() as connection:
        await connection.execute(sa.insert(Announcement), [gone | {"at": now, "due_at": now}] * 300)
    await order(office)
    with no_deeper(250):
        await office.tell()
    assert office.program.types == ["ping"]
    assert {row.ended_at for row in await office.announcements()} == {now}
