"""A sent mail on a page: as it was, with everything named, and nothing changed by looking."""

from datetime import timedelta

import pytest

from digest.audience import erase
from digest.outbox import reading
from tests.support import cast, world as worlds

pytestmark = pytest.mark.anyio

ANNA, DAY = "anna@example.org", timedelta(days=1)


async def page(world, token):
    parts = world.parts
    return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)


def token_of(world, mail):
    return world.parts.signer.read_mail_token(mail.token)


async def test_it_names_every_article_even_those_the_mail_only_counted(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, max_items=1, max_links=1, first_articles=0) as world:
        await world.subscribe(ANNA, "daily")
        for number in range(5):
            await world.publish(f"a{number}")
        await world.run(after=DAY)
        html = await page(world, token_of(world, world.mails[0]))
        assert all(f"Title of a{number}" in html for number in range(5))
        assert f"/unsubscribe/{world.mails[0].token}" in html


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
