"""What holds mail back at the moment, for `throttle list` and `status`; and the verb that lifts a pause."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import sql
from digest.commands import output, session
from digest.outbox import destinations, models as outbox, pauses, warmup
from digest.run import wiring


def listing(*, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> dict[str, Any]:
        async with parts.db.reading() as connection:
            return await gather(connection, parts)

    document = session.play(work, at=session.clock_of(now))
    output.show(document, lines(document), as_json=as_json)
    return 0


async def gather(connection: AsyncConnection, parts: wiring.Parts) -> dict[str, Any]:
    """The plan, limits, pauses, and what was put off for which reason."""
    limits = parts.gate.rules.limits
    return {
        **await plan(connection, parts),
        "per_second": limits.each_relay,
        "relays": dict(limits.relays),
        "destinations": dict(limits.destinations),
        "pauses": [
            {"relay": row.relay, "destination": row.destination, "since": row.since, "until": row.until}
            | {"reason": row.reason}
            for row in await pauses.listing(connection)
        ],
        "put_off": await _put_off(connection),
    }


async def plan(connection: AsyncConnection, parts: wiring.Parts) -> dict[str, Any]:
    """The plan, and today of each domain that warms up."""
    is_careful = parts.gate.rules.is_careful
    days = await warmup.today(connection, parts.clock()) if is_careful else []
    return {
        "plan": "careful" if is_careful else "open",
        "warm_up": [{"domain": day.domain, "used": day.used, "ceiling": day.ceiling} for day in days],
    }


async def _put_off(connection: AsyncConnection) -> list[dict[str, Any]]:
    delivery = outbox.Delivery
    statement = (
        sa.select(delivery.reason, sa.func.count().label("count"), sa.func.min(delivery.retry_at).label("next_at"))
        .where(
            sql.among(delivery.state, outbox.WAITING),
            delivery.state == outbox.DeliveryState.DEFERRED,
            sa.or_(delivery.reason.startswith(warmup.CAUSE), delivery.reason.startswith(pauses.PUT_OFF)),
        )
        .group_by(delivery.reason)
        .order_by(delivery.reason)
    )
    return [
        {"reason": row.reason, "mails": row.count, "next_at": row.next_at}
        for row in await connection.execute(statement)
    ]


def lines(found: dict[str, Any]) -> list[str]:
    rates = {**found["relays"], **found["destinations"]}
    if found["per_second"]:
        rates["each relay"] = found["per_second"]
    limits = ", ".join(f"{name} {rate:g}/s" for name, rate in sorted(rates.items())) or "none"
    told = [f"plan      {found['plan']}", f"limits    {limits}", *warm_up(found)]
    told += [
        f"paused    {one['destination']} over {one['relay']} until {one['until']:%Y-%m-%d %H:%M} UTC: {one['reason']}"
        for one in found["pauses"]
    ]
    told += [
        f"put off   {one['mails']:,} mails, the first until {one['next_at']:%Y-%m-%d %H:%M} UTC: {one['reason']}"
        for one in found["put_off"]
    ]
    return output.cleaned(told)


def warm_up(found: dict[str, Any]) -> list[str]:
    return [f"warm-up   {day['domain']}: {day['used']:,} of {day['ceiling']:,} mails today" for day in found["warm_up"]]


def warnings(pauses_: Iterable[dict[str, Any]], waiting_for: dict[str, int]) -> list[str]:
    """What the operator may want to change, and how."""
    told = [
        f"{one['destination']} has turned us away and is paused until {one['until']:%Y-%m-%d %H:%M} UTC; once mended, "
        f"try at once with: digest throttle lift {one['destination']}"
        for one in pauses_
    ]
    if count := waiting_for.get(warmup.CAUSE):
        told.append(
            f"{count:,} mails wait for the next day while the domain warms up; if it is known to the big mailbox "
            'providers already, set throttle.plan = "open"'
        )
    return told


def lift(destination: str, *, now: str | None, as_json: bool) -> int:
    name = destinations.of(destination.lower())

    async def work(parts: wiring.Parts, connection: AsyncConnection) -> int:
        return await pauses.lift(connection, name, parts.clock())

    count = session.transact(work, at=session.clock_of(now))
    text = f"{name} is tried again, at first by one connection; {count:,} mails that waited for it may go."
    output.show({"destination": name, "mails": count}, [text], as_json=as_json)
    return 0
