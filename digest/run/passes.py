"""Everything that is due, once: the passes in the order an Article takes to an inbox.

A pass that fails is reported and does not stop the ones after it. `digest run` calls this; the daemon calls the same
passes on its schedule.
"""

import dataclasses
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog

from digest import clock, errors
from digest.archive import keep as archive
from digest.articles import poll, release
from digest.articles.pictures import gather
from digest.audience import entrance, models as audience
from digest.editions import models as editions, plan
from digest.outbox import crew, fill, notices, retry
from digest.publications import Publication
from digest.run import bugs, inprocess, instance
from digest.run.wiring import Parts
from digest.webhooks import deliver

log = structlog.get_logger()

STATES = ("sent", "deferred", "doubtful", "failed", "rolled", "withheld", "empty")


@dataclasses.dataclass
class Report:
    """What one run came to. `failures` name each pass that could not run, in words for a person."""

    now: datetime
    articles: Counter[str] = dataclasses.field(default_factory=Counter)
    editions: list[int] = dataclasses.field(default_factory=list)
    deliveries: Counter[str] = dataclasses.field(default_factory=Counter)
    failures: list[str] = dataclasses.field(default_factory=list)


async def run_due(parts: Parts, now: datetime, sender: crew.Sender) -> Report:
    """Ingest, release, plan, fill and send all that is due at `now`. The sender's transport is open."""
    report = Report(now)
    await attempt(report, "ingest", lambda: ingest(parts, report, now))
    await attempt(report, "images", lambda: gather.run(parts.db, parts.gatherer, now))
    await attempt(report, "release", lambda: release.run(parts.db, now))
    # Before Editions are planned: a Page knows the newest Delivery before those that bring the same.
    await attempt(report, "archive", lambda: archive.run(parts.db, now))
    if not await attempt(report, "fence", lambda: instance.check(parts.db, parts.instance)):
        return report
    await attempt(report, "plan", lambda: _plan(parts, report, now))
    await attempt(report, "sign-ups", lambda: entrance.run(parts.db, parts.hasher, now, trap=bugs.caught))
    await attempt(report, "notices", lambda: notices.run(parts.db, now, submit=parts.engine.submit))
    await attempt(report, "send", lambda: _send(parts, report, sender, now))
    await attempt(report, "webhooks", lambda: _tell(parts, now))
    return report


async def attempt(report: Report, name: str, run: Callable[[], Awaitable[Any]]) -> bool:
    """Whether the pass ran. A person's mistake becomes a line, a bug a line and a logged traceback."""
    try:
        await run()
    except errors.DigestError as error:
        report.failures.append(f"{name}: {error}")
        return False
    except Exception as error:
        log.exception("pass_failed", name=name)
        report.failures.append(f"{name}: {type(error).__name__}: {error}")
        return False
    return True


async def ingest(parts: Parts, report: Report, now: datetime) -> None:
    """Fetch every due Source; one that breaks is set aside by itself."""
    polled = await poll.run(parts.db, parts.fetcher, now)
    report.articles.update(new=polled.new, updated=polled.updated, set_aside=polled.set_aside)


async def _plan(parts: Parts, report: Report, now: datetime) -> None:
    report.editions += await plan.run(parts.db, parts.policy, now)


async def _send(parts: Parts, report: Report, sender: crew.Sender, now: datetime) -> None:
    """Fill and send in turns, so that the first mails leave while a large Edition is still being filled.

    Whatever the engine, this process sends by itself what nobody else has taken: it may be the only one there is.
    """
    broken: dict[int, str] = {}
    while not sender.stopping.is_set():
        moved = await again(parts, now)
        filled = await fill.run(parts.db, parts.filler, now)
        report.deliveries["empty"] += filled.settled
        counts = await inprocess.drain(sender, broken)
        report.deliveries += counts
        if not (moved or filled.more or counts):
            break
    report.failures += [f"send: batch {id_} could not be sent: {reason}" for id_, reason in broken.items()]


async def _tell(parts: Parts, now: datetime) -> None:
    await deliver.run(dataclasses.replace(parts.hooks, clock=clock.fixed(now)), trap=bugs.caught)


async def again(parts: Parts, now: datetime) -> int:
    """Send due retries round again; how many Deliveries that were."""
    size, doubt = parts.settings.outbox.batch_size, parts.settings.smtp.doubt
    return await retry.run(parts.db, batch_size=size, doubt=doubt, now=now, submit=parts.engine.submit)


async def as_document(parts: Parts, report: Report) -> dict[str, Any]:
    """The Report as the document `digest run --json` prints."""
    next_due_at = await plan.next_due_at(parts.db)
    return {
        "now": report.now.isoformat(),
        "articles": {name: report.articles[name] for name in ("new", "updated", "set_aside")},
        "editions": await _editions(parts, report.editions),
        "deliveries": {state: report.deliveries[state] for state in STATES},
        "next_due_at": next_due_at.isoformat() if next_due_at else None,
    }


async def _editions(parts: Parts, ids: list[int]) -> list[dict[str, Any]]:
    edition, cadence = editions.Edition, audience.Cadence
    statement = (
        sa.select(edition.id, Publication.slug, cadence.frequency, edition.slot, edition.state)
        .join(cadence, cadence.id == edition.cadence_id)
        .join(Publication, Publication.id == edition.publication_id)
        .where(edition.id.in_(ids))
        .order_by(edition.id)
    )
    async with parts.db.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return [
        {"id": id_, "publication": slug, "frequency": frequency, "slot": slot, "state": state.value}
        for id_, slug, frequency, slot, state in rows
    ]
