"""Readers who chose a layout of their own: the same stories, told as they like, and made no more often than need be."""

import email
import email.policy
from datetime import timedelta

import pytest

from digest import metrics
from digest.audience import models as audience
from digest.outbox import message
from tests.support import table, wirecheck

pytestmark = pytest.mark.anyio
LAYOUTS = {"full@example.org": None, "compact@example.org": "compact", "text@example.org": "text"}


async def three_readers(world, **changes):
    for address, layout in LAYOUTS.items():
        id_ = await world.subscribe(address, "daily")
        await table.change(world.parts.db, audience.Subscription, id_, layout=layout, **changes)


def by_reader(world):
    return {mail.to: email.message_from_bytes(mail.content, policy=email.policy.default) for mail in world.mails}


async def test_each_gets_the_same_stories_in_the_layout_they_chose(world):
    await three_readers(world)
    await world.publish("one", "heart")
    await world.publish("two", "sleep")
    await world.run(after=timedelta(days=1))
    mails = by_reader(world)
    assert [world.told(address) for address in LAYOUTS] == [[("two", "one")]] * 3
    assert [wirecheck.faults(mail.content) for mail in world.mails] == [[], [], []]
    full, compact, text = (mails[address] for address in LAYOUTS)
    assert (full.get_content_type(), text.get_content_type()) == ("multipart/alternative", "text/plain")
    twin = full.get_body(("plain",)).get_content().replace(token_of(full), token_of(text))
    # The last line end of a part belongs to the delimiter after it.
    assert text.get_content() == twin + "\r\n"
    assert compact.get_body(("html",)).get_content() != full.get_body(("html",)).get_content()
    # What they tell is one Selection, so that doubt, archive and feed see no difference.
    rows = [row for address in LAYOUTS for row in await world.deliveries(address)]
    assert len({row.selection_id for row in rows}) == 1


def token_of(mail):
    return mail["List-Unsubscribe"].strip("<>").rpartition("/")[2]


async def test_a_text_mail_can_be_left_by_one_click_like_any_other(world):
    await three_readers(world)
    await world.publish("one")
    await world.run(after=timedelta(days=1))
    text = by_reader(world)["text@example.org"]
    assert text["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert token_of(text) in text.get_content().replace("=\n", "")


def inlined():
    return metrics.REGISTRY.get_sample_value("digest_stories_inlined_total")


async def test_a_story_is_inlined_once_for_each_layout_however_many_read_it(world):
    for number in range(4):
        id_ = await world.subscribe(f"r{number}@example.org", "daily")
        await table.change(world.parts.db, audience.Subscription, id_, layout=(None, "compact", "text", "text")[number])
    await world.publish("one")
    before = inlined()
    await world.run(after=timedelta(days=1))
    # The story and the frame around it, in two layouts.
    assert inlined() - before == 4


async def test_notices_follow_the_layout_too(world):
    await three_readers(world, notice_due="changed")
    await world.run()
    types = {to: mail.get_content_type() for to, mail in by_reader(world).items()}
    assert types["text@example.org"] == "text/plain"
    assert types["compact@example.org"] == "multipart/alternative"


async def test_who_changes_the_layout_before_the_hand_over_gets_the_new_one(world):
    id_ = await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    await world.queue(after=timedelta(days=1))
    await table.change(world.parts.db, audience.Subscription, id_, layout="text")
    await world.send()
    assert by_reader(world)["anna@example.org"].get_content_type() == "text/plain"


def test_a_message_of_text_alone_is_one_part_that_ends_its_line():
    content = message.prepare_text(["Grüße", "\n.\nFrom here"]).render({}, b"Subject: x\r\n")
    assert content.startswith(b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert found.get_content() == "Grüße\r\n.\r\nFrom here\r\n"
    assert b"\n." not in content
