"""Verbs about how readers stand: list them by state, and mail those again who were given up."""

from typing import Any

import sqlalchemy as sa

from digest import errors, publications
from digest.audience import failing, models, trail
from digest.commands import lookup, output, session
from digest.run import wiring


class StandingError(errors.DigestError):
    """A state there is not, or a reader who is in another."""


def listing(slug: str, state: str | None, *, limit: int, as_json: bool) -> int:
    known = [one.value for one in models.SubscriptionState]
    if state is not None and state not in known:
        raise StandingError(f"'{state}' is no state of a reader; use one of {', '.join(known)}")

    async def work(parts: wiring.Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as connection:
            publication = await publications.get(connection, slug)
            rows = (await connection.execute(_query(publication.id, state, limit))).mappings().all()
        return [dict(row) | {"state": row["state"].value} for row in rows]

    found = session.play(work)
    header = ("email", "state", "frequency", "misses", "missing_since")
    lines = output.table(header, [[row[key] or "" for key in header] for row in found])
    output.show({"readers": found}, lines if found else ["nobody"], as_json=as_json)
    return 0


def _query(publication_id: int, state: str | None, limit: int) -> sa.Select[*tuple[Any, ...]]:
    subscription, cadence = models.Subscription, models.Cadence
    columns = (subscription.id, models.Subscriber.email, subscription.state, cadence.frequency)
    statement = (
        sa.select(*columns, subscription.misses, subscription.missing_since)
        .join(models.Subscriber, models.Subscriber.id == subscription.subscriber_id)
        .join(cadence, cadence.id == subscription.cadence_id)
        .where(subscription.publication_id == publication_id)
        .order_by(subscription.id.desc())
        .limit(limit)
    )
    return statement.where(subscription.state == models.SubscriptionState(state)) if state else statement


def reactivate(slug: str, email: str | None, *, all_failing: bool, now: str | None, as_json: bool) -> int:
    if (email is None) is not all_failing:
        raise StandingError("name either one reader's address or --all-failing")

    async def work(parts: wiring.Parts) -> int:
        if email is None:
            async with parts.db.reading() as connection:
                publication = await publications.get(connection, slug)
            return await failing.reactivate_all(parts.db, publication.id, door=trail.Door.CLI, now=parts.clock())
        return await _one(parts, slug, email)

    count = session.play(work, at=session.clock_of(now))
    text = f"{count} reader{'' if count == 1 else 's'} mailed again from the next digest on."
    output.show({"reactivated": count}, [text], as_json=as_json)
    return 0


async def _one(parts: wiring.Parts, slug: str, email: str) -> int:
    async with parts.db.transaction() as connection:
        found = await lookup.reader(connection, slug, email)
        id_ = found.subscription.id
        count = await failing.reactivate(connection, [id_], door=trail.Door.CLI, now=parts.clock())
    if not count:
        raise StandingError(f"{found.email} is {found.state}, not failing")
    return count
