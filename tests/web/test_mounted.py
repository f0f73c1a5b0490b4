"""A service mounted below a path of its host: no page leads, or sends a form, to where somebody else may be."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import html

from digest import templating
from digest.archive import keep
from digest.audience import models
from digest.editions import models as editions
from digest.outbox import models as outbox
from digest.web import render
from tests.support import archive, cast, table

pytestmark = pytest.mark.anyio
State = models.SubscriptionState
ROOT = "/mail"
WEB = templating.data_dir("templates") / "web"
# Pages that lead somewhere of their own; what others include comes with them.
LEADING = {
    str(path.relative_to(WEB))
    for path in WEB.rglob("*.html")
    if "root" in (text := path.read_text(encoding="utf-8")) and "{% extends" in text
}


@pytest.fixture
async def mounted(site, db):
    """The reader's Publication has three Articles, a mail that told the first, and an archive."""
    await archive.apply(db, site.publication, base_url=f"https://news.example.org{ROOT}", archive="listed")
    times = [site.now - timedelta(days=days) for days in (3, 2, 1)]
    first, *others = await archive.articles_at(db, site.publication, *times)
    await keep.run(db, site.now)
    picks = {"full": [[first, None]], "links": [], "more": others}
    shared = {"publication_id": site.publication.id}
    selection = await table.add(db, editions.Selection, fingerprint="x", picks=picks, used_at=site.now, **shared)
    at = {"due_at": site.now, "planned_at": site.now, "slot": "2026-11-02"}
    edition = await table.add(db, editions.Edition, cadence_id=(await site.row()).cadence_id, upto=3, **at, **shared)
    mail = {"id": 77, "kind": "digest", "state": outbox.DeliveryState.SENT, "selection_id": selection}
    mail |= {"subscription_id": site.reader, "edition_id": edition, "created_at": site.now, "finished_at": site.now}
    await table.add(db, outbox.Delivery, **mail, **shared)
    return site


@pytest.fixture
def rendered(monkeypatch) -> set[str]:
    """The names of the templates that pages were made of."""
    names: set[str] = set()
    text: Callable[..., str] = render.text

    def noted(name, *given, **context):
        names.add(name)
        return text(name, *given, **context)

    monkeypatch.setattr(render, "text", noted)
    return names


async def test_no_page_leads_beside_the_path_the_service_is_mounted_at(mounted, rendered):
    site = mounted
    pages = [*await strangers(site), *await changes(site), *await settings(site), *await leavers(site)]
    for page in pages:
        assert page.status_code < 500, page.url
        links = html.fromstring(page.content).xpath("//@href | //@action | //@formaction | //@src")
        assert [link for link in links if link.startswith("/") and not link.startswith(f"{ROOT}/")] == [], page.url
    assert LEADING - rendered == set()


async def strangers(site):
    """What is open to everybody, and the way in."""
    site.rules(per_origin="1/hour")
    pending = await cast.a_subscription(site.db, site.publication, "bea@example.org", state=State.PENDING)
    confirm = f"/confirm/{site.signer.confirm_token(pending, 1, site.now)}"
    day = (await archive.pages(site.db, "daily"))[-1].date
    sign_up = {"email": "cea@example.org", "frequency": "daily"}
    paths = ["", "/daily", "/daily?before=2026-11-30", f"/daily/{day}", "/daily/2020-01-01"]
    return [
        *[await site.get(f"/archive/mias-feed{path}") for path in paths],
        *[await site.get(f"/{door}/mias-feed") for door in ("subscribe", "embed")],
        *[await site.press("/subscribe/mias-feed", **one) for one in ({}, sign_up, sign_up)],
        await site.get(confirm),
        await site.press(confirm),
    ]


async def changes(site):
    """What the links in a mail open, and what is said when a button there was pressed."""
    token = site.token()
    doors = ("unsubscribe", "less", "topics", "pause", "resume", "undo", "mail", "settings")
    presses = {
        "less": {"frequency": "weekly"},
        "topics": {"which": "some"},
        "pause": {"for": "2"},
        "resume": {},
        "undo": {},
        "settings": {},
    }
    pages = [await site.get(f"/mail/{token}/more")]
    for door, fields in presses.items():
        pages += [await site.get(f"/{one}/{token}") for one in doors]
        pages.append(await site.press(f"/{door}/{token}", **fields))
    return pages


async def settings(site):
    """Behind the link to all settings, one that has expired, and those that ask both addresses."""
    path, old = (f"/manage/{site.signer.manage_token(site.reader, 1, site.now - timedelta(days=d))}" for d in (0, 2))
    moving = {"act": "address", "publication": "mias-feed", "email": "new@example.org"}
    pages = [await site.press(path, **moving)]
    change = (await table.row(site.db, models.AddressChange)).id
    tokens = {"moving": site.signer.moving_token, "address": site.signer.address_token}
    pages += [await site.get(f"/{door}/{make(change, site.now)}") for door, make in tokens.items()]
    return pages + [await site.get(one) for one in (path, f"{path}/erase", old)]


async def leavers(site):
    """Leaving, the day in which it can be undone, and an old mail of who came back."""
    path = f"/unsubscribe/{site.token()}"
    pages = [await site.press(path), await site.get(path), await site.get(f"/less/{site.token()}")]
    await site.set(generation=2, state=State.ACTIVE)
    return [*pages, await site.get(path), await site.get(f"/less/{site.token()}")]
