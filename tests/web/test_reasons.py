"""Why readers leave, for those who care to say: asked after they have left, never before."""

import re

import pytest

from digest.audience import models, unsubscribe
from tests.support import cast, table

pytestmark = pytest.mark.anyio


async def leave(site):
    return await site.press(f"/unsubscribe/{site.token()}")


async def say(site, reason):
    return await site.client.post(f"/unsubscribe/{site.token()}", data={"page": "reason", "reason": reason})


async def said(site):
    return [row.reason for row in await table.rows(site.db, models.Change) if row.what == "left"]


async def test_the_reason_is_asked_for_once_they_have_left(site):
    assert 'name="reason"' not in (await site.get(f"/unsubscribe/{site.token()}")).text
    page = (await leave(site)).text
    assert page.index("You are unsubscribed") < page.index('name="reason"')
    assert not re.search(r"<input[^>]* checked", page)


async def test_what_is_said_stands_with_the_row_of_the_trail_and_the_last_word_counts(site):
    await leave(site)
    page = await say(site, "too-much")
    assert (page.status_code, "Thank you" in page.text, 'name="reason"' in page.text) == (200, True, False)
    await say(site, "elsewhere")
    assert await said(site) == ["elsewhere"]
    # It takes nobody's way back away.
    await site.press(f"/undo/{site.token()}")
    assert (await site.row()).state is models.SubscriptionState.ACTIVE


@pytest.mark.parametrize("reason", ["", "nonsense", "x" * 300])
async def test_no_reason_and_none_of_ours_are_not_kept(site, reason):
    await leave(site)
    page = await say(site, reason)
    assert (page.status_code, "Thank you" in page.text, await said(site)) == (200, False, [None])


async def test_a_reason_never_makes_anybody_leave(site):
    before = await cast.everything(site.db)
    assert (await say(site, "too-much")).status_code == 200
    assert await cast.everything(site.db) == before
    assert (
        await site.client.post("/unsubscribe/nonsense", data={"page": "reason", "reason": "other"})
    ).status_code == 404


async def test_after_the_day_nothing_is_asked_any_more(site):
    await leave(site)
    site.later(hours=25)
    assert 'name="reason"' not in (await site.get(f"/unsubscribe/{site.token()}")).text
    await say(site, "too-much")
    assert await said(site) == [None]


async def test_they_are_counted_for_the_publication(site):
    readers = [site.reader] + [
        await cast.a_subscription(site.db, site.publication, f"r{number}@example.org") for number in range(3)
    ]
    for reader, reason in zip(readers, ("too-much", "too-much", "other", ""), strict=True):
        path = f"/unsubscribe/{site.token(reader=reader)}"
        await site.press(path)
        await site.client.post(path, data={"page": "reason", "reason": reason})
    async with site.db.reading() as connection:
        found = await unsubscribe.reasons(connection, site.publication.id, site.now)
        later = await unsubscribe.reasons(connection, site.publication.id, site.now.replace(year=2027))
    assert (found, later) == ({"too-much": 2, "other": 1, "": 1}, {})
