"""From what was chosen to the bytes that leave."""

import dataclasses
import email
import email.policy
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.audience.models import Cadence, Subscription
from digest.editions import choose, compose
from digest.editions.models import Edition, Selection
from digest.outbox import reading, selections, telling, writer
from digest.outbox.models import Delivery
from tests.support import table, wirecheck, world as worlds

pytestmark = pytest.mark.anyio

ANNA, DAY = "anna@example.org", timedelta(days=1)


def parsed(mail):
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def text(mail):
    return " ".join(parsed(mail).get_body(("plain",)).get_content().split())


async def test_readers_who_get_the_same_share_all_but_what_is_personal(world):
    for name in ("anna", "bert"):
        await world.subscribe(f"{name}@example.org", "daily")
    await world.publish("one", "heart")
    await world.run(after=DAY)
    anna, bert = sorted(world.mails, key=lambda mail: mail.to)
    assert wirecheck.faults(anna.content) == []
    assert anna.subject == bert.subject
    assert parsed(anna)["Message-ID"] != parsed(bert)["Message-ID"]
    assert text(anna).replace(anna.token, "") == text(bert).replace(bert.token, "")
    assert bert.token not in text(anna)
    assert len(await table.rows(world.parts.db, Selection)) == 1
    for mail, row in zip((anna, bert), await table.rows(world.parts.db, Delivery), strict=True):
        token = world.parts.signer.read_mail_token(mail.token)
        assert (token.delivery_id, token.subscription_id) == (row.id, row.subscription_id)


async def test_the_same_picks_are_kept_once_and_read_back_as_they_were(world):
    chosen = choose.Chosen((choose.Pick(1, "heart"), choose.Pick(2, None)), (choose.Pick(3, "sleep"),), (4, 5))
    async with world.parts.db.transaction() as connection:
        first = await selections.intern(connection, world.publication.id, chosen, used_at=world.now)
        assert await selections.intern(connection, world.publication.id, chosen, used_at=world.now) == first
        other = choose.Chosen(chosen.full, (), (3, 4, 5))
        assert await selections.intern(connection, world.publication.id, other, used_at=world.now) != first
        assert await selections.load_selection(connection, first) == chosen


async def test_all_of_it_is_told_in_full_as_links_and_by_number(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, max_items=2, max_links=3, first_articles=0) as world:
        await world.subscribe(ANNA, "daily")
        for number in range(9):
            await world.publish(f"a{number}", at=world.now + timedelta(minutes=number))
        await world.run(after=DAY)
        assert world.told(ANNA) == [("a8", "a7", "a6", "a5", "a4")]
        assert "4 more" in text(world.mails[0])
        selection = await table.row(world.parts.db, Selection)
        assert [len(selection.picks[part]) for part in ("full", "links", "more")] == [2, 3, 4]


async def test_variants_beyond_the_limit_are_forgotten_the_oldest_first(world, monkeypatch):
    monkeypatch.setattr(writer, "KEPT", 2)
    await world.subscribe(ANNA, "daily")
    for day in range(4):
        await world.publish(f"day-{day}")
        await world.run(after=DAY)
    assert len(world.parts.writer._kept) == 2
    assert len(world.told(ANNA)) == 4


async def test_a_digest_says_since_when_and_leaves_out_editions_nobody_got(world):
    await world.subscribe(ANNA, "daily")
    for number in range(3):
        await world.publish(f"a{number}")
        await world.queue(after=DAY)
        if number == 1:
            edition = (await table.rows(world.parts.db, Edition))[-1]
            await table.change(world.parts.db, Edition, edition.id, state="cancelled")
        await world.send()
    assert [len(names) for names in world.told(ANNA)] == [1, 2]
    async with world.parts.db.reading() as connection:
        columns = (Edition, Cadence.frequency, Cadence.weekday, Cadence.send_at, Cadence.timezone)
        statement = sa.select(*columns).join(Cadence, Cadence.id == Edition.cadence_id).order_by(Edition.id)
        last = (await connection.execute(statement)).all()[-1]
        facts = await telling.edition(connection, last)
    assert (facts.since, facts.upto) == (world.now.date() - 2 * DAY, world.now.date())


async def test_a_readers_own_language_is_used(world):
    reader = await world.subscribe(ANNA, "daily")
    await table.change(world.parts.db, Subscription, reader, locale="he")
    await world.publish("one")
    await world.run(after=DAY)
    assert 'dir="rtl"' in parsed(world.mails[0]).get_body(("html",)).get_content()


async def test_a_mail_is_made_to_fit_before_it_is_frozen_and_stays_so(db_url, tmp_path, now, monkeypatch):
    async with worlds.a_world(db_url, tmp_path, now, max_items=6, max_links=2, first_articles=0) as world:
        await world.subscribe(ANNA, "daily")
        for number in range(8):
            await world.publish(f"a{number}")
        fits_three = 13_500
        monkeypatch.setattr(compose, "HTML_BUDGET", fits_three)
        await world.run(after=DAY)
        [mail] = world.mails
        html = parsed(mail).get_body(("html",)).get_content().replace("\r\n", "\n")
        assert len(html.encode()) <= fits_three
        [selection] = await table.rows(world.parts.db, Selection)
        picks = selection.picks
        assert sum(len(picks[kind]) for kind in ("full", "links", "more")) == 8
        assert picks["short"] or picks["more"]
        # Later there is more room; what was frozen is shown as it was.
        monkeypatch.setattr(compose, "HTML_BUDGET", 90_000)
        parts = world.parts
        token = parts.signer.read_mail_token(mail.token)
        assert await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token) == html


async def test_how_many_go_short_is_part_of_what_is_frozen(world):
    chosen = choose.Chosen((choose.Pick(1, "heart"), choose.Pick(2, None)), (), ())
    async with world.parts.db.transaction() as connection:
        plain = await selections.intern(connection, world.publication.id, chosen, used_at=world.now)
        short = dataclasses.replace(chosen, short=1)
        assert await selections.intern(connection, world.publication.id, short, used_at=world.now) != plain
        assert await selections.load_selection(connection, plain + 1) == short
