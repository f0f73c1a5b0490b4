"""`digest demo`: ten days of digests in some seconds, with nothing simulated but the time.

Real feed over HTTP, real passes, real SMTP into a server that keeps everything. Then the table of who got what and
when, checked against the received mails; and, unless asked for once, the site with an inbox page until Ctrl-C.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime

import httpx
import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from digest import errors, publications
from digest.articles import sources
from digest.audience import apply, importing
from digest.demo import facts, feeds, folder, letters, report, site, stage, verdict, virtual
from digest.demo.stage import Stage, Wish as Wish  # what a caller has to bring
from digest.run import logs, loop

DONE, WRONG, INTERRUPTED = 0, 1, 130
# How often the site's doings, a sign-up or a resumed pause, are carried out once the ten days are over.
LIVE_SECONDS = 2.0

log = structlog.get_logger()


def main(wish: Wish) -> int:
    """Play, and serve until Ctrl-C; the exit code. Raises the DigestError of whatever stands in the way."""
    # What passes and pages do is told by the table; only trouble is news.
    logs.configure(level="warning", style="console")
    out, serving = report.console(), asyncio.Event()
    try:
        return loop.run(run(wish, out, serving))
    except KeyboardInterrupt:
        out.print()
        return DONE if serving.is_set() else INTERRUPTED


async def run(wish: Wish, out: Console, serving: asyncio.Event) -> int:
    """All of it. `serving` is set when the ten days are over."""
    async with performed(wish, out) as (show, code):
        report.facts(out, [("Folder", f"{show.parts.home} has every mail as a file; delete it when you like")])
        if not wish.once:
            serving.set()
            await _live(show)
    return code


@contextlib.asynccontextmanager
async def performed(wish: Wish, out: Console) -> AsyncIterator[tuple[Stage, int]]:
    """The ten days played and told, the site still open; with the exit code."""
    with site.listen(wish.port) as listening:
        home = folder.prepare(wish.home)
        try:
            async with stage.opened(wish, home, listening, out) as show:
                yield show, await _play(show)
        except errors.DigestError:
            # What came to nothing leaves no litter behind.
            if wish.home is None:
                folder.discard(home)
            raise


async def _play(show: Stage) -> int:
    """Ten days, the table and the totals; the exit code."""
    readers = await _begin(show)
    with _progress(show) as told:
        await virtual.play(show.parts, show.sender, show.clock, show.programme.ends_at, told)
    verdicts = await _judge(show, readers)
    show.out.print(report.table(verdicts, width=show.out.width))
    report.totals(show.out, verdicts)
    return DONE if all(found.is_clean for found in verdicts) else WRONG


async def _begin(show: Stage) -> list[verdict.Reader]:
    """Publication, first ingest, readers: in the order of a real start."""
    parts, spec, now = show.parts, show.programme.spec, show.clock()
    await apply.apply(parts.db, spec, now)
    await virtual.tick(parts, show.sender, now)
    await _let_go(show)
    async with parts.db.reading() as connection:
        publication = await publications.get(connection, spec.slug)
    # Confirmed, because these readers are invented: nobody is there to be asked.
    order = importing.Order(publication, parts.hasher, now, confirmed=True)
    imported = await importing.run(parts.db, show.programme.readers, order)
    for line, reason in imported.refused:
        show.out.print(f"readers.csv, line {line}: {reason}", markup=False)
    # Before the clock moves on: what is settled for them later is what is to be proved.
    async with parts.db.reading() as connection:
        readers = await facts.readers(connection, show.programme)
    show.inbox.readers = {reader.email: reader for reader in readers}
    return readers


async def _let_go(show: Stage) -> None:
    """More than some dozens of new Articles at once are held for the operator, who is us."""
    async with show.parts.db.reading() as connection:
        listed = await sources.listing(connection)
    for source in listed:
        if source.reason:
            raise feeds.FeedError(f"{source.address}: {source.reason}")
        if source.held:
            show.out.print(
                f"{source.held} articles came at once and are held; letting them go, as `digest release` does.",
                markup=False,
            )
            await sources.release(show.parts.db, str(source.id))
            await virtual.tick(show.parts, show.sender, show.clock())


@contextlib.contextmanager
def _progress(show: Stage) -> Iterator[Callable[[datetime], None]]:
    """A bar over the virtual time; nothing when nobody watches."""
    begins_at, ends_at = show.programme.begins_at, show.programme.ends_at
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("mails: {task.fields[mails]}")
    with Progress(*columns, console=show.out, transient=True, disable=not show.out.is_terminal) as bar:
        task = bar.add_task("", total=(ends_at - begins_at).total_seconds(), mails=0)

        def told(now: datetime) -> None:
            day = report.local(now, show.programme.spec.timezone)
            done = (now - begins_at).total_seconds()
            bar.update(task, completed=done, description=day, mails=len(show.inbox.letters()))

        yield told


async def _judge(show: Stage, readers: list[verdict.Reader]) -> list[verdict.Verdict]:
    digests = [await _whole(letter) for letter in show.inbox.letters() if letter.is_digest]
    async with show.parts.db.reading() as connection:
        articles = await facts.released(connection)
    return [verdict.judge(reader, digests, articles, end=show.programme.ends_at) for reader in readers]


async def _whole(letter: letters.Letter) -> verdict.Digest:
    """All a digest tells; for "and 12 more" the list is read where the mail says it is, as a reader would."""
    told, page = letter.told, letter.more_url
    async with httpx.AsyncClient(trust_env=False) as client:
        while page:
            found = (await client.get(page)).raise_for_status()
            told += letters.told_in(found.text)
            page = letters.next_page(found.text, page)
    return verdict.Digest(letter, told)


async def _live(show: Stage) -> None:
    """Serve until Ctrl-C; the clock runs on, so that what is clicked on the site takes effect."""
    base_url = show.parts.settings.base_url
    # Paused readers and sign-ups need time to pass.
    show.clock.start()
    report.facts(show.out, [("Inbox", f"{base_url}/inbox"), ("Site", base_url), ("", "Ctrl-C ends it.")])
    while True:
        await asyncio.sleep(LIVE_SECONDS)
        try:
            await virtual.tick(show.parts, show.sender, show.clock())
        except errors.DigestError as error:
            # The pages go on; the next turn may work.
            log.error("pass_failed", reason=str(error))
