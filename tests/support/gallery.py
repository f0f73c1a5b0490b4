"""Every page readers can meet, and how to come to stand before it: for checks of all pages, and for their pictures.

Each pose has a reader of its own, so poses do not depend on each other. The content is that of the demonstration, in
English or in Arabic. Buttons are found by their place, for their words depend on the language.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sample_mails

from digest import publications
from digest.articles import submit
from digest.audience import models
from tests.support import cast, house as houses, table
from tests.support.browsing import Visitor
from tests.support.house import House

# A week of the sample articles is out by then.
NOW = datetime(2026, 11, 9, 6, 0, tzinfo=UTC)
# Few enough in a mail that "and N more" leads somewhere.
AMOUNTS = {"max_items": 3, "max_links": 2}
FIRST_BUTTON = "main form button"


@dataclass
class Stage:
    """A house with articles, one mail that was sent, and as many readers as poses need."""

    house: House
    locale: str
    sent: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def slug(self) -> str:
        return str(self.house.world.publication.slug)

    async def reader(self, **values: Any) -> int:
        """A weekly reader of the newest Articles, unless said otherwise."""
        world = self.house.world
        address = f"reader{next(self.numbers)}@example.org"
        return await cast.a_subscription(
            world.parts.db, world.publication, address, locale=self.locale, **({"covered_to": 5} | values)
        )

    async def link(self, kind: str, reader: int | None = None, generation: int = 1) -> str:
        """As it stands in a mail to this reader, or to a new one."""
        signer = self.house.world.parts.signer
        reader = reader or await self.reader()
        if kind in ("confirm", "manage"):
            make = {"confirm": signer.confirm_token, "manage": signer.manage_token}[kind]
            return f"/{kind}/{make(reader, generation, self.house.world.now)}"
        return f"/{kind}/{signer.mail_token(reader, generation, 77)}"


@asynccontextmanager
async def opened(db_url: str, home: Path, locale: str = "en") -> AsyncIterator[Stage]:
    sample = sample_mails.Sample("digest", "five", locale)
    # Without its address, which would not be that of the house.
    spec = sample_mails.publication(sample).model_copy(update={"locale": locale, "archive": "listed", **AMOUNTS})
    async with houses.opened(db_url, home, NOW, **spec.model_dump(mode="json", exclude={"base_url"})) as house:
        await _publish(house, sample)
        stage = Stage(house, locale)
        reader = await stage.reader(covered_to=0)
        await house.world.run(after=timedelta(days=7))
        stage.sent = house.links(house.world.mails[-1])
        assert reader, stage.sent
        yield stage


async def _publish(house: House, sample: sample_mails.Sample) -> None:
    given = [
        submit.Submission(
            title=entry.title,
            url=entry.url,
            standfirst=entry.standfirst,
            categories=entry.categories,
            published_at=entry.published_at,
        )
        for entry in sample_mails.feed(sample).entries
    ]
    world = house.world
    await submit.add(world.parts.db, world.publication, given, world.now)
    await world.release()


Act = Callable[[Stage, Visitor], Awaitable[None]]


@dataclass(frozen=True)
class Pose:
    """`status` is what the page answers with."""

    name: str
    act: Act
    status: int


POSES: dict[str, Pose] = {}


def pose(status: int = 200) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        name = act.__name__.replace("_", "-")
        POSES[name] = Pose(name, act, status)
        return act

    return keep


@pose()
async def home(stage: Stage, visitor: Visitor) -> None:
    await visitor.open("/")


@pose()
async def subscribe(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(f"/subscribe/{stage.slug}")


@pose()
async def subscribe_opened(stage: Stage, visitor: Visitor) -> None:
    """With all there is to unfold."""
    await subscribe(stage, visitor)
    await unfold(visitor)
    await visitor.page.locator("[name=which][value=some]").check()


@pose()
async def subscribe_in_haste(stage: Stage, visitor: Visitor) -> None:
    await subscribe(stage, visitor)
    await _sign_up(visitor, "bea@example.org")


@pose(422)
async def subscribe_mistaken(stage: Stage, visitor: Visitor) -> None:
    await subscribe(stage, visitor)
    stage.house.wait(seconds=20)
    await _sign_up(visitor, "bea@example")


@pose()
async def asked(stage: Stage, visitor: Visitor) -> None:
    await subscribe(stage, visitor)
    stage.house.wait(seconds=20)
    await _sign_up(visitor, f"bea.{stage.locale}@example.org")


@pose()
async def embed(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(f"/embed/{stage.slug}")


async def _sign_up(visitor: Visitor, address: str) -> None:
    await visitor.page.locator("[type=email]").fill(address)
    await visitor.send(FIRST_BUTTON)


@pose()
async def confirm(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader(state=models.SubscriptionState.PENDING, confirmed_at=None)
    await visitor.open(await stage.link("confirm", reader))


@pose()
async def confirmed(stage: Stage, visitor: Visitor) -> None:
    await confirm(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose(410)
async def confirm_too_late(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader(state=models.SubscriptionState.PENDING, confirmed_at=None)
    await visitor.open(await stage.link("confirm", reader, generation=2))


@pose()
async def unsubscribe(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("unsubscribe"))


@pose()
async def left(stage: Stage, visitor: Visitor) -> None:
    await unsubscribe(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose()
async def left_and_said_why(stage: Stage, visitor: Visitor) -> None:
    await left(stage, visitor)
    await visitor.page.locator("[name=reason]").first.check()
    await visitor.send("form:has([name=reason]) button")


@pose()
async def come_back(stage: Stage, visitor: Visitor) -> None:
    await left(stage, visitor)
    await visitor.send("main form[action*=undo] button")


@pose()
async def left_long_ago(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader(state=models.SubscriptionState.UNSUBSCRIBED, left_at=NOW - timedelta(days=9))
    await visitor.open(await stage.link("unsubscribe", reader))


@pose()
async def unsubscribe_by_old_mail(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("unsubscribe", await stage.reader(generation=2)))


@pose(410)
async def old_link(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("less", await stage.reader(generation=2)))


@pose()
async def less(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("less"))


@pose()
async def less_chosen(stage: Stage, visitor: Visitor) -> None:
    await less(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose()
async def topics(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("topics"))


@pose()
async def topics_opened(stage: Stage, visitor: Visitor) -> None:
    await topics(stage, visitor)
    await visitor.page.locator("[type=radio]").last.check()


@pose(400)
async def topics_mistaken(stage: Stage, visitor: Visitor) -> None:
    await topics_opened(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose()
async def topics_chosen(stage: Stage, visitor: Visitor) -> None:
    await topics_opened(stage, visitor)
    await visitor.page.locator("[type=checkbox]").first.check()
    await visitor.send(FIRST_BUTTON)


@pose()
async def pause(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("pause"))


@pose(400)
async def pause_mistaken(stage: Stage, visitor: Visitor) -> None:
    await pause(stage, visitor)
    await visitor.page.locator("[value=date]").check()
    await visitor.send(FIRST_BUTTON)


@pose()
async def paused(stage: Stage, visitor: Visitor) -> None:
    await pause(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose()
async def pause_again(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader(paused_until=NOW + timedelta(days=40))
    await visitor.open(await stage.link("pause", reader))


@pose()
async def resume(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader(paused_until=NOW + timedelta(days=40))
    await visitor.open(await stage.link("resume", reader))


@pose()
async def undo(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader()
    await visitor.open(await stage.link("less", reader))
    await visitor.send(FIRST_BUTTON)
    await visitor.open(await stage.link("undo", reader))


@pose()
async def nothing_to_undo(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("undo"))


@pose()
async def more(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(stage.sent["mail"].removesuffix("/more") + "/more")


@pose(410)
async def mail_gone(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("mail"))


@pose()
async def archive(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(f"/archive/{stage.slug}")


@pose()
async def archive_dates(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(f"/archive/{stage.slug}/weekly?before=2026-11-30")


@pose()
async def archive_page(stage: Stage, visitor: Visitor) -> None:
    await archive(stage, visitor)
    await visitor.open(await visitor.page.locator(".dates a").first.get_attribute("href") or "")


@pose(404)
async def archive_without_a_page(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(f"/archive/{stage.slug}/weekly/2026-11-01")


@pose(404)
async def lost(stage: Stage, visitor: Visitor) -> None:
    await visitor.open("/less/cut-in-two")


@pose(404)
async def nowhere(stage: Stage, visitor: Visitor) -> None:
    await visitor.open("/nowhere")


@pose(404)
async def closed(stage: Stage, visitor: Visitor) -> None:
    """A Publication that takes nobody in by its page."""
    world = stage.house.world
    slug = f"closed-{next(stage.numbers)}"
    spec = publications.load(world.publication.spec).model_dump(mode="json")
    await cast.a_publication(world.parts.db, **(spec | {"slug": slug, "sign_up": False}))
    await visitor.open(f"/subscribe/{slug}")


@pose()
async def settings(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("settings"))


@pose()
async def settings_linked(stage: Stage, visitor: Visitor) -> None:
    await settings(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose()
async def manage(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("manage"))


@pose()
async def manage_opened(stage: Stage, visitor: Visitor) -> None:
    """With all there is to unfold."""
    await manage(stage, visitor)
    await unfold(visitor)


@pose()
async def manage_saved(stage: Stage, visitor: Visitor) -> None:
    await manage_opened(stage, visitor)
    await visitor.page.locator("[name=frequency]").nth(1).check()
    await visitor.send(FIRST_BUTTON)


@pose(400)
async def manage_mistaken(stage: Stage, visitor: Visitor) -> None:
    await manage_opened(stage, visitor)
    await visitor.page.locator("[name=which][value=some]").check()
    await visitor.send("form:has([name=which]) button")


@pose()
async def manage_in_a_pause(stage: Stage, visitor: Visitor) -> None:
    reader = await stage.reader(paused_until=NOW + timedelta(days=40))
    await visitor.open(await stage.link("manage", reader))
    await unfold(visitor)


@pose(410)
async def manage_too_late(stage: Stage, visitor: Visitor) -> None:
    link = await stage.link("manage")
    stage.house.wait(hours=25)
    await visitor.open(link)


@pose()
async def manage_address_asked(stage: Stage, visitor: Visitor) -> None:
    await _ask_to_move(stage, visitor, await stage.reader())
    await unfold(visitor)


@pose(400)
async def manage_address_mistaken(stage: Stage, visitor: Visitor) -> None:
    await _ask_to_move(stage, visitor, await stage.reader(), "bea@mailinator.com")


@pose()
async def moving(stage: Stage, visitor: Visitor) -> None:
    """The old address is asked."""
    old, _ = await _ask_to_move(stage, visitor, await stage.reader())
    await visitor.open(old)


@pose()
async def address(stage: Stage, visitor: Visitor) -> None:
    """The new one is."""
    _, new = await _ask_to_move(stage, visitor, await stage.reader())
    await visitor.open(new)


@pose()
async def moved_by_half(stage: Stage, visitor: Visitor) -> None:
    await moving(stage, visitor)
    await visitor.send(FIRST_BUTTON)


@pose()
async def moved(stage: Stage, visitor: Visitor) -> None:
    for link in await _ask_to_move(stage, visitor, await stage.reader()):
        await visitor.open(link)
        await visitor.send(FIRST_BUTTON)


@pose()
async def moved_to_nobody(stage: Stage, visitor: Visitor) -> None:
    """The address is another reader's."""
    taken = f"reader{next(stage.numbers)}@example.org"
    await cast.a_subscription(stage.house.world.parts.db, stage.house.world.publication, taken)
    for link in await _ask_to_move(stage, visitor, await stage.reader(), taken):
        await visitor.open(link)
        await visitor.send(FIRST_BUTTON)


