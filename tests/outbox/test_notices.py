"""Confirm, welcome and goodbye: once each, before all other mail, by the same rules."""

import asyncio
import email
import email.policy
from datetime import timedelta

import pytest

from digest import addresses, database, links, publications
from digest.audience import erase, models as audience, preferences, signup, standing, trail, undoing
from digest.outbox import lease, notices
from digest.outbox.models import Batch, Delivery
from digest.run import inprocess
from tests.support import table, wirecheck, world as worlds

pytestmark = pytest.mark.anyio


async def ask(world, address="anna@example.org", frequency="weekly"):
    """Sign up as on the page; the Subscription's id."""
    spec = publications.load(world.publication.spec)
    choice = preferences.fulfil(spec, preferences.Wish(frequency=frequency, timezone="UTC"))
    request = signup.Request(world.publication.id, addresses.parse(address), choice)
    async with world.parts.db.transaction() as connection:
        return await signup.ask(connection, world.parts.hasher, request, door=trail.Door.PAGE, now=world.now)


async def confirm(world, id_):
    row = await table.row(world.parts.db, audience.Subscription, id=id_)
    async with world.parts.db.transaction() as connection:
        token = links.ConfirmToken(id_, row.generation, world.now)
        return await signup.confirm(connection, world.parts.hasher, token, now=world.now)


def text(mail):
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    return " ".join(message.get_body(("plain",)).get_content().split())


async def test_a_request_to_confirm_goes_out_once_and_can_be_answered(world):
    id_ = await ask(world)
    await world.run()
    await world.run()
    [mail] = world.mails
    assert wirecheck.faults(mail.content) == []
    assert not mail.is_digest
    assert b"List-Unsubscribe" not in mail.content
    assert await confirm(world, id_) is signup.Confirming.CONFIRMED


async def test_a_welcome_can_be_left_by_one_click(world):
    await confirm(world, await ask(world))
    await world.run()
    [mail] = world.mails
    assert wirecheck.faults(mail.content) == []
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail.content
    token = world.parts.signer.read_mail_token(mail.token)
    assert token.subscription_id == (await world.subscription("anna@example.org")).id


async def test_a_welcome_names_the_day_of_the_first_digest_even_before_it_is_scheduled(world):
    """Its Cadence was chosen a moment ago, and the next reader's welcome is written another week."""
    await confirm(world, await ask(world))
    await notices.run(world.parts.db, world.now)
    await inprocess.drain(world.sender, {})
    world._read_mails()
    assert "comes on Monday, 2 November 2026" in text(world.mails[0])
    await world.run(after=timedelta(days=8))
    await confirm(world, await ask(world, "bert@example.org"))
    await world.run()
    assert "comes on Monday, 16 November 2026" in text(world.mails[-1])


async def test_notices_go_before_digests(world):
    await world.subscribe("daily@example.org", "daily")
    await world.publish("one")
    world.now += timedelta(days=1)
    await ask(world, "new@example.org")
    await world.queue()
    batches = {row.id: row.edition_id for row in await table.rows(world.parts.db, Batch)}
    first = await lease.find_due(world.parts.db)
    second = await lease.find_due(world.parts.db, but=[first])
    assert (len(batches), batches[first] is None, batches[second] is None) == (2, True, False)
    await world.run()
    assert sorted(mail.to for mail in world.mails) == ["daily@example.org", "new@example.org"]


async def test_two_notices_for_one_reader_go_one_after_the_other(world):
    """The relay is down when both are first tried, so both are due again at the same time."""
    world.server.answer("rcpt", "451 4.3.0 later", times=2)
    await ask(world)
    await world.run()
    await ask(world)
    await world.run()
    for _ in range(4):
        await world.run(after=timedelta(minutes=50))
    assert len(world.mails) == 2
    states = [row.state.value for row in await table.rows(world.parts.db, Delivery)]
    assert states == ["sent", "sent"]


async def test_a_welcome_waits_while_a_digest_is_in_doubt(world):
    reader = await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    world.server.answer("content", "drop", times=1)
    await world.run(after=timedelta(days=1))
    assert (await world.deliveries("anna@example.org"))[0].state.value == "doubtful"
    await table.change(world.parts.db, audience.Subscription, reader, notice_due="welcome")
    await world.run()
    assert [row.state.value for row in await world.deliveries("anna@example.org")] == ["doubtful", "deferred"]
    await world.run(after=timedelta(minutes=5))
    await world.run(after=timedelta(minutes=5))
    assert [row.state.value for row in await world.deliveries("anna@example.org")] == ["sent", "sent"]


async def test_who_left_before_the_welcome_went_out_does_not_get_it(world):
    id_ = await ask(world)
    await world.run()
    await confirm(world, id_)
    await notices.run(world.parts.db, world.now)
    await world.leave("anna@example.org")
    await world.run()
    assert len(world.mails) == 1


