"""Verbs about what there is to say: apply, ingest, release, and single Articles."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from digest import config, database, errors, publications
from digest.articles import models, poll, release as releasing, sources, store, submit
from digest.articles.pictures import gather
from digest.audience import apply as applying, moving
from digest.commands import appearance, output, session
from digest.run import wiring

STDIN = Path("-")


def apply(files: Sequence[Path], move: Sequence[str], *, as_json: bool) -> int:
    moves = moving.read(move)
    # All are read before one is applied: a mistake in the last leaves nothing half done.
    specs = read_all(files)

    async def work(parts: wiring.Parts) -> tuple[dict[str, str], list[str]]:
        applied, refused = {}, list[str]()
        for spec in specs:
            try:
                appearance.check(parts.home, spec)
                applied[spec.slug] = outcome(await applying.apply(parts.db, spec, parts.clock(), moves))
            except errors.DigestError as error:
                # Each Publication is applied whole or not at all; one that is refused stops no other.
                refused += str(error).splitlines()
        return applied, refused

    applied, refused = session.play(work)
    home = config.home()
    remarks = [f"{spec.slug}: {line}" for spec in specs for line in appearance.remarks(home, spec)]
    for line in (*refused, *remarks):
        output.remark(line)
    document = {"publications": applied, "refused": refused, "remarks": remarks}
    output.show(document, [f"{slug}: {what}" for slug, what in applied.items()], as_json=as_json)
    return 2 if refused else 0


def outcome(applied: applying.Applied) -> str:
    if applied.created:
        return "created"
    return f"changed {', '.join(applied.changed)}" if applied.changed else "unchanged"


def read_all(files: Sequence[Path]) -> list[publications.Spec]:
    """Raises PublicationError with the mistakes of all files."""
    specs, mistakes = [], []
    for path in files:
        try:
            specs.append(publications.read(path))
        except errors.DigestError as error:
            mistakes += str(error).splitlines()
    if mistakes:
        raise publications.PublicationError("\n".join(mistakes))
    return specs


def ingest(slug: str, source: str, *, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> tuple[poll.Polled, int]:
        publication = await _publication(parts.db, slug)
        polled = await sources.ingest(parts.db, parts.fetcher, publication, source, parts.clock())
        await gather.run(parts.db, parts.gatherer, parts.clock())
        return polled, await releasing.run(parts.db, parts.clock())

    polled, released = session.play(work, at=session.clock_of(now))
    text = f"{polled.new} new, {polled.updated} updated, {polled.set_aside} set aside, {released} released"
    if polled.held:
        text += f"; {polled.held} at once are held: look at them in digest status, then digest release {source}"
    for reason in polled.reasons:
        output.remark(f"set aside: {reason}")
    output.show(asdict(polled) | {"released": released}, [text], as_json=as_json)
    return 0


def release(source: str, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> tuple[int, int]:
        freed = await sources.release(parts.db, source)
        return freed, await releasing.run(parts.db, parts.clock())

    freed, released = session.play(work)
    text = f"{freed} articles let go, {released} released now" if freed else "Nothing of this source is held."
    output.show({"let_go": freed, "released": released}, [text], as_json=as_json)
    return 0


def add(slug: str, path: Path, *, now: str | None, as_json: bool) -> int:
    submissions = submit.read(_text(path), where="stdin" if path == STDIN else str(path))

    async def work(parts: wiring.Parts) -> tuple[store.Stored, int]:
        publication = await _publication(parts.db, slug)
        stored = await submit.add(parts.db, publication, submissions, parts.clock())
        await gather.run(parts.db, parts.gatherer, parts.clock())
        return stored, await releasing.run(parts.db, parts.clock())

    stored, released = session.play(work, at=session.clock_of(now))
    text = f"{stored.new} new, {stored.updated} updated, {stored.unchanged} unchanged, {released} released"
    document = {"new": stored.new, "updated": stored.updated, "unchanged": stored.unchanged, "released": released}
    output.show(document, [text], as_json=as_json)
    return 0


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise submit.SubmitError(f"{path} is not UTF-8") from None
    except OSError as error:
        raise submit.SubmitError(f"cannot read {path}: {error.strerror}") from None


def listing(slug: str, state: str | None, *, limit: int, as_json: bool) -> int:
    wanted = _state(state) if state else None

    async def work(parts: wiring.Parts) -> Sequence[Any]:
        publication = await _publication(parts.db, slug)
        async with parts.db.reading() as connection:
            return await submit.listing(connection, publication.id, state=wanted, limit=limit)

    columns = ("id", "position", "state", "published_at", "topics", "title", "url", "source")
    rows = [{column: getattr(row, column) for column in columns} for row in session.play(work)]
    shown = [(r["id"], r["position"], r["state"], _day(r), ";".join(r["topics"]), r["title"]) for r in rows]
    lines = output.table(("id", "position", "state", "published", "topics", "title"), shown)
    output.show({"articles": rows}, lines, as_json=as_json)
    return 0


def _state(text: str) -> models.ArticleState:
    try:
        return models.ArticleState(text)
    except ValueError:
        raise submit.SubmitError(f"'{text}' is no state; use one of {', '.join(models.ArticleState)}") from None


def _day(row: dict[str, Any]) -> str:
    return f"{row['published_at']:%Y-%m-%d}" if row["published_at"] else ""


def retract(slug: str, article: str, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> submit.Retracted:
        publication = await _publication(parts.db, slug)
        return await submit.retract(parts.db, publication, article, parts.clock())

    retracted = session.play(work)
    text = f"Retracted: {retracted.title}. " + (
        "Some readers may have it already; no other gets it."
        if retracted.was_released
        else "It had not been released, and nobody gets it."
    )
    output.show(asdict(retracted), [text], as_json=as_json)
    return 0


async def _publication(db: database.Database, slug: str) -> Any:
    async with db.reading() as connection:
        return await publications.get(connection, slug)
