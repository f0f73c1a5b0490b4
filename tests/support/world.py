"""A small installation with a clock that tests turn by hand: publish, subscribe, let time pass, read the mail.

Everything is real but the time: database, passes, SMTP. What readers got is told from the received mails alone.
"""

import asyncio
import dataclasses
import email
import email.policy
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digest import addresses, config, links, publications
from digest.articles import models as articles, release
from digest.audience import importing, models as audience, preferences, rows, trail, unsubscribe
from digest.editions import plan
from digest.outbox import crew, fill, models as outbox, notices
from digest.run import inprocess, passes, pulse, wiring
from tests.support import cast, grammar, shifts, smtpserver

SITE = "https://news.example.org"
ARTICLE_URL = "https://feed.example/articles/"


@dataclasses.dataclass(frozen=True)
class Mail:
    """One received mail, as its reader sees it. `articles` are the names linked to, in order of first mention."""

    to: str
    at: datetime
    subject: str
    articles: tuple[str, ...]
    token: str
    content: bytes
    is_answered: bool

    @property
    def is_digest(self) -> bool:
        """Notices belong to no list."""
        return b"\r\nList-Id: " in self.content


@dataclasses.dataclass
class World:
    parts: wiring.Parts
    server: smtpserver.SmtpServer
    sender: crew.Sender
    now: datetime
    publication: Any
    _source_id: int = 0
    _read: int = 0
    mails: list[Mail] = dataclasses.field(default_factory=list)

    async def publish(self, name: str, *topics: str, at: datetime | None = None) -> int:
        """A new Article that waits for its release."""
        values = {
            "publication_id": self.publication.id,
            "source_id": await self._source(),
            "guid": name,
            "url": ARTICLE_URL + name,
            "url_key": ARTICLE_URL + name,
            "content_hash": name,
            "fingerprint": name,
            "title": f"Title of {name}",
            "standfirst": f"All about {name}.",
            "topics": list(topics),
            "published_at": at or self.now,
            "release_at": max(at or self.now, self.now),
            "created_at": self.now,
            "updated_at": self.now,
        }
        async with self.parts.db.transaction() as connection:
            new = sa.insert(articles.Article).values(values).returning(articles.Article.id)
            return int((await connection.execute(new)).scalar_one())

    async def _source(self) -> int:
        if not self._source_id:
            async with self.parts.db.transaction() as connection:
                values = {"publication_id": self.publication.id, "address": "x", "fetch_url": "x", "is_polled": False}
                new = sa.insert(articles.Source).values(values).returning(articles.Source.id)
                self._source_id = (await connection.execute(new)).scalar_one()
        return self._source_id

    async def release(self) -> int:
        return await release.run(self.parts.db, self.now)

    async def subscribe(self, email_: str, frequency: str = "daily", **wish: Any) -> int:
        """A confirmed reader, by the same door as an imported list. Returns the Subscription's id."""
        row = rows.Row(1, addresses.parse(email_), preferences.Wish(frequency=frequency, **wish))
        order = importing.Order(self.publication, self.parts.hasher, self.now, confirmed=True)
        report = await importing.run(self.parts.db, [row], order)
        assert not report.refused, report.refused
        return (await self.subscription(email_)).id

    async def subscription(self, email_: str) -> Any:
        statement = (
            sa.select(audience.Subscription)
            .join(audience.Subscriber, audience.Subscriber.id == audience.Subscription.subscriber_id)
            .where(audience.Subscriber.key == addresses.parse(email_).key)
        )
        async with self.parts.db.reading() as connection:
            return (await connection.execute(statement)).one()

    async def change(self, email_: str, **wish: Any) -> None:
        """The reader chooses anew, as on the preference page."""
        spec = publications.load(self.publication.spec)
        async with self.parts.db.transaction() as connection:
            row = await self.subscription(email_)
            current = await self._choice(connection, row)
            choice = preferences.fulfil(spec, preferences.Wish(**wish), current)
            await preferences.change(connection, row, choice, door=trail.Door.PAGE, now=self.now)

    async def _choice(self, connection: Any, row: Any) -> preferences.Choice:
        cadence = (
            await connection.execute(sa.select(audience.Cadence).where(audience.Cadence.id == row.cadence_id))
        ).one()
        topics = await connection.scalar(
            sa.select(audience.TopicSet.topics).where(audience.TopicSet.id == row.topic_set_id)
        )
        held = tuple(topics) if topics else None
        return preferences.Choice(cadence.frequency, cadence.weekday, cadence.send_at, cadence.timezone, held)

    async def leave(self, email_: str) -> unsubscribe.Leaving:
        row = await self.subscription(email_)
        token = links.MailToken(row.id, row.generation, 0)
        async with self.parts.db.transaction() as connection:
            return await unsubscribe.leave(connection, token, door=trail.Door.PAGE, now=self.now)

    async def run(self, *, after: timedelta = timedelta(0), may_lose_relay: bool = False) -> passes.Report:
        """Let time pass, then do all that is due. A relay that went away is back before this ends."""
        self.now += after
        if not isinstance(self.parts.engine, inprocess.InProcess):
            # This process would send by itself what it finds, so jobs come first.
            await self.queue()
            await passes.again(self.parts, self.now)
            await self.work()
        report = await passes.run_due(self.parts, self.now, self.sender)
        lost = [failure for failure in report.failures if "the relay cannot take mail" in failure]
        assert report.failures == (lost if may_lose_relay else [])
        if lost:
            await self._relay_back()
        self._read_mails()
        return report

    async def _relay_back(self) -> None:
        """Time turned by hand does not pass for connections, which rest after a failure."""
        async with asyncio.timeout(30):
            while self.sender.transport.trouble():  # noqa: ASYNC110 - it is the transport that tells
                await asyncio.sleep(0.05)

    async def queue(self, *, after: timedelta = timedelta(0)) -> None:
        """Let time pass, then do all that is due but sending."""
        self.now += after
        db = self.parts.db
        await release.run(db, self.now)
        await plan.run(db, self.parts.policy, self.now)
        await notices.run(db, self.now, submit=self.parts.engine.submit)
        while (await fill.run(db, self.parts.filler, self.now)).more:
            pass

    async def work(self) -> None:
        """Let the engine send what is queued, as in a process of its own."""
        await shifts.work(self.parts.engine, self.parts.shift(self.sender, pulse.Pulse()))

    async def send(self) -> Counter[str]:
        """Send what is queued; what the attempts came to."""
        if isinstance(self.parts.engine, inprocess.InProcess):
            broken: dict[int, str] = {}
            counts = await inprocess.drain(self.sender, broken)
            assert broken == {}
        else:
            before = await self._states()
            await self.work()
            counts = await self._states() - before
        self._read_mails()
        return counts

    async def _states(self) -> Counter[str]:
        state = outbox.Delivery.state
        async with self.parts.db.reading() as connection:
            rows = await connection.execute(sa.select(state, sa.func.count()).group_by(state))
            return Counter({name.value: count for name, count in rows.all()})

    async def run_until(self, end: datetime, *, step: timedelta = timedelta(hours=1)) -> None:
        while self.now < end:
            await self.run(after=min(step, end - self.now))

    def _read_mails(self) -> None:
        for received in self.server.received[self._read :]:
            self.mails.append(_mail(received, self.now))
        self._read = len(self.server.received)

    def told(self, email_: str) -> list[tuple[str, ...]]:
        """The Articles of each digest this reader got."""
        return [mail.articles for mail in self.mails if mail.to == email_ and mail.is_digest]

    async def deliveries(self, email_: str) -> list[Any]:
        row = await self.subscription(email_)
        delivery = outbox.Delivery
        async with self.parts.db.reading() as connection:
            statement = sa.select(delivery).where(delivery.subscription_id == row.id).order_by(delivery.id)
            return list((await connection.execute(statement)).all())


