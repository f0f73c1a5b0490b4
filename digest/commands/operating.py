"""Verbs of the operator's own will: send now, adopt, prune."""

import dataclasses

from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles.pictures import prune as picture_pruning
from digest.commands import output, session
from digest.editions import overview, plan
from digest.outbox import prune as pruning
from digest.run import instance, wiring
from digest.web.api import once


def send_now(slug: str, frequency: str | None, *, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> list[int]:
        publication = await publications.get(connection, slug)
        ids = await overview.cadences_read(connection, publication.id, frequency)
        return await plan.send_now(connection, ids, parts.clock())

    planned = session.transact(work, at=session.clock_of(now))
    text = f"Planned {len(planned)} edition{'' if len(planned) == 1 else 's'}; digest run or digest serve sends them."
    output.show({"editions": planned}, [text], as_json=as_json)
    return 0


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
        await once.prune(parts.db, parts.clock())
        return {**dataclasses.asdict(pruned), "pictures": pictures}

    pruned = session.play(work, at=session.clock_of(now))
    text = ", ".join(f"{count} {what}" for what, count in pruned.items())
    output.show(pruned, [f"Forgotten: {text}."], as_json=as_json)
    return 0
