"""`status`: what there is, what is due, what failed, and what the operator should look at. Reads only."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications, urls, zones
from digest.articles import models as articles, sources, weblinks
from digest.audience import models as audience
from digest.commands import appearance, output, pictures, sending, session, throttling, webhooks
from digest.outbox import doubts, models as outbox
from digest.run import instance, wiring

READERS = tuple(audience.SubscriptionState)


def show(edition_id: int | None, *, now: str | None, as_json: bool) -> int:
    if edition_id is None:
        document = session.play(gather, at=session.clock_of(now))
        output.show(document, lines(document), as_json=as_json)
        return 0

    async def look(parts: wiring.Parts) -> dict[str, Any]:
        async with parts.db.reading() as connection:
            return await sending.one(connection, edition_id, parts.clock())

    edition = session.play(look, at=session.clock_of(now))
    output.show(edition, sending.single(edition), as_json=as_json)
    return 0


async def gather(parts: wiring.Parts) -> dict[str, Any]:
    """The whole status as one document."""
    async with parts.db.reading() as connection:
        found = {
            "instance": parts.instance,
            "database": database.shown(parts.db.engine.url),
            "tzdata": zones.version(),
            "publications": await _publications(connection),
            "sources": await _sources(connection),
            "pictures": await pictures.gather(connection),
            "doubts_held": await _doubts_held(connection, parts.settings.smtp.doubt),
            "throttle": await throttling.plan(connection, parts),
            "webhooks": await webhooks.shown(connection),
        }
        owner = await connection.scalar(sa.select(database.Meta.value).where(database.Meta.key == instance.INSTANCE))
        templates = await appearance.warnings(connection, parts.home)
    found = {**await sending.gather(parts.db, parts.clock()), **found}
    return found | {"warnings": _warnings(parts, found, owner) + templates}


async def _publications(connection: AsyncConnection) -> list[dict[str, Any]]:
    states = await _articles(connection)
    readers = await _readers(connection)
    publication = publications.Publication
    rows = await connection.execute(
        sa.select(publication.id, publication.slug, publication.head).order_by(publication.slug)
    )
    return [
        {"publication": row.slug, "head": row.head, "articles": states[row.id], **_readership(readers[row.id])}
        for row in rows
    ]


async def _articles(connection: AsyncConnection) -> dict[int, dict[str, int]]:
    article = articles.Article
    columns = (article.publication_id, article.state)
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for id_, state, count in await connection.execute(sa.select(*columns, sa.func.count()).group_by(*columns)):
        found[id_][str(state)] = count
    return found


async def _readers(connection: AsyncConnection) -> dict[int, list[Any]]:
    """Cadences by Publication, with how many readers in which state each has.

    One walk along the index on cadence_id; by Publication and state, SQLite would sort all readers first.
    """
    subscription, cadence = audience.Subscription, audience.Cadence
    counts = [sa.func.count().filter(subscription.state == state).label(state.value) for state in READERS]
    counted = sa.select(subscription.cadence_id, *counts).group_by(subscription.cadence_id).subquery()
    names = (cadence.publication_id, cadence.frequency, cadence.next_due_at)
    found: dict[int, list[Any]] = defaultdict(list)
    for row in await connection.execute(sa.select(*names, counted).join(counted, counted.c.cadence_id == cadence.id)):
        found[row.publication_id].append(row)
    return found


def _readership(rows: list[Any]) -> dict[str, Any]:
    """Readers by state, active ones by frequency, most often first, and when their next Edition is due."""
    states = {state.value: sum(getattr(row, state.value) for row in rows) for state in READERS}
    paces = {name: sum(row.active for row in rows if row.frequency == name) for name in publications.FREQUENCIES}
    due = [row.next_due_at for row in rows if row.active and row.next_due_at]
    return {
        "readers": {name: count for name, count in states.items() if count},
        "frequencies": {name: count for name, count in paces.items() if count},
        "next_due_at": min(due, default=None),
    }


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


async def _doubts_held(connection: AsyncConnection, doubt: str) -> int:
    held = sa.select(sa.func.count()).select_from(outbox.Delivery).where(doubts.is_held(doubt))
    return int(await connection.scalar(held) or 0)


def _warnings(parts: wiring.Parts, found: dict[str, Any], owner: str | None) -> list[str]:
    settings, lines = parts.settings, []
    if urls.is_loopback(settings.base_url):
        lines.append(f"base_url is {settings.base_url}: links in mails work on this machine only")
    elif not settings.base_url.startswith("https://"):
        lines.append(f"base_url is {settings.base_url}: mailbox providers ignore links without https")
    if not settings.smtp.urls:
        lines.append("smtp.url is empty: no mail can leave; set DIGEST_SMTP_URL")
    if owner is not None and owner != parts.instance:
        lines.append(f"this database belongs to the installation '{owner}', so nothing is mailed; see: digest adopt")
    held = [str(edition["id"]) for edition in found["editions"] if edition["state"] == "held"]
    if held:
        lines.append(f"editions {', '.join(held)} are held; release each with: digest editions release ID")
    for source in found["sources"]:
        if source["held"]:
            lines.append(f"{source['held']} articles of source {source['id']} are held: digest release {source['id']}")
    lines += webhooks.warnings(found["webhooks"])
    return lines + _stuck(found) + throttling.warnings(found["pauses"], found["waiting_for"])


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
            lines.append(f"{count:,} readers of {slug} are failing: refused for weeks, mailed no more; see: {verb}")
    return lines


def lines(found: dict[str, Any]) -> list[str]:
    told = [f"installation {found['instance']} on {found['database']}, time zone rules {found['tzdata']}", ""]
    for publication in found["publications"]:
        told += _publication_lines(publication)
    told += _source_lines(found["sources"]) + pictures.lines(found["pictures"]) + sending.summary(found)
    return told + throttling.warm_up(found["throttle"]) + _warning_lines(found["warnings"])


def _warning_lines(warnings: Sequence[str]) -> list[str]:
    return output.cleaned(f"warning      {line}" for line in warnings)


def _publication_lines(publication: dict[str, Any]) -> list[str]:
    due = publication["next_due_at"]
    return [
        f"publication  {publication['publication']}, head {publication['head']}",
        f"  articles   {sending.counted(publication['articles'])}",
        f"  readers    {sending.counted(publication['readers'])}",
        f"  active     {sending.counted(publication['frequencies'])}",
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
