"""Editions as those who run the service look at them: what each is of, and whom a send-now would reach. Reads only."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.audience import models as audience, preferences
from digest.editions import models


def query() -> Any:
    """Editions with their frequency, zone and the slug of their Publication."""
    edition, cadence, publication = models.Edition, audience.Cadence, publications.Publication
    return (
        sa.select(edition, cadence.frequency, cadence.timezone, publication.slug.label("publication"))
        .join(cadence, cadence.id == edition.cadence_id)
        .join(publication, publication.id == edition.publication_id)
    )


async def cadences_read(connection: AsyncConnection, publication_id: int, frequency: str | None) -> list[int]:
    """The Cadences that have readers now. Raises PreferenceError."""
    if frequency is not None and frequency not in publications.FREQUENCIES:
        known = ", ".join(publications.FREQUENCIES)
        raise preferences.PreferenceError(f"'{frequency}' is no frequency; use one of {known}")
    cadence, subscription = audience.Cadence, audience.Subscription
    is_read = sa.exists().where(
        subscription.cadence_id == cadence.id, subscription.state == audience.SubscriptionState.ACTIVE
    )
    statement = sa.select(cadence.id).where(cadence.publication_id == publication_id, is_read).order_by(cadence.id)
    if frequency:
        statement = statement.where(cadence.frequency == frequency)
    return list(await connection.scalars(statement))
