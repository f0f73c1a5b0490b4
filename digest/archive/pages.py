"""Which Pages the archive has, and what stands on one of them. Reads Pages and Articles; leaves nothing.

What is shown is read from the Articles each time: an edited one shows as it is now, a retracted one is gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.archive import models
from digest.articles import models as articles
from digest.editions import choose, contents, outline, tidy
from digest.outbox import selections

# Everything that matches is told, the best first; how much of it fits on a screen is for the page to say.
ALL = choose.Limits(min_items=0, max_items=1_000_000, max_links=0, max_wait=timedelta(0))

Order = Sequence[choose.Pick]


@dataclass(frozen=True, slots=True)
class Lead:
    """An Article that a list or a feed names."""

    id: int
    title: str
    url: str | None


async def find(connection: AsyncConnection, publication_id: int, frequency: str, day: date) -> Any:
    page = models.Page
    statement = _of(publication_id, frequency).where(page.date == day)
    return (await connection.execute(statement)).one_or_none()


async def newest(
    connection: AsyncConnection, publication_id: int, frequency: str, *, at_most: int, before: date | None = None
) -> list[Any]:
    page = models.Page
    statement = _of(publication_id, frequency).order_by(page.date.desc()).limit(at_most)
    if before is not None:
        statement = statement.where(page.date < before)
    return list((await connection.execute(statement)).all())


async def neighbours(connection: AsyncConnection, page: Any) -> tuple[date | None, date | None]:
    """The dates before and after."""
    own = models.Page
    same = own.publication_id == page.publication_id, own.frequency == page.frequency
    before = sa.select(sa.func.max(own.date)).where(*same, own.date < page.date)
    after = sa.select(sa.func.min(own.date)).where(*same, own.date > page.date)
    return await connection.scalar(before), await connection.scalar(after)


async def of_mail(connection: AsyncConnection, publication_id: int, frequency: str, delivery_id: int) -> date | None:
    """The date of the Page that tells what a mail did of which only its number is known; None if that is too old."""
    page = models.Page
    statement = (
        sa.select(page.date)
        .where(page.publication_id == publication_id, page.frequency == frequency, page.newest_delivery < delivery_id)
        .order_by(page.date.desc())
        .limit(1)
    )
    return await connection.scalar(statement)


def _of(publication_id: int, frequency: str) -> sa.Select[Any]:
    return sa.select(models.Page).where(
        models.Page.publication_id == publication_id, models.Page.frequency == frequency
    )


async def order(connection: AsyncConnection, spec: publications.Spec, page: Any) -> Order:
    """All that stands on a Page, in reading order: the newest, then the others under their Topics."""
    found = await contents.candidates(connection, page.publication_id, page.above, page.upto)
    verdict = choose.choose(
        found,
        choose.Reach(None, page.above, page.upto),
        limits=ALL,
        topic_order=spec.topic_slugs,
        now=page.due_at,
    )
    if not isinstance(verdict, choose.Chosen):
        return ()
    places = {slug: place for place, slug in enumerate(spec.topic_slugs)}
    lead, *others = verdict.full
    return (lead, *sorted(others, key=lambda pick: places.get(pick.topic or "", len(places))))


async def stories(connection: AsyncConnection, picks: Order, site: str) -> dict[int, outline.Story]:
    """Those Articles as they are told, fit to be shown."""
    chosen = choose.Chosen(full=tuple(picks), links=(), more=())
    found = await selections.load_stories(connection, chosen, site=site)
    return {story.id: outline.clean(story, str) for story in found}


async def leads(connection: AsyncConnection, pages: Sequence[Any]) -> dict[int, list[Lead]]:
    """What each of these Pages (by its id) begins with, but for what was retracted since."""
    found = await named(connection, {id_ for page in pages for id_ in page.leads})
    return {page.id: [found[id_] for id_ in page.leads if id_ in found] for page in pages}


async def changed_at(connection: AsyncConnection, pages: Sequence[Any]) -> list[datetime]:
    """When one of what these Pages begin with was last edited or retracted."""
    ids = sorted({id_ for page in pages for id_ in page.leads})
    statement = sa.select(sa.func.max(articles.Article.updated_at)).where(articles.Article.id.in_(ids))
    latest = await connection.scalar(statement)
    return [latest] if latest else []


async def named(connection: AsyncConnection, ids: Iterable[int]) -> dict[int, Lead]:
    """Released Articles by their ids, of which there are some hundred at most."""
    article = articles.Article
    statement = sa.select(article.id, article.title, article.url, article.state).where(article.id.in_(sorted(ids)))
    rows = (await connection.execute(statement)).all()
    # Told apart here: asked for the state too, SQLite walks all that were ever released.
    return {lead.id: lead for lead in _leads(row for row in rows if row.state is articles.ArticleState.RELEASED)}


def _leads(rows: Iterable[Any]) -> Iterator[Lead]:
    for row in rows:
        url = tidy.url(row.url)
        yield Lead(row.id, tidy.line(row.title) or url or "—", url)
