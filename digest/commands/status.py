"""`status`: what there is, what is due, what failed, and what the operator should look at. Reads only."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications, urls, zones
from digest.articles import models as articles, sources, weblinks
from digest.audience import models as audience
from digest.commands import output, session
from digest.editions import models as editions
from digest.outbox import doubts, models as outbox
from digest.run import instance, pulse, wiring

OPEN_EDITIONS = (editions.EditionState.PLANNED, editions.EditionState.FILLED, editions.EditionState.HELD)
# Enough to see what goes on; the rest is counted.
EDITIONS_SHOWN = 20


def show(*, now: str | None, as_json: bool) -> int:
    document = session.play(gather, at=session.clock_of(now))
    output.show(document, _lines(document), as_json=as_json)
    return 0


async def gather(parts: wiring.Parts) -> dict[str, Any]:
    """The whole status as one document."""
    now = parts.clock()
    oldest = await pulse.oldest_due(parts.db, now)
    async with parts.db.reading() as connection:
        found = {
            "now": now,
            "instance": parts.instance,
            "database": parts.db.engine.url.render_as_string(hide_password=True),
            "tzdata": zones.version(),
            "publications": await _publications(connection),
            "sources": await _sources(connection),
            "editions": await _editions(connection),
            "deliveries": await _deliveries(connection),
            "doubts_held": await _doubts_held(connection, parts.settings.smtp.doubt),
            "oldest_due_at": oldest,
        }
        owner = await connection.scalar(sa.select(database.Meta.value).where(database.Meta.key == instance.INSTANCE))
    return found | {"warnings": _warnings(parts, found, owner)}


async def _publications(connection: AsyncConnection) -> list[dict[str, Any]]:
    readers = await _counts(connection, audience.Subscription.publication_id, audience.Subscription.state)
    states = await _counts(connection, articles.Article.publication_id, articles.Article.state)
    paces = await _frequencies(connection)
    due = await _next_due(connection)
    publication = publications.Publication
    rows = await connection.execute(
        sa.select(publication.id, publication.slug, publication.head).order_by(publication.slug)
    )
    return [
        {
            "publication": row.slug,
            "head": row.head,
            "articles": states[row.id],
            "readers": readers[row.id],
            "frequencies": paces[row.id],
            "next_due_at": due.get(row.id),
        }
        for row in rows
    ]


async def _counts(
    connection: AsyncConnection, owner: sa.orm.InstrumentedAttribute[int], what: Any
) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for id_, name, count in await connection.execute(sa.select(owner, what, sa.func.count()).group_by(owner, what)):
        found[id_][str(name)] = count
    return found


def _readers() -> sa.Select[Any]:
    """Cadences joined with the active readers each has."""
    subscription, cadence = audience.Subscription, audience.Cadence
    return (
        sa.select(cadence.publication_id)
        .join(subscription, subscription.cadence_id == cadence.id)
        .where(subscription.state == audience.SubscriptionState.ACTIVE)
        .group_by(cadence.publication_id)
    )


async def _frequencies(connection: AsyncConnection) -> dict[int, dict[str, int]]:
    """Active readers by frequency, most often first."""
    frequency = audience.Cadence.frequency
    counts = _readers().add_columns(frequency, sa.func.count()).group_by(frequency)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = (await connection.execute(counts)).all()
    for id_, name, count in sorted(rows, key=lambda row: publications.FREQUENCIES.index(row.frequency)):
        found[id_][name] = count
    return found


async def _next_due(connection: AsyncConnection) -> dict[int, datetime]:
    rows = await connection.execute(_readers().add_columns(sa.func.min(audience.Cadence.next_due_at)))
    return {id_: at for id_, at in rows if at}


async def _sources(connection: AsyncConnection) -> list[dict[str, Any]]:
    found = []
    for row in await sources.listing(connection):
        aside = await sources.faults(connection, row.id) if row.faults else []
        found.append(
            {
                "id": row.id,
                "publication": row.publication,
                "address": weblinks.shown(row.address),
                "state": str(row.state),
                "fetched_at": row.fetched_at,
                "next_fetch_at": row.next_fetch_at,
                "failures": row.failures,
                "reason": row.reason,
                "held": row.held,
                "faults": [{"place": fault.place, "reason": fault.reason} for fault in aside],
            }
        )
    return found


async def _editions(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Editions that are not over, the newest first."""
    edition, cadence, publication = editions.Edition, audience.Cadence, publications.Publication
    statement = (
        sa.select(edition, cadence.frequency, cadence.timezone, publication.slug.label("publication"))
        .join(cadence, cadence.id == edition.cadence_id)
        .join(publication, publication.id == edition.publication_id)
        .where(edition.state.in_(OPEN_EDITIONS))
        .order_by(edition.id.desc())
    )
    columns = ("id", "publication", "frequency", "timezone", "slot", "due_at", "state", "paused_at", "reason")
    rows = (await connection.execute(statement)).all()
    return [{name: _plain(getattr(row, name)) for name in columns} for row in rows]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, editions.EditionState) else value


