"""Verbs of the operator's own will: send now, adopt, prune."""

import dataclasses

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles.pictures import prune as picture_pruning
from digest.audience import models as audience, preferences
from digest.commands import output, session
from digest.editions import plan
from digest.outbox import prune as pruning
from digest.run import instance, wiring


def send_now(slug: str, frequency: str | None, *, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> list[int]:
        return await plan.send_now(connection, await _cadences(connection, slug, frequency), parts.clock())

    planned = session.transact(work, at=session.clock_of(now))
    text = f"Planned {len(planned)} edition{'' if len(planned) == 1 else 's'}; digest run or digest serve sends them."
    output.show({"editions": planned}, [text], as_json=as_json)
    return 0


async def _cadences(connection: AsyncConnection, slug: str, frequency: str | None) -> list[int]:
    """The Cadences that have readers now. Raises PublicationError or PreferenceError."""
    publication = await publications.get(connection, slug)
    if frequency is not None and frequency not in publications.FREQUENCIES:
        known = ", ".join(publications.FREQUENCIES)
        raise preferences.PreferenceError(f"'{frequency}' is no frequency; use one of {known}")
    cadence, subscription = audience.Cadence, audience.Subscription
    is_read = sa.exists().where(
        subscription.cadence_id == cadence.id, subscription.state == audience.SubscriptionState.ACTIVE
    )
    query = sa.select(cadence.id).where(cadence.publication_id == publication.id, is_read).order_by(cadence.id)
    if frequency:
        query = query.where(cadence.frequency == frequency)
    return list(await connection.scalars(query))


def adopt() -> int:
    async def work(parts: wiring.Parts) -> str:
        await instance.adopt(parts.db, parts.instance)
        return parts.instance

    print(f"This database belongs to the installation '{session.play(work)}' now.")
    return 0


def prune(*, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> dict[str, int]:
        await instance.check(parts.db, parts.instance)
        pruned = await pruning.run(parts.db, parts.keep, parts.clock())
        pictures = await picture_pruning.run(parts.db, parts.keep_images, parts.clock())
        return {**dataclasses.asdict(pruned), "pictures": pictures}

    pruned = session.play(work, at=session.clock_of(now))
    text = ", ".join(f"{count} {what}" for what, count in pruned.items())
    output.show(pruned, [f"Forgotten: {text}."], as_json=as_json)
    return 0
