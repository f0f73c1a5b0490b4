"""A sent mail on a page: as it was, with everything named, and nothing changed by looking."""

from datetime import timedelta

import pytest

from digest.audience import erase
from digest.outbox import reading
from tests.support import cast, world as worlds

pytestmark = pytest.mark.anyio

ANNA, DAY, SECOND = "anna@example.org", timedelta(days=1), timedelta(seconds=1)


async def page(world, token):
    parts = world.parts
    return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)


def token_of(world, mail):
    return world.parts.signer.read_mail_token(mail.token)


async def test_the_page_is_the_mail_as_it_was_and_the_list_exactly_what_that_only_counted(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, max_items=1, max_links=1, first_articles=0) as world:
        await world.subscribe(ANNA, "daily")
        for number in range(5):
            await world.publish(f"a{number}", *(["sleep"] if number == 0 else []), at=now + number * SECOND)
        await world.run(after=DAY)
        token = token_of(world, world.mails[0])
        html = await page(world, token)
        assert [f"Title of a{number}" in html for number in range(5)] == [False, False, False, True, True]
        assert f"/unsubscribe/{world.mails[0].token}" in html
        assert f"/mail/{world.mails[0].token}/more" in html
        rest = await reading.rest(world.parts.db, token)
        # Under its topic first, those without one last.
        assert [(one.title, one.topic) for one in rest] == [
            ("Title of a0", "sleep"),
            ("Title of a2", None),
            ("Title of a1", None),
        ]
        assert {one.url for one in rest} == {worlds.ARTICLE_URL + name for name in ("a0", "a1", "a2")}


async def test_a_mail_that_named_everything_has_an_empty_list_and_one_that_is_gone_none(world):
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run(after=DAY)
    token = token_of(world, world.mails[0])
    assert await reading.rest(world.parts.db, token) == []
    assert await reading.rest(world.parts.db, token._replace(delivery_id=999)) is None


async def test_looking_changes_nothing_and_later_articles_do_not_slip_in(world):
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run(after=DAY)
    await world.publish("two")
    await world.run(after=DAY)
    before = await cast.everything(world.parts.db)
    html = await page(world, token_of(world, world.mails[0]))
    assert "Title of one" in html
    assert "Title of two" not in html
    assert await cast.everything(world.parts.db) == before


async def test_looking_does_not_make_the_next_digest_forget_anything(world):
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run(after=DAY)
    await world.publish("two")
    await world.release()
    # The page is the first to see the new head.
    assert await page(world, token_of(world, world.mails[0]))
    await world.run(after=DAY)
    assert world.told(ANNA) == [("one",), ("two",)]


async def test_there_is_no_page_for_strangers_notices_or_the_erased(world):
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run(after=DAY)
    token = token_of(world, world.mails[0])
    assert await page(world, token._replace(delivery_id=token.delivery_id + 1)) is None
    assert await page(world, token._replace(subscription_id=token.subscription_id + 1)) is None
    async with world.parts.db.transaction() as connection:
        await erase.erase(connection, world.parts.hasher, ANNA, now=world.now)
    assert await page(world, token) is None
