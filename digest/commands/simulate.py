"""`simulate`: the real passes, played on a copy of the database with a clock set by hand and a relay that takes all.

Feeds are not fetched: it shows what becomes of the Articles and readers there are now. Changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from digest import clock, errors, publications, zones
from digest.articles import models as articles
from digest.audience import models as audience
from digest.commands import copying, output, session
from digest.demo import virtual
from digest.editions import models as editions
from digest.outbox import gate, models as outbox, windows
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import transport
from digest.run import instance, wiring

DEFAULT_SPAN = timedelta(days=7)
# A year of daily digests takes minutes to play; more is a slip of the pen.
LONGEST_SPAN = timedelta(days=400)
# Ids named in one statement.
AT_ONCE = 1000


class SpanError(errors.DigestError):
    """The dates to simulate make no sense."""


@dataclass(frozen=True)
class Span:
    """What was asked for: dates (in the Publication's zone) or instants, either left out."""

    start: str | None
    end: str | None

    def instants(self, zone: str, now: datetime) -> tuple[datetime, datetime]:
        """Raises SpanError or ClockError."""
        start = _instant(self.start, zone) if self.start else now
        # A last day is meant with all its hours.
        end = _instant(self.end, zone, is_end=True) if self.end else start + DEFAULT_SPAN
        if end <= start:
            raise SpanError(f"--to ({end:%Y-%m-%d %H:%M} UTC) must be later than --from ({start:%Y-%m-%d %H:%M} UTC)")
        if end - start > LONGEST_SPAN:
            raise SpanError(f"{(end - start).days} days are too many to simulate; at most {LONGEST_SPAN.days}")
        return start, end


def _instant(text: str, zone: str, *, is_end: bool = False) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return clock.parse(text)
    return datetime.combine(day + timedelta(days=is_end), time(), tzinfo=zones.get(zone)).astimezone(UTC)


class Void:
    """A relay with one line that takes every mail and keeps nothing but when it was."""

    connections, relays = 1, ("simulated",)
    relay, is_usable = "simulated", True

    def __init__(self, moment: clock.Clock) -> None:
        self.taken: dict[int, datetime] = {}
        self._moment = moment
        self._is_free = True
        self._announced: transport.Letter | None = None
        self._freed = asyncio.Event()

    async def open(self) -> None:
        """Nothing to open."""

    def take(self, relay: str | None = None, *, urgent: bool = False) -> transport.Line | None:
        is_free, self._is_free = self._is_free, False
        return self if is_free else None

    def give_back(self, line: transport.Line) -> None:
        self._is_free = True
        self._freed.set()

    def announce(self, letter: transport.Letter) -> asyncio.Future[Reply]:
        self._announced = letter
        return _said(Reply(354, "simulated", Stage.DATA))

    def pour(self, following: transport.Letter | None) -> tuple[asyncio.Future[Reply], asyncio.Future[Reply] | None]:
        assert self._announced is not None
        self.taken[self._announced.delivery_id] = self._moment()
        content = _said(Reply(250, "simulated", Stage.CONTENT))
        return content, self.announce(following) if following else None

    def abandon(self) -> None:
        self._announced = None

    async def changed(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    def trouble(self, relay: str | None = None) -> Reply | None:
        return None

    async def probe(self) -> Reply:
        return Reply(250, "simulated", Stage.CONNECT)

    async def close(self) -> None:
        """Nothing to close."""


def _said(reply: Reply) -> asyncio.Future[Reply]:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    future.set_result(reply)
    return future


def show(slug: str, span: Span, *, summary: bool, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> dict[str, Any]:
        async with parts.db.reading() as connection:
            publication = await publications.get(connection, slug)
        zone = publications.load(publication.spec).timezone
        start, end = span.instants(zone, parts.clock())
        return await _play(parts, publication, start, end)

    document = session.play(work)
    output.show(document, _lines(document, summary=summary), as_json=as_json)
    return 0


async def _play(parts: wiring.Parts, publication: Any, start: datetime, end: datetime) -> dict[str, Any]:
    moment = virtual.VirtualClock(start)
    async with copying.copied(parts.db) as url, _on(url, parts, moment) as copy:
        await _prepare(copy, publication.id)
        void = Void(moment)
        sender = copy.sender(void)
        # The plan holds in the days ahead too; rates do not, for their clock is the real one.
        sender.gate = gate.Gate(gate.Rules(is_careful=parts.gate.rules.is_careful, shape=windows.Shape(start=500)))
        with output.progress("simulate", int((end - start).total_seconds())) as advance:
            await virtual.play(copy, sender, moment, end, _steps(start, advance))
        mails = await _mails(copy, void.taken)
        held = await _held(copy)
    return {"publication": publication.slug, "from": start, "to": end, "mails": mails, "held": held}


def _steps(start: datetime, advance: output.Advance) -> Any:
    shown = [start]

    def told(now: datetime) -> None:
        advance(int((now - shown[-1]).total_seconds()))
        shown.append(now)

    return told


@asynccontextmanager
async def _on(url: str, parts: wiring.Parts, moment: clock.Clock) -> AsyncIterator[wiring.Parts]:
    """The same installation on another database."""
    settings = parts.settings
    settings = settings.model_copy(
        update={"database": settings.database.model_copy(update={"url": url}), "instance": parts.instance}
    )
    async with wiring.build(settings, parts.home, moment) as copy:
        yield copy


async def _prepare(copy: wiring.Parts, publication_id: int) -> None:
    """On the copy: ours to mail from, no feed fetched, only this Publication's readers, and no other worker at it."""
    await instance.adopt(copy.db, copy.instance)
    source, subscription, batch = articles.Source, audience.Subscription, outbox.Batch
    left = audience.SubscriptionState.UNSUBSCRIBED
    async with copy.db.transaction() as connection:
        await connection.execute(sa.update(source).values(state=articles.SourceState.ENDED))
        others = sa.update(subscription).where(subscription.publication_id != publication_id)
        await connection.execute(others.values(state=left, notice_due=None))
        running = sa.update(batch).where(batch.state == outbox.BatchState.RUNNING)
        await connection.execute(running.values(state=outbox.BatchState.QUEUED, owner=None, lease_until=None))


async def _mails(copy: wiring.Parts, taken: dict[int, datetime]) -> list[dict[str, Any]]:
    """Who got how many Articles when; notices are no digests and left out."""
    ids, found = sorted(taken), []
    async with copy.db.reading() as connection:
        for start in range(0, len(ids), AT_ONCE):
            rows = await connection.execute(_digests().where(outbox.Delivery.id.in_(ids[start : start + AT_ONCE])))
            found += [_mail(row, taken[row.id]) for row in rows]
    return sorted(found, key=lambda mail: (mail["at"], mail["email"]))


def _digests() -> sa.Select[Any]:
    delivery, edition, cadence, subscription = (
        outbox.Delivery,
        editions.Edition,
        audience.Cadence,
        audience.Subscription,
    )
    return (
        sa.select(delivery.id, audience.Subscriber.email, cadence.frequency, cadence.timezone, editions.Selection.picks)
        .join(edition, edition.id == delivery.edition_id)
        .join(cadence, cadence.id == edition.cadence_id)
        .join(subscription, subscription.id == delivery.subscription_id)
        .join(audience.Subscriber, audience.Subscriber.id == subscription.subscriber_id)
        .join(editions.Selection, editions.Selection.id == delivery.selection_id)
    )


def _mail(row: sa.Row[Any], at: datetime) -> dict[str, Any]:
    return {
        "at": at,
        "local": at.astimezone(zones.get(row.timezone)),
        "email": row.email,
        "frequency": row.frequency,
        "timezone": row.timezone,
        "articles": sum(len(row.picks[part]) for part in ("full", "links", "more")),
    }


async def _held(copy: wiring.Parts) -> list[str]:
    edition = editions.Edition
    statement = sa.select(edition.id, edition.reason).where(edition.state == editions.EditionState.HELD)
    async with copy.db.reading() as connection:
        return [f"edition {row.id} would be held: {row.reason}" for row in await connection.execute(statement)]


def _lines(document: dict[str, Any], *, summary: bool) -> Iterator[str]:
    mails = document["mails"]
    yield f"{document['publication']}, {document['from']:%Y-%m-%d %H:%M} to {document['to']:%Y-%m-%d %H:%M} UTC"
    if mails:
        yield from _summed(mails) if summary else _each(mails)
    yield f"{len(mails)} digests to {len({mail['email'] for mail in mails})} readers"
    yield from document["held"]


def _each(mails: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        (f"{m['local']:%a %Y-%m-%d %H:%M}", m["timezone"], m["frequency"], m["email"], m["articles"]) for m in mails
    ]
    return output.table(("local time", "time zone", "frequency", "reader", "articles"), rows)


def _summed(mails: Sequence[dict[str, Any]]) -> list[str]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for mail in mails:
        key = (f"{mail['local']:%a %Y-%m-%d %H:%M}", mail["timezone"], mail["frequency"])
        groups.setdefault(key, []).append(mail["articles"])
    rows = [(*key, len(counts), min(counts), max(counts)) for key, counts in groups.items()]
    return output.table(("local time", "time zone", "frequency", "readers", "fewest", "most articles"), rows)
