"""`digest subscribers reasons`: why readers left, as far as they cared to say. Reads only."""

from datetime import timedelta

from digest import publications
from digest.audience import unsubscribe
from digest.commands import output, session
from digest.run import wiring

SILENT = "(did not say)"


def reasons(slug: str, days: int, now: str | None, *, as_json: bool) -> int:
    clock = session.clock_of(now)

    async def work(parts: wiring.Parts) -> dict[str, int]:
        async with parts.db.reading() as connection:
            publication = await publications.get(connection, slug)
            return await unsubscribe.reasons(connection, publication.id, clock() - timedelta(days=days))

    found = session.play(work, at=clock)
    document = {"publication": slug, "days": days, "left": sum(found.values()), "reasons": found}
    rows = [(why or SILENT, count) for why, count in found.items()]
    lines = output.table(("reason", "readers"), rows) if rows else [f"nobody left {slug} in the last {days} days"]
    output.show(document, lines, as_json=as_json)
    return 0
