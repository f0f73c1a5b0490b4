"""What this process did last, and whether it still does its work: the truth behind the readiness page."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from digest import database, errors, metrics, zones
from digest.audience import models as audience
from digest.editions import models as editions
from digest.outbox import progress
from digest.run import instance
from digest.web import parts as web

SECONDS = metrics.histogram("digest_pass_seconds", "How long a pass took, by its name.", ("name",))
FAILURES = metrics.counter("digest_pass_failures_total", "Passes that did not end well, by name.", ("name",))

# A pass runs every minute; three missed in a row are no hiccup.
SILENT_SECONDS = 200
# Whoever asks for readiness gives up soon after.
PATIENCE_SECONDS = 5
# A Cadence that is due should be planned within a minute.
LATE = timedelta(minutes=5)

T = TypeVar("T")
log = structlog.get_logger()


@dataclasses.dataclass
class Pulse:
    """When each pass last ended well, by the monotonic clock, and what the last failure was."""

    started: float = dataclasses.field(default_factory=time.monotonic)
    beats: dict[str, float] = dataclasses.field(default_factory=dict)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)

    def beat(self, name: str) -> None:
        self.beats[name] = time.monotonic()
        self.failures.pop(name, None)

    def fail(self, name: str, reason: str) -> None:
        self.failures[name] = reason
        FAILURES.labels(name).inc()

    async def watch(self, name: str, work: Callable[[], Awaitable[T]]) -> T | None:
        """What the work came to, None if it failed. Nothing that goes wrong in a pass ends the process."""
        try:
            with metrics.timed(SECONDS.labels(name)):
                done = await work()
        except errors.DigestError as error:
            log.error("pass_failed", name=name, reason=str(error))
            self.fail(name, str(error))
            return None
        except Exception as error:
            log.exception("pass_failed", name=name)
            self.fail(name, type(error).__name__)
            return None
        self.beat(name)
        return done

    def silent(self, names: tuple[str, ...]) -> list[str]:
        """The passes that have not ended well for too long."""
        now = time.monotonic()
        return [name for name in names if now - self.beats.get(name, self.started) > SILENT_SECONDS]


async def look(
    db: database.Database, pulse: Pulse, own_name: str, now: datetime, names: tuple[str, ...]
) -> web.Readiness:
    """Reasons why this node is not ready, and since when the oldest work is due."""
    reasons = [f"{name}: no success for {SILENT_SECONDS} s" for name in pulse.silent(names)]
    reasons += [f"{name}: {reason}" for name, reason in pulse.failures.items()]
    oldest = unsent = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await instance.look(db, own_name)
            oldest = await oldest_due(db, now)
            async with db.reading() as connection:
                unsent = await progress.oldest_due(connection, now)
    except errors.DigestError as error:
        reasons.append(str(error))
    except TimeoutError:
        reasons.append(f"the database has not answered for {PATIENCE_SECONDS} s")
    except (SQLAlchemyError, OSError) as error:
        reasons.append(str(database.unreachable(db.engine.url, error)))
    if oldest and now - oldest > LATE:
        reasons.append(f"work is due since {oldest.isoformat()}")
    # Mails of a large Edition wait for hours while all is well, so how long they do is no reason.
    waiting = {"oldest_due_at": oldest, "oldest_mail_due_at": unsent}
    facts = {name: at and at.isoformat() for name, at in waiting.items()} | {"tzdata": zones.version()}
    return web.Readiness(tuple(reasons), facts)


async def oldest_due(db: database.Database, now: datetime) -> datetime | None:
    """Since when the oldest work waits: a Cadence not planned, or an Edition not filled; None if nothing is due."""
    cadence, edition = audience.Cadence, editions.Edition
    active = sa.exists().where(
        audience.Subscription.cadence_id == cadence.id,
        audience.Subscription.state == audience.SubscriptionState.ACTIVE,
    )
    unplanned = sa.select(sa.func.min(cadence.next_due_at)).where(cadence.next_due_at <= now, active)
    unfilled = sa.select(sa.func.min(edition.planned_at)).where(editions.is_open_as(editions.EditionState.PLANNED))
    async with db.reading() as connection:
        found = [(await connection.execute(statement)).scalar() for statement in (unplanned, unfilled)]
    return min((at for at in found if at), default=None)
