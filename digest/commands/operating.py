"""Verbs of the operator's own will: send now, adopt, release or cancel an Edition."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.audience import models as audience, preferences
from digest.commands import output, session
from digest.editions import held, plan
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


def release(edition_id: int, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> None:
        await held.release(connection, edition_id, parts.clock())

    session.transact(work)
    text = f"Edition {edition_id} goes out with the next run."
    output.show({"edition": edition_id, "state": "planned"}, [text], as_json=as_json)
    return 0


def cancel(edition_id: int, *, as_json: bool) -> int:
    async def work(_parts: wiring.Parts, connection: AsyncConnection) -> None:
        await held.cancel(connection, edition_id)

    session.transact(work)
    text = f"Edition {edition_id} is cancelled; its articles come with the next one."
    output.show({"edition": edition_id, "state": "cancelled"}, [text], as_json=as_json)
    return 0
