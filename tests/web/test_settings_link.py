"""The way from a mail to all settings: a link mailed to the reader's own address, and to nobody else's."""

import pytest

from digest import links
from digest.audience import entrance, models
from digest.outbox import models as outbox, notices, unconfirmed
from tests.support import cast, table

pytestmark = pytest.mark.anyio
State = models.SubscriptionState


async def trap(work):
    await work


async def due(site):
    return (await site.row()).notice_due


async def test_looking_orders_nothing(site):
    before = await cast.everything(site.db)
    for method in ("GET", "HEAD", "OPTIONS"):
        response = await site.client.request(method, f"/settings/{site.token()}")
        assert response.status_code in (200, 204)
    page = (await site.get(f"/settings/{site.token()}")).text
    assert ("a***@example.org" in page, "anna@" in page) == (True, False)
    assert await cast.everything(site.db) == before


async def test_the_button_orders_the_mail_with_the_link(site):
    page = await site.press(f"/settings/{site.token()}")
    assert (page.status_code, await due(site)) == (200, "manage")
    assert await site.changes() == [("linked", "page")]


async def test_once_an_hour_and_three_times_a_day_with_the_same_answer_always(site):
    answers, ordered = [], []
    for _ in range(8):
        answers.append((await site.press(f"/settings/{site.token()}")).text.partition("<main>")[2])
        ordered.append(await due(site))
        await site.set(notice_due=None)
        site.later(minutes=31)
    assert ordered == ["manage", None, "manage", None, "manage", None, None, None]
    assert len(set(answers)) == 1
    site.later(hours=22)
    await site.press(f"/settings/{site.token()}")
    assert await due(site) == "manage"


async def test_two_subscriptions_of_one_person_get_one_link(site):
    other = await cast.a_publication(site.db, slug="other")
    subscriber_id = (await site.row()).subscriber_id
    second = await cast.a_subscription(site.db, other, "x@example.org", subscriber_id=subscriber_id)
    await site.press(f"/settings/{site.token()}")
    await site.press(f"/settings/{site.token(reader=second)}")
    assert (await due(site), (await cast.subscription(site.db, second)).notice_due) == ("manage", None)


async def test_another_mail_that_is_due_is_not_forgotten(site):
    await site.set(notice_due="welcome")
    await site.press(f"/settings/{site.token()}")
    assert await due(site) == "welcome manage"


async def test_asking_takes_nobodys_undo_away(site):
    await site.press(f"/less/{site.token()}", frequency="weekly")
    await site.press(f"/settings/{site.token()}")
    await site.press(f"/undo/{site.token()}")
    assert await site.frequency() == "daily"


async def test_who_left_may_still_ask_for_it(site):
    await site.press(f"/unsubscribe/{site.token()}")
    site.later(days=40)
    assert "Mail me a link" in (await site.get(f"/settings/{site.token()}")).text
    await site.press(f"/settings/{site.token()}")
    assert await due(site) == "manage"


async def test_who_left_may_still_ask_whoever_signed_them_up_since(site):
    token = site.token()
    await site.press(f"/unsubscribe/{token}")
    manage = site.signer.manage_token(site.reader, 1, site.now)
    site.later(days=3)
    await site.client.post("/subscribe/mias-feed", data={"email": "anna@example.org", "frequency": "weekly"})
    await entrance.run(site.db, cast.HASHER, site.now, trap=trap)
    assert ((await site.row()).state, (await site.row()).generation) == (State.PENDING, 2)
    await site.press(f"/settings/{token}")
    assert await due(site) == "confirm manage"
    await notices.run(site.db, site.now)
    await table.change(site.db, outbox.Delivery, state=outbox.DeliveryState.SENT, finished_at=site.now)
    site.later(days=4)
    await unconfirmed.run(site.db, site.now)
    assert (await site.row()).state is State.UNSUBSCRIBED
    assert "Mail me a link" in (await site.get(f"/settings/{token}")).text
    assert "Mail me a fresh link" in (await site.get(f"/manage/{manage}")).text
    await site.press(f"/settings/{token}")
    assert await due(site) == "manage"
    new = site.signer.manage_token(site.reader, 2, site.now)
    assert f"/manage/{new}/erase" in (await site.get(f"/manage/{new}")).text


@pytest.mark.parametrize(("state", "generation"), [(State.ACTIVE, 2), (State.PENDING, 1)])
async def test_old_links_and_who_never_confirmed_order_nothing(site, state, generation):
    await site.set(generation=generation, state=state)
    response = await site.press(f"/settings/{site.token()}")
    assert (response.status_code, await due(site), await site.changes()) == (410, None, [])
    assert (await site.get(f"/settings/{site.token()}")).status_code == 410


async def test_forged_links_lead_nowhere(site):
    strangers = links.Signer(("a-stranger-makes-keys-too-0123456789",)).mail_token(site.reader, 1, 77)
    for token in ("nonsense", strangers, site.signer.confirm_token(site.reader, 1, site.now)):
        for answer in (await site.get(f"/settings/{token}"), await site.press(f"/settings/{token}")):
            assert answer.status_code == 404
    assert await site.changes() == []
