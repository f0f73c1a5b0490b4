"""A clock that is set by hand while the ten days are played, and runs on by itself from there.

Plays from one instant at which something is due to the next; between them nothing could happen.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from digest import database, errors, publications
from digest.articles import models as articles
from digest.audience import models as audience
from digest.editions import cadence, plan
from digest.outbox import crew, models as outbox
from digest.run import passes
from digest.run.wiring import Parts

SECOND = timedelta(seconds=1)


class PlayError(errors.DigestError):
    """A pass could not run, so the demonstration shows nothing true from here on."""


class VirtualClock:
    """A `clock.Clock`: call it for the time."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._since: float | None = None

    def __call__(self) -> datetime:
        ran = 0.0 if self._since is None else time.monotonic() - self._since
        return self._at + timedelta(seconds=ran)

    def set(self, at: datetime) -> None:
        self._at = at

    def start(self) -> None:
        """From now on it runs at the speed of any clock."""
        self._since = time.monotonic()


async def play(
    parts: Parts, sender: crew.Sender, clock: VirtualClock, until: datetime, told: Callable[[datetime], None]
) -> None:
    """Run all passes at every instant that matters, `until` included. Raises PlayError when a pass fails."""
    while True:
        now = clock()
        await tick(parts, sender, now)
        told(now)
        if now >= until:
            return
        clock.set(min(await next_instant(parts.db, now) or until, until))


async def tick(parts: Parts, sender: crew.Sender, now: datetime) -> passes.Report:
    report = await passes.run_due(parts, now, sender)
    if report.failures:
        raise PlayError("\n".join(report.failures))
    return report


async def next_instant(db: database.Database, now: datetime) -> datetime | None:
    """The next instant at which a pass has something to do, in whole seconds as the mails' Date headers are."""
    waiting, retry = articles.Article.release_at, outbox.Delivery.retry_at
    release = sa.select(sa.func.min(waiting)).where(
        articles.Article.state == articles.ArticleState.WAITING, waiting > now
    )
    again = sa.select(sa.func.min(retry)).where(outbox.Delivery.state == outbox.DeliveryState.DEFERRED, retry > now)
    async with db.reading() as connection:
        found = [await connection.scalar(release), await connection.scalar(again)]
        paused = await connection.scalar(_paused_instant())
    found += [paused + plan.INSTANT_PAUSE if paused else None, await plan.next_due_at(db)]
    # What is due by now has just been played; going back to it would never end.
    ahead = [at for at in found if at is not None and at > now]
    return _whole_second(min(ahead)) if ahead else None


def _paused_instant() -> sa.Select[datetime | None]:
    """When `instant` readers were last written to, if something has come since: they hear again after a pause."""
    row, publication = audience.Cadence, publications.Publication
    return (
        sa.select(sa.func.min(row.planned_at))
        .join(publication, publication.id == row.publication_id)
        .where(row.frequency == cadence.Frequency.INSTANT.value, row.planned_upto < publication.head)
    )


def _whole_second(at: datetime) -> datetime:
    floor = at.replace(microsecond=0)
    return (floor if floor == at else floor + SECOND).astimezone(UTC)