async def _deliveries(connection: AsyncConnection) -> dict[str, int]:
    delivery = outbox.Delivery
    rows = await connection.execute(sa.select(delivery.state, sa.func.count()).group_by(delivery.state))
    counts: dict[str, int] = {row.state.value: row.count_1 for row in rows}
    return {state.value: counts.get(state.value, 0) for state in outbox.DeliveryState}


async def _doubts_held(connection: AsyncConnection, doubt: str) -> int:
    held = sa.select(sa.func.count()).select_from(outbox.Delivery).where(doubts.is_held(doubt))
    return int(await connection.scalar(held) or 0)


def _warnings(parts: wiring.Parts, found: dict[str, Any], owner: str | None) -> list[str]:
    settings, lines = parts.settings, []
    if urls.is_loopback(settings.base_url):
        lines.append(f"base_url is {settings.base_url}: links in mails work on this machine only")
    elif not settings.base_url.startswith("https://"):
        lines.append(f"base_url is {settings.base_url}: mailbox providers ignore links without https")
    if not settings.smtp.url:
        lines.append("smtp.url is empty: no mail can leave; set DIGEST_SMTP_URL")
    if owner is not None and owner != parts.instance:
        lines.append(f"this database belongs to the installation '{owner}', so nothing is mailed; see: digest adopt")
    held = [str(edition["id"]) for edition in found["editions"] if edition["state"] == "held"]
    if held:
        lines.append(f"editions {', '.join(held)} are held; release each with: digest editions release ID")
    for source in found["sources"]:
        if source["held"]:
            lines.append(f"{source['held']} articles of source {source['id']} are held: digest release {source['id']}")
    return lines + _stuck(found)


def _stuck(found: dict[str, Any]) -> list[str]:
    """What does not go on by itself, or not soon, and the verb that helps."""
    lines = [
        f"edition {edition['id']} is paused; go on with: digest editions resume {edition['id']}"
        for edition in found["editions"]
        if edition["paused_at"]
    ]
    if count := found["deliveries"]["doubtful"]:
        lines.append(
            f"{count} mails are in doubt (sent, but no answer was recorded), {found['doubts_held']} of them held until "
            "the next digest is due; see: digest deliveries doubtful"
        )
    for publication in found["publications"]:
        if count := publication["readers"].get("failing"):
            slug = publication["publication"]
            verb = f"digest subscribers list {slug} --state failing"
            lines.append(f"{count} readers of {slug} are failing: refused for weeks, mailed no more; see: {verb}")
    return lines


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"installation {found['instance']} on {found['database']}, time zone rules {found['tzdata']}", ""]
    for publication in found["publications"]:
        lines += _publication_lines(publication)
    lines += _source_lines(found["sources"]) + _edition_lines(found["editions"])
    lines.append("deliveries   " + _counted(found["deliveries"]))
    if found["oldest_due_at"]:
        lines.append(f"oldest due   {found['oldest_due_at']:%Y-%m-%d %H:%M} UTC")
    return lines + [f"warning      {line}" for line in found["warnings"]]


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _publication_lines(publication: dict[str, Any]) -> list[str]:
    due = publication["next_due_at"]
    return [
        f"publication  {publication['publication']}, head {publication['head']}",
        f"  articles   {_counted(publication['articles'])}",
        f"  readers    {_counted(publication['readers'])}",
        f"  active     {_counted(publication['frequencies'])}",
        f"  next due   {f'{due:%Y-%m-%d %H:%M} UTC' if due else 'nothing planned'}",
        "",
    ]


def _source_lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    rows = [
        (
            s["id"],
            s["publication"],
            s["state"],
            f"{s['fetched_at']:%Y-%m-%d %H:%M}" if s["fetched_at"] else "never",
            s["failures"] or "",
            s["address"],
            s["reason"] or "",
        )
        for s in found
    ]
    lines = output.table(("source", "publication", "state", "fetched", "failures", "address", "reason"), rows)
    aside = [(s["id"], fault["place"], fault["reason"]) for s in found for fault in s["faults"]]
    if aside:
        lines += ["", *output.table(("source", "set aside", "because"), aside)]
    return [*lines, ""]


def _edition_lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["editions     none open"]
    keys = ("id", "publication", "frequency", "timezone", "slot")
    rows = [
        [*(e[key] for key in keys), f"{e['state']}, paused" if e["paused_at"] else e["state"], e["reason"]]
        for e in found[:EDITIONS_SHOWN]
    ]
    lines = output.table(("edition", *keys[1:], "state", "reason"), rows)
    if len(found) > EDITIONS_SHOWN:
        lines.append(f"and {len(found) - EDITIONS_SHOWN} more")
    return [*lines, ""]