def _mail(received: smtpserver.Received, at: datetime) -> Mail:
    # Whatever a story is about, each mail in it is right.
    assert grammar.faults(received.content, utf8_to=not received.recipient.isascii()) == []
    message = email.message_from_bytes(received.content, policy=email.policy.default)
    plain = message.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    names = re.findall(re.escape(ARTICLE_URL) + r"([\w-]+)", text)
    token = re.search(r"/unsubscribe/(\S+?)>", str(message["List-Unsubscribe"] or ""))
    return Mail(
        received.recipient,
        at,
        message["Subject"],
        tuple(dict.fromkeys(names)),
        token[1] if token else "",
        received.content,
        received.is_answered,
    )


@asynccontextmanager
async def a_world(
    db_url: str,
    home: Path,
    now: datetime,
    smtp: dict[str, Any] | None = None,
    dkim: dict[str, Any] | None = None,
    engine: str = "in-process",
    throttle: dict[str, Any] | None = None,
    webhooks: dict[str, Any] | None = None,
    base_url: str = SITE,
    **spec: Any,
) -> AsyncIterator[World]:
    """An installation with one Publication and a real SMTP server; `smtp`, `dkim` and others hold settings."""
    changes: dict[str, Any] = {"smtp": smtp or {}, "dkim": dkim or {}, "engine": {"kind": engine}}
    changes |= {"throttle": throttle or {}, "webhooks": webhooks or {}, "base_url": base_url}
    async with _opened(db_url, home, now, name="test", **changes) as world:
        world.publication = await cast.a_publication(world.parts.db, **spec)
        await world._source()
        yield world


@asynccontextmanager
async def a_copy(world: World, db_url: str, home: Path, *, name: str) -> AsyncIterator[World]:
    """Another installation over a copy of this world's database, with a relay of its own."""
    async with _opened(db_url, home, world.now, name=name) as copy:
        copy.publication, copy._source_id = world.publication, world._source_id
        yield copy


@asynccontextmanager
async def _opened(db_url: str, home: Path, now: datetime, *, name: str, **changes: Any) -> AsyncIterator[World]:
    with smtpserver.SmtpServer() as server:
        settings = config.Settings.model_validate(
            {
                "base_url": SITE,
                "secret_keys": ",".join(cast.KEYS),
                "instance": name,
                "database": {"url": db_url},
                **changes,
                "smtp": {"url": server.url, "connections": 4} | changes.get("smtp", {}),
            }
        )
        async with wiring.build(settings, home) as parts:
            transport = wiring.transport_of(settings)
            await transport.open()
            world = World(parts, server, parts.sender(transport), now, None)
            world.sender.clock = lambda: world.now
            try:
                yield world
            finally:
                await transport.close()
