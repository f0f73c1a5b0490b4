"""A welcome that carries the newest stories: told there, else by a digest, whatever becomes of the welcome."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest import addresses, publications
from digest.audience import preferences, signup, trail
from digest.editions import compose
from digest.outbox import notices
from digest.outbox.models import Delivery
from tests.outbox.test_notices import ask, confirm, text
from tests.support import smtpserver, table, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
NEWEST = ("old-4", "old-3", "old-2")


@pytest.fixture
async def joined(db_url: str, tmp_path: Path, now: datetime) -> AsyncIterator[World]:
    """Anna has just confirmed; three of five Articles are hers."""
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", first_articles=3) as world:
        for number in range(5):
            await world.publish(f"old-{number}", at=now - timedelta(hours=9 - number))
        await world.release()
        await confirm(world, await ask(world, frequency="daily"))
        yield world


async def welcome(world: World) -> Any:
    [delivery] = [row for row in await table.rows(world.parts.db, Delivery) if row.kind == "welcome"]
    return delivery


def told(world: World) -> list[tuple[str, ...]]:
    return [mail.articles for mail in world.mails]


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("rcpt", "451 4.7.1 greylisted"),
        ("content", "451 4.3.0 later"),
        ("content", smtpserver.DROP),
        ("content", smtpserver.DROP_AFTER_KEEPING),
    ],
)
async def test_a_welcome_that_is_put_off_or_in_doubt_comes_later_with_the_same_stories(
    joined: World, stage: str, reply: str
) -> None:
    joined.server.answer(stage, reply, times=1)
    await joined.run()
    for _ in range(6):
        await joined.run(after=timedelta(minutes=20))
    assert set(told(joined)) == {NEWEST}
    assert len({message_id(mail.content) for mail in joined.mails}) == 1
    await joined.publish("new")
    await joined.run(after=DAY)
    assert told(joined)[-1] == ("new",)


def message_id(content: bytes) -> bytes:
    return next(line for line in content.split(b"\r\n") if line.lower().startswith(b"message-id:"))


async def test_a_welcome_refused_for_good_leaves_its_stories_to_the_first_digest(joined: World) -> None:
    joined.server.answer("content", "554 5.6.0 we do not like it", times=1)
    await joined.run()
    assert (await welcome(joined)).state.value == "failed"
    assert (await joined.subscription("anna@example.org")).covered_to == 2
    await joined.run(after=DAY)
    assert joined.told("anna@example.org") == [NEWEST]


async def test_a_welcome_out_of_tries_ends_and_blocks_nobody(joined: World) -> None:
    joined.server.answer("content", smtpserver.DROP, times=20)
    for _ in range(9):
        await joined.run(after=timedelta(minutes=59))
    assert (await welcome(joined)).state.value == "failed"
    joined.server.behave()
    await joined.run(after=2 * DAY)
    assert set(joined.told("anna@example.org")) == {NEWEST}


async def test_who_leaves_before_the_welcome_and_comes_back_misses_nothing(joined: World) -> None:
    await joined.queue()
    await joined.leave("anna@example.org")
    await joined.run()
    assert (told(joined), (await joined.subscription("anna@example.org")).covered_to) == ([], 2)
    await confirm(joined, await ask(joined, frequency="daily"))
    await joined.run()
    assert told(joined)[-1] == NEWEST


async def test_behind_a_digest_nothing_is_told_again(joined: World) -> None:
    """The welcome waits for its second try while a digest goes out; then it is refused."""
    joined.server.answer("rcpt", "451 4.7.1 greylisted", times=1)
    await joined.run()
    await joined.publish("new")
    await table.change(joined.parts.db, Delivery, (await welcome(joined)).id, retry_at=joined.now + 2 * DAY)
    await joined.run(after=DAY)
    assert told(joined) == [("new",)]
    joined.server.answer("content", "554 5.6.0 we do not like it", times=1)
    await joined.run(after=DAY)
    assert (await welcome(joined)).state.value == "failed"
    await joined.publish("newer")
    await joined.run(after=DAY)
    assert told(joined) == [("new",), ("newer",)]


async def test_a_welcome_with_stories_tells_the_newest_and_they_do_not_come_again(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", first_articles=3) as world:
        for number in range(5):
            await world.publish(f"old-{number}", at=now - timedelta(hours=9 - number))
        await world.release()
        id_ = await ask(world, frequency="daily")
        await confirm(world, id_)
        await world.run()
        [welcome] = world.mails
        assert welcome.articles == ("old-4", "old-3", "old-2")
        assert not welcome.is_digest
        await world.publish("new")
        await world.run(after=timedelta(days=1))
        assert world.mails[-1].articles == ("new",)
        [delivery] = [row for row in await table.rows(world.parts.db, Delivery) if row.kind == "welcome"]
        assert (delivery.covered_from, delivery.upto, delivery.selection_id is not None) == (2, 5, True)


async def test_a_welcome_heeds_the_topics_and_is_plain_when_nothing_matches(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", first_articles=3) as world:
        await world.publish("heart", "heart")
        await world.release()
        spec = publications.load(world.publication.spec)
        for name, topics in (("anna", ("heart",)), ("bert", ("sleep",))):
            choice = preferences.fulfil(spec, preferences.Wish("daily", topics=topics))
            request = signup.Request(world.publication.id, addresses.parse(f"{name}@example.org"), choice)
            async with world.parts.db.transaction() as connection:
                id_ = await signup.ask(connection, world.parts.hasher, request, door=trail.Door.PAGE, now=world.now)
            await confirm(world, id_)
        await world.run()
        found = {mail.to: mail.articles for mail in world.mails}
        assert found == {"anna@example.org": ("heart",), "bert@example.org": ()}
        assert "Your topics: Heart." in text(next(mail for mail in world.mails if mail.to.startswith("anna")))


async def test_an_article_released_while_a_welcome_is_queued_is_in_the_welcome_or_in_the_next_digest(
    db_url, tmp_path, now
):
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", first_articles=3) as world:
        await world.publish("before")
        await world.release()
        await confirm(world, await ask(world, frequency="daily"))
        await world.publish("meanwhile")
        await asyncio.gather(world.release(), notices.run(world.parts.db, world.now, submit=world.parts.engine.submit))
        await world.run()
        await world.run(after=timedelta(days=1))
        told = [name for mail in world.mails for name in mail.articles]
        assert sorted(told) == ["before", "meanwhile"]


@pytest.mark.parametrize(
    ("limits", "full", "links"),
    [({"max_items": 2, "max_links": 4}, 2, 2), ({"max_items": 50, "max_links": 200}, 4, 0), ({"max_items": 4}, 4, 0)],
)
async def test_a_welcome_names_as_much_as_a_digest_would(
    db_url: str, tmp_path: Path, now: datetime, limits: dict[str, int], full: int, links: int
) -> None:
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", first_articles=4, **limits) as world:
        for number in range(4):
            await world.publish(f"old-{number}", at=now - timedelta(hours=9 - number))
        await world.release()
        await confirm(world, await ask(world))
        await world.run()
        assert told(world) == [("old-3", "old-2", "old-1", "old-0")]
        assert text(world.mails[0]).count("All about old-") == full
        assert ("More in brief" in text(world.mails[0])) is bool(links)


async def test_who_begins_with_more_than_one_mail_names_has_it_from_the_digest(
    db_url: str, tmp_path: Path, now: datetime
) -> None:
    limits = {"first_articles": 5, "max_items": 2, "max_links": 2}
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", **limits) as world:
        for number in range(5):
            await world.publish(f"old-{number}")
        await world.release()
        await confirm(world, await ask(world, frequency="daily"))
        await world.run()
        assert (told(world), (await world.subscription("anna@example.org")).covered_to) == ([()], 0)
        await world.run(after=DAY)
        assert len(told(world)[-1]) == 4, "and one more counted"


async def test_a_welcome_is_made_to_fit_and_still_names_all(
    db_url: str, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worlds.a_world(db_url, tmp_path, now, welcome="stories", first_articles=8, max_items=8) as world:
        for number in range(8):
            await world.publish(f"old-{number}", at=now - timedelta(hours=9 - number))
        await world.release()
        monkeypatch.setattr(compose, "HTML_BUDGET", 13_000)
        await confirm(world, await ask(world))
        await world.run()
        [mail] = world.mails
        assert mail.articles == tuple(f"old-{number}" for number in range(7, -1, -1))
        assert 0 < text(mail).count("All about old-") < 8