async def test_who_was_erased_may_come_back_and_is_asked_to_confirm(world):
    await world.subscribe("anna@example.org")
    async with world.parts.db.transaction() as connection:
        await erase.erase(connection, world.parts.hasher, "anna@example.org", now=world.now)
    await ask(world)
    await world.run()
    assert [mail.to for mail in world.mails] == ["anna@example.org"]


async def test_many_nodes_queue_each_notice_once(world, db_url):
    for number in range(6):
        await ask(world, f"r{number}@example.org")
    nodes = [database.connect(db_url, pool_size=2) for _ in range(4)]
    counts = await asyncio.gather(*(notices.run(node, world.now) for node in nodes))
    assert sum(counts) == len(await table.rows(world.parts.db, Delivery)) == 6
    for node in nodes:
        await node.close()


async def reminders(world):
    await world.run()
    return [mail for mail in world.mails if "already" in mail.subject]


async def test_who_is_a_reader_already_is_told_once_a_day_and_nothing_changes(world):
    id_ = await ask(world)
    await confirm(world, id_)
    await world.run()
    before = await table.row(world.parts.db, audience.Subscription, id=id_)
    for _ in range(3):
        await ask(world, frequency="monthly")
        await world.run()
    [mail] = await reminders(world)
    assert wirecheck.faults(mail.content) == []
    assert "nothing has changed" in text(mail)
    assert "You chose weekly" in text(mail)
    assert await table.row(world.parts.db, audience.Subscription, id=id_) == before
    world.now += timedelta(hours=25)
    await ask(world)
    assert len(await reminders(world)) == 2


async def test_a_reminder_somebody_else_caused_takes_nobodys_undo_away(world):
    id_ = await ask(world)
    await confirm(world, id_)
    await world.change("anna@example.org", frequency="monthly")
    await ask(world)
    async with world.parts.db.reading() as connection:
        last = await undoing.find(connection, id_, world.now)
    assert last is not None


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_change_is_told_only_where_it_is_wanted(world, wanted):
    await confirm(world, await ask(world))
    await world.run()
    await change(world, tell=wanted, frequency="monthly")
    await world.run()
    told = [mail for mail in world.mails if "from now on" in mail.subject]
    assert [("You chose monthly" in text(mail)) for mail in told] == [True] * wanted


@pytest.fixture
async def told(db_url, tmp_path, now):
    """A Publication that tells its readers of each change; Anna is one and has her welcome."""
    async with worlds.a_world(db_url, tmp_path, now, settings_changed=True) as world:
        await confirm(world, await ask(world))
        await world.run()
        yield world


async def change(world, tell=True, **wish):
    row = await world.subscription("anna@example.org")
    async with world.parts.db.transaction() as connection:
        found = await standing.find(connection, row.id, lock=True)
        choice = preferences.fulfil(found.spec, preferences.Wish(**wish), found.choice)
        door = trail.Door.PAGE
        await preferences.change(connection, found.subscription, choice, door=door, now=world.now, tell=tell)


async def pause(world, until):
    row = await world.subscription("anna@example.org")
    async with world.parts.db.transaction() as connection:
        await preferences.pause(connection, row, until, door=trail.Door.PAGE, now=world.now, tell=True)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"frequency": "monthly"}, "You changed how often and when it comes. You chose monthly"),
        ({"send_at": "09:15"}, "You changed how often and when it comes. You chose weekly"),
        ({"topics": ("heart",)}, "You changed your topics. You chose weekly"),
        ({"topics": ("heart",), "timezone": "Asia/Tokyo"}, "You changed how often and when it comes, and your topics."),
    ],
)
async def test_a_change_is_named(told, wish, says):
    await change(told, **wish)
    await told.run()
    assert says in text(told.mails[-1])


async def test_what_was_taken_back_in_time_is_not_named(told):
    await change(told, topics=("heart",))
    async with told.parts.db.transaction() as connection:
        row = await told.subscription("anna@example.org")
        await undoing.undo(connection, row.id, door=trail.Door.PAGE, now=told.now)
    await told.run()
    assert "You changed" not in text(told.mails[-1])


async def test_a_pause_is_told_and_the_next_digest_named_is_the_first_after_it(told):
    """Mondays at 07:00; the pause ends on the very minute of one of them."""
    monday = told.now + timedelta(days=(7 - told.now.weekday()) % 7, weeks=2)
    await pause(told, monday.replace(hour=7, minute=0))
    await told.run()
    day = f"{monday:%A}, {monday.day} {monday:%B %Y}"
    said = text(told.mails[-1])
    assert f"You asked for a pause, which lasts until {day}." in said
    assert f"The next one comes on {day}," in said
    await ask(told)
    assert f"The next one comes on {day}," in text((await reminders(told))[-1])
    told.now = monday.replace(hour=8)
    await ask(told)
    assert "asked for a pause" not in text((await reminders(told))[-1])
