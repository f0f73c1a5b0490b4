"""Another address: asked for on the page of all settings, and agreed to behind two links, in either order."""

import pytest
import sqlalchemy as sa

from digest import addresses
from digest.audience import address_changes, erase, models, suppression
from tests.support import cast, table

pytestmark = pytest.mark.anyio
State, Reason = models.SubscriptionState, models.SuppressionReason
NEW = "bea@example.net"


def manage(site, reader=None):
    return f"/manage/{site.signer.manage_token(reader or site.reader, 1, site.now)}"


async def ask(site, email=NEW, reader=None, publication="mias-feed"):
    return await site.press(manage(site, reader), act="address", publication=publication, email=email)


async def change(site):
    return (await table.rows(site.db, models.AddressChange))[-1]


async def links(site):
    """Of the mail to the old address, and of the one to the new."""
    id_ = (await change(site)).id
    return f"/moving/{site.signer.moving_token(id_, site.now)}", f"/address/{site.signer.address_token(id_, site.now)}"


async def due(site):
    return ((await site.row()).notice_due or "").split()


async def email(site, reader=None):
    row = await cast.subscription(site.db, reader or site.reader)
    found = await table.row(site.db, models.Subscriber, id=row.subscriber_id)
    return found.email, found.key


async def test_asking_orders_a_mail_to_each_and_changes_nothing_yet(site):
    page = await ask(site, "Bea@Example.NET")
    assert (page.status_code, "Bea@Example.NET" in page.text) == (200, True)
    assert (await due(site), await email(site)) == (["moving", "address"], ("anna@example.org",) * 2)
    row = await change(site)
    assert (row.email, row.key, row.subscription_id) == ("Bea@Example.NET", NEW, site.reader)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_both_say_yes_in_any_order(site, order):
    await ask(site)
    pages = await links(site)
    first, second = (pages[at] for at in order)
    waiting = await site.press(first)
    assert (waiting.status_code, "Half of it is done" in waiting.text) == (200, True)
    assert (await email(site))[0] == "anna@example.org"
    # The same side twice is not both.
    await site.press(first)
    assert (await email(site))[0] == "anna@example.org"
    done = await site.press(second)
    assert "From now on it comes to b***@example.net." in done.text
    assert await email(site) == (NEW, NEW)
    for link in pages:
        assert "Your address is changed" in (await site.get(link)).text
        assert "Your address is changed" in (await site.press(link)).text
    assert (await site.changes()).count(("moved", "page")) == 1


async def test_opening_a_link_agrees_to_nothing(site):
    await ask(site)
    before = await cast.everything(site.db)
    for link in await links(site):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert (await site.client.request(method, link)).status_code in (200, 204)
    assert await cast.everything(site.db) == before


async def test_the_new_address_is_told_nothing_of_the_old_one(site):
    await ask(site)
    old, new = await links(site)
    assert "example.org" not in (await site.get(new)).text.partition("<main>")[2]
    assert "b***@example.net" in (await site.get(old)).text


async def test_links_in_old_mails_go_on_working_and_links_to_settings_do_not(site):
    token, link = site.token(), manage(site)
    await ask(site)
    site.later(minutes=5)
    for one in await links(site):
        await site.press(one)
    page = await site.get(link)
    assert (page.status_code, NEW in page.text) == (410, False)
    site.later(minutes=1)
    assert (await site.get(manage(site))).status_code == 200
    await site.press(f"/unsubscribe/{token}")
    assert (await site.row()).state is State.UNSUBSCRIBED


async def test_all_subscriptions_of_a_person_move_at_once(site):
    other = await cast.a_publication(site.db, slug="other")
    subscriber_id = (await site.row()).subscriber_id
    await cast.a_subscription(
        site.db, other, "x@example.org", subscriber_id=subscriber_id, state=State.FAILING, covered_to=3
    )
    await ask(site)
    for link in await links(site):
        await site.press(link)
    moved = [row for row in await table.rows(site.db, models.Change) if row.what == "moved"]
    assert (len(moved), await email(site)) == (2, (NEW, NEW))
    states = {row.state for row in await table.rows(site.db, models.Subscription)}
    # The old address was refused for weeks; the new one is as good as any.
    assert states == {State.ACTIVE}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "not an address mail can be sent to"),
        ("bea", "not an address mail can be sent to"),
        ("bea@localhost", "not an address mail can be sent to"),
        ("ANNA@example.org", "the address you have"),
        ("bea@mailinator.com", "an address of your own that lasts"),
    ],
)
async def test_an_address_that_cannot_be_is_refused_beside_its_field(site, typed, says):
    before = await cast.everything(site.db)
    page = await ask(site, typed)
    assert page.status_code == 400
    assert says in page.text.partition('role="alert"')[2].partition("</p>")[0]
    assert f'value="{typed}" aria-invalid="true"' in page.text
    assert await cast.everything(site.db) == before


async def test_asked_twice_for_the_same_is_asked_once(site):
    await ask(site)
    before, links_before = await change(site), await links(site)
    await site.set(notice_due=None)
    await ask(site)
    assert (await change(site), await due(site)) == (before, [])
    assert (await site.get(links_before[0])).status_code == 200