@pose(410)
async def moving_too_late(stage: Stage, visitor: Visitor) -> None:
    old, _ = await _ask_to_move(stage, visitor, await stage.reader())
    stage.house.wait(hours=73)
    await visitor.open(old)


@pose()
async def erase(stage: Stage, visitor: Visitor) -> None:
    await visitor.open(await stage.link("manage") + "/erase")


@pose()
async def erased(stage: Stage, visitor: Visitor) -> None:
    await erase(stage, visitor)
    await visitor.send(FIRST_BUTTON)


async def _ask_to_move(stage: Stage, visitor: Visitor, reader: int, to: str = "") -> tuple[str, str]:
    """Ask on the page of all settings; the links in the mails to the old address and to the new one."""
    world = stage.house.world
    await visitor.open(await stage.link("manage", reader))
    await unfold(visitor)
    await visitor.page.locator("#address").fill(to or f"new{next(stage.numbers)}@example.net")
    await visitor.send("form:has(#address) button")
    row = await cast.subscription(world.parts.db, reader)
    made = await table.rows(world.parts.db, models.AddressChange, subscriber_id=row.subscriber_id)
    ids = [change.id for change in made] or [0]
    signer = world.parts.signer
    return f"/moving/{signer.moving_token(ids[0], world.now)}", f"/address/{signer.address_token(ids[0], world.now)}"


async def unfold(visitor: Visitor) -> None:
    closed = visitor.page.locator("details:not([open]) > summary")
    while await closed.count():
        await closed.first.click()
