"""Make the database follow a publication file: the Publication's row, its Sources, the Topics of its Articles.

Applying the same file twice changes nothing. Never takes away a frequency or a Topic that readers have chosen, unless
the operator says what they get instead: their digests would end, or change, without anybody's doing. A changed default
touches those only who come after it, for what a reader has is written down in full.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications, sql
from digest.articles import retag, sources, store
from digest.articles.pictures import rows as pictures
from digest.audience import moving
from digest.audience.models import Cadence, Subscription, SubscriptionState, TopicSet


class InUseError(errors.DigestError):
    """The file takes away what readers have chosen."""


@dataclass(frozen=True, slots=True)
class Applied:
    """`changed` names the keys of the file that are different now; none of a new Publication."""

    id: int
    created: bool
    changed: tuple[str, ...]


async def apply(
    db: database.Database, spec: publications.Spec, now: datetime, moves: Mapping[str, str] = MappingProxyType({})
) -> Applied:
    """All of it or nothing. Raises InUseError, or SourceError for an address that is none.

    `moves` say which frequency or Topic takes the place of one that goes.
    """
    async with db.transaction() as connection:
        created = await _create(connection, spec, now)
        row = await store.lock(connection, (await publications.get(connection, spec.slug)).id)
        before = None if created else publications.load(row.spec)
        changed = _changed(before, spec)
        if before and changed:
            await moving.run(connection, row.id, before=before, after=spec, moves=moves, now=now)
            await _refuse_what_is_in_use(connection, row.id, before=before, after=spec)
        old_sources = before.sources if before else ()
        retopic = await sources.sync(connection, row.id, before=old_sources, after=spec.sources, now=now)
        await _write(connection, row, spec, is_changed=bool(changed), now=now)
        if before and (retopic or "topics" in changed):
            await retag.run(connection, row.id, spec.topics, now)
        if "images" in changed:
            await pictures.reconsider(connection, row.id, rehosts=spec.images == "rehost", now=now)
    return Applied(row.id, created, changed)


async def _create(connection: AsyncConnection, spec: publications.Spec, now: datetime) -> bool:
    """Two nodes may apply a new file at once: one of them creates, the other finds it done."""
    statement = sql.insert(connection, publications.Publication).values(
        slug=spec.slug, head=0, revision=0, spec=_stored(spec), created_at=now, applied_at=now
    )
    once = statement.on_conflict_do_nothing(index_elements=["slug"])
    return (await connection.execute(once.returning(publications.Publication.id))).first() is not None


def _stored(spec: publications.Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json")


def _changed(before: publications.Spec | None, after: publications.Spec) -> tuple[str, ...]:
    names = publications.Spec.model_fields
    return tuple(name for name in names if before and getattr(before, name) != getattr(after, name))


async def _write(
    connection: AsyncConnection, row: sa.Row[Any], spec: publications.Spec, *, is_changed: bool, now: datetime
) -> None:
    """Mails show nearly everything a file says, so any change makes those who remember the Publication look again."""
    publication = publications.Publication
    values = {"spec": _stored(spec), "revision": row.revision + 1} if is_changed else {}
    await connection.execute(sa.update(publication).where(publication.id == row.id).values(applied_at=now, **values))


async def _refuse_what_is_in_use(
    connection: AsyncConnection, publication_id: int, *, before: publications.Spec, after: publications.Spec
) -> None:
    offered = {offer.frequency for offer in after.frequencies}
    frequencies = [offer.frequency for offer in before.frequencies if offer.frequency not in offered]
    topics = [slug for slug in before.topic_slugs if slug not in after.topic_slugs]
    counts = [(f"frequency '{name}'", await _with_frequency(connection, publication_id, name)) for name in frequencies]
    counts += [(f"topic '{name}'", await _with_topic(connection, publication_id, name)) for name in topics]
    lines = list(_complaints(counts))
    if lines:
        way = "leave it in the file, or say what they get instead: --move OLD=NEW"
        raise InUseError("\n".join(f"{after.slug}: {line}; {way}" for line in lines))


def _complaints(counts: Iterable[tuple[str, int]]) -> Iterable[str]:
    for what, count in counts:
        if count:
            yield f"{what} cannot go: {count} subscription{'' if count == 1 else 's'} chose it"


async def _with_frequency(connection: AsyncConnection, publication_id: int, frequency: str) -> int:
    cadences = sa.select(Cadence.id).where(Cadence.publication_id == publication_id, Cadence.frequency == frequency)
    return await _count(connection, publication_id, Subscription.cadence_id.in_(cadences))


async def _with_topic(connection: AsyncConnection, publication_id: int, slug: str) -> int:
    rows = await connection.execute(
        sa.select(TopicSet.id, TopicSet.topics).where(TopicSet.publication_id == publication_id)
    )
    ids: Collection[int] = [row.id for row in rows if slug in row.topics]
    return await _count(connection, publication_id, Subscription.topic_set_id.in_(ids))


async def _count(connection: AsyncConnection, publication_id: int, condition: sa.ColumnElement[bool]) -> int:
    """Those who left are no reason: whoever comes back chooses from what is on offer then."""
    statement = sa.select(sa.func.count()).where(
        Subscription.publication_id == publication_id,
        Subscription.state != SubscriptionState.UNSUBSCRIBED,
        condition,
    )
    return int((await connection.execute(statement)).scalar_one())