async def test_the_newest_wish_counts_and_three_a_day(site):
    await ask(site)
    old, new = await links(site)
    await ask(site, "cea@example.net")
    # Who agreed to one address has not agreed to another.
    for link in (old, new):
        assert (await site.get(link)).status_code == 410
        assert (await site.press(link)).status_code == 410
    await ask(site, "dea@example.net")
    page = await ask(site, "eve@example.net")
    assert (page.status_code, "several times today" in page.text) == (400, True)
    assert (await change(site)).key == "dea@example.net"
    site.later(hours=25)
    assert (await ask(site, "eve@example.net")).status_code == 200


async def test_a_wish_can_be_withdrawn(site):
    await ask(site)
    old, _ = await links(site)
    assert "Keep my address" in (await site.get(manage(site))).text
    await site.press(manage(site), act="keep", publication="mias-feed")
    assert (await site.press(old)).status_code == 410
    assert await table.rows(site.db, models.AddressChange) == []


async def test_an_address_is_not_flooded_through_many_readers(site):
    ordered = []
    for number in range(5):
        reader = await cast.a_subscription(site.db, site.publication, f"reader{number}@example.org")
        await ask(site, reader=reader)
        ordered.append((await cast.subscription(site.db, reader)).notice_due)
    assert ordered == ["moving address"] * 3 + ["moving"] * 2


@pytest.mark.parametrize("state", [State.ACTIVE, State.PENDING, State.UNSUBSCRIBED])
async def test_another_readers_address_is_told_and_never_taken(site, state):
    other = await cast.a_subscription(site.db, site.publication, NEW, state=state)
    known = (await ask(site)).text
    assert await due(site) == ["moving", "taken"]
    for link in await links(site):
        page = await site.press(link)
    assert "This address cannot be used" in page.text
    assert (await email(site))[0] == "anna@example.org"
    await site.press(manage(site), act="keep", publication="mias-feed")
    subscriber_id = (await cast.subscription(site.db, other)).subscriber_id
    await table.change(site.db, models.Subscriber, subscriber_id, email="x@example.net", key="x@example.net")
    # Whoever asked saw the same.
    assert (await ask(site)).text.partition("<main>")[2] == known.partition("<main>")[2]


async def test_an_address_that_became_a_readers_meanwhile_stays_theirs(site):
    await ask(site)
    old, new = await links(site)
    await site.press(new)
    other = await cast.a_subscription(site.db, site.publication, NEW)
    assert "This address cannot be used" in (await site.press(old)).text
    assert (await email(site), await email(site, other)) == (("anna@example.org",) * 2, (NEW, NEW))
    assert ("moved", "page") not in await site.changes()


@pytest.mark.parametrize(("reason", "kinds"), [(Reason.COMPLAINED, ["moving"]), (Reason.ERASED, ["moving", "address"])])
async def test_who_must_not_be_mailed_is_not_and_who_was_erased_may_come_back(site, reason, kinds):
    async with site.db.transaction() as connection:
        await suppression.add(connection, cast.HASHER, NEW, reason=reason, now=site.now)
    await ask(site)
    assert await due(site) == kinds
    for link in await links(site):
        await site.press(link)
    async with site.db.reading() as connection:
        left = await suppression.covers(connection, cast.HASHER, NEW)
    is_erased = reason is Reason.ERASED
    assert ((await email(site))[0], left) == ((NEW, None) if is_erased else ("anna@example.org", reason))


async def test_a_wish_lasts_three_days_and_is_then_forgotten(site):
    await ask(site)
    site.later(hours=71)
    pages = await links(site)
    assert (await site.get(pages[0])).status_code == 200
    site.later(hours=2)
    # Links mailed late do not outlive what they are for.
    for link in (*pages, *await links(site)):
        assert (await site.press(link)).status_code == 410
    assert (await email(site))[0] == "anna@example.org"
    assert await address_changes.prune(site.db, site.now) == 1
    assert await table.rows(site.db, models.AddressChange) == []


async def test_erasing_forgets_the_new_address_too(site):
    await ask(site)
    old, _ = await links(site)
    async with site.db.transaction() as connection:
        await erase.erase(connection, cast.HASHER, addresses.parse("anna@example.org").key, now=site.now)
    assert await table.rows(site.db, models.AddressChange) == []
    assert (await site.press(old)).status_code == 410


async def test_who_gets_nothing_has_no_address_to_change(site):
    await site.set(state=State.UNSUBSCRIBED)
    assert 'id="address"' not in (await site.get(manage(site))).text
    assert (await ask(site)).status_code == 400
    assert await table.rows(site.db, models.AddressChange) == []


async def test_no_token_does_what_another_is_for(site):
    await ask(site)
    before = await cast.everything(site.db)
    id_ = (await change(site)).id
    tokens = {
        "moving": site.signer.moving_token(id_, site.now),
        "address": site.signer.address_token(id_, site.now),
        "manage": site.signer.manage_token(id_, 1, site.now),
        "mail": site.token(reader=id_),
        "confirm": site.signer.confirm_token(id_, 1, site.now),
    }
    for page in ("moving", "address"):
        for name, token in tokens.items():
            if name != page:
                assert (await site.get(f"/{page}/{token}")).status_code == 410
                assert (await site.press(f"/{page}/{token}")).status_code == 410
    assert await cast.everything(site.db) == before


async def test_two_yeses_at_the_same_moment_are_both(site):
    import asyncio

    await ask(site)
    await asyncio.gather(*(site.press(link) for link in await links(site)))
    assert await email(site) == (NEW, NEW)
    async with site.db.reading() as connection:
        moved = await connection.scalar(sa.select(sa.func.count()).where(models.Change.what == "moved"))
    assert moved == 1
