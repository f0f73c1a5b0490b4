"""What all Deliveries of a Batch share at one moment: its Edition, and whether the lease is still ours.

Read in each turn, so the second time it is only asked whether anything has changed. Reads rows, leaves none.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import prepared, publications, sql
from digest.audience import models as audience
from digest.editions import models as editions, slots
from digest.outbox import fill, handover, models


@dataclasses.dataclass(frozen=True)
class Scene:
    """What all Deliveries of a Batch share, as of one transaction. A Batch of notices has no Edition."""

    is_ours: bool
    edition: Any = None
    is_paused: bool = False

    @property
    def occasion(self) -> handover.Occasion | None:
        edition = self.edition
        if edition is None:
            return None
        return handover.Occasion(
            cadence_id=edition.cadence_id,
            local_date=slots.local_date(edition.slot),
            is_instant=edition.frequency == "instant" and not slots.is_send_now(edition.slot),
            planned_at=edition.planned_at,
            is_cancelled=edition.state is editions.EditionState.CANCELLED,
            is_overtaken=edition.is_overtaken,
            next_due_at=edition.next_due_at,
        )


async def look(connection: AsyncConnection, batch: Any, owner: str) -> Scene:
    """The Batch's Edition with its Cadence as they are now, and whether the lease is still ours."""
    values = {"batch": batch.id, "owner": owner, "edition": batch.edition_id}
    if batch.edition_id is None:
        return Scene(bool((await connection.execute(_LEASE, values)).scalar_one()))
    edition = (await connection.execute(_EDITION, values)).one()
    return Scene(edition.is_ours, edition, edition.paused_at is not None)


async def again(connection: AsyncConnection, batch: Any, owner: str, before: Scene) -> Scene:
    """The same at a fraction of the cost: `before` is taken for what still holds if all that can change has not."""
    if before.edition is None:
        return await look(connection, batch, owner)
    values = {"batch": batch.id, "owner": owner, "edition": batch.edition_id}
    ((found,),) = await _EDITION_PRINT.run(connection, values)
    return before if found == before.edition.print else await look(connection, batch, owner)


def _edition() -> Any:
    edition, cadence, publication = editions.Edition, audience.Cadence, publications.Publication
    return (
        sa.select(
            edition,
            cadence.frequency,
            cadence.weekday,
            cadence.send_at,
            cadence.timezone,
            cadence.next_due_at,
            publication.revision,
            fill.newer_edition(edition.cadence_id, edition.id).label("is_overtaken"),
            _lease().label("is_ours"),
            _edition_print().label("print"),
        )
        .join(cadence, cadence.id == edition.cadence_id)
        .join(publication, publication.id == edition.publication_id)
        .where(edition.id == sa.bindparam("edition"))
    )


def _edition_print() -> sa.ColumnElement[str]:
    edition, cadence = editions.Edition, audience.Cadence
    overtaken = sa.case((fill.newer_edition(edition.cadence_id, edition.id), "overtaken"), else_="newest")
    ours = sa.case((_lease(), "ours"), else_="lost")
    columns = [edition.state, edition.paused_at, cadence.next_due_at, publications.Publication.revision]
    return _one_text([*columns, overtaken, ours])


def _one_text(columns: Iterable[Any]) -> sa.ColumnElement[str]:
    """Between two values stands a character that no address, name or number holds."""
    texts = [sa.func.coalesce(sa.cast(column, sa.Text), "~") for column in columns]
    return functools.reduce(lambda before, text: before.concat("\x1f").concat(text), texts)


def _lease() -> sa.ColumnElement[bool]:
    """A worker that could not renew its lease in time hands nothing over."""
    batch = models.Batch
    return (
        sa.exists()
        .where(batch.id == sa.bindparam("batch"), batch.owner == sa.bindparam("owner"))
        .where(batch.state == models.BatchState.RUNNING, batch.lease_until > sql.clock_now())
    )


_EDITION, _LEASE = _edition(), sa.select(_lease())
_EDITION_PRINT = prepared.Statement(
    sa.select(_edition_print())
    .join(audience.Cadence, audience.Cadence.id == editions.Edition.cadence_id)
    .join(publications.Publication, publications.Publication.id == editions.Edition.publication_id)
    .where(editions.Edition.id == sa.bindparam("edition"))
)
