"""Verbs about readers: import, export, erase, unsubscribe, suppress."""

import contextlib
import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, links, publications
from digest.audience import (
    erase as erasing,
    exporting,
    foreign,
    importing,
    lists,
    models,
    rows,
    suppression,
    trail,
    unsubscribe as leaving,
)
from digest.commands import lookup, output, session
from digest.run import wiring

# More reasons than this nobody reads on a screen.
SHOWN = 50
COUNTED = ("imported", "updated", "unchanged", "left", "suppressed", "refusals")


@dataclass(frozen=True)
class Wish:
    """Whether the readers of a list have agreed already, or are to be asked; what they have seen; where to report.

    `told` is how all of them stand where the list comes from, one of rows.Told.
    """

    confirmed: bool = False
    ask: bool = False
    seen_until: str | None = None
    is_rehearsal: bool = False
    report: Path | None = None
    told: str | None = None


def import_file(slug: str, path: Path, wish: Wish, *, now: str | None, as_json: bool) -> int:
    seen_until = rows.until(wish.seen_until) if wish.seen_until else None

    async def work(parts: wiring.Parts) -> lists.Report:
        async with parts.db.reading() as connection:
            publication = await publications.get(connection, slug)
        with _report(wish.report) as on_refused, rows.open_file(path) as file:
            order = lists.Order(
                publication,
                parts.hasher,
                parts.clock(),
                wish.confirmed,
                wish.ask,
                seen_until,
                wish.is_rehearsal,
                on_refused,
            )
            size = os.fstat(file.fileno()).st_size
            with output.progress(f"import {path.name}", size) as advance:
                return await importing.run(parts.db, _rows(_watched(file, advance), wish), order)

    report = session.play(work, at=session.clock_of(now))
    if report.refused and not as_json:
        output.remarks(output.table(("line", "not imported because"), report.refused[:SHOWN]))
        _tell_of_more(report, wish)
    refused = [{"line": line, "reason": reason} for line, reason in report.refused]
    document = {name: getattr(report, name) for name in COUNTED} | {"refused": refused}
    output.show(document, [_summary(report, wish)], as_json=as_json)
    return 0


def _rows(lines: Iterable[str], wish: Wish) -> Iterator[rows.Row | rows.BadRow]:
    def warn(export: foreign.Dialect) -> None:
        if export.silence and wish.confirmed and not wish.told:
            output.remark(f"an export of {export.name} {export.silence}")

    found = rows.read(lines, warn)
    return rows.at_best(found, rows.Told(wish.told)) if wish.told else found


def _tell_of_more(report: lists.Report, wish: Wish) -> None:
    more = report.refusals - SHOWN
    if more > 0:
        where = f"all of them: {wish.report}" if wish.report else "--report FILE writes all of them"
        output.remark(f"and {more:,} more; {where}")


@contextlib.contextmanager
def _report(path: Path | None) -> Iterator[lists.OnRefused | None]:
    """A CSV of what was not imported, written as it is found."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise rows.ImportFileError(f"cannot write {path}: {error.strerror}") from None
    with file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("line", "reason"))
        yield lambda line, reason: writer.writerow((line, reason))


def _watched(lines: Iterable[str], advance: output.Advance) -> Iterator[str]:
    for line in lines:
        # In characters, which is near enough to the bytes of the file for a bar.
        advance(len(line))
        yield line


def _summary(report: lists.Report, wish: Wish) -> str:
    text = f"{report.imported} imported, {report.updated} updated, {report.unchanged} unchanged, "
    text += f"{report.refusals} not imported"
    counts = ((report.left, "who left before"), (report.suppressed, "suppressed"))
    if shown := [f"{count} {whom}" for count, whom in counts if count]:
        text += f"; not mailed: {', '.join(shown)}"
    if wish.is_rehearsal:
        return f"dry run, nothing is changed: {text}"
    if report.imported and not (wish.confirmed or wish.ask):
        text += "; without --confirmed they are pending and get nothing (--ask sends each a request to confirm)"
    return text


def export(slug: str, out: Path | None) -> int:
    async def work(parts: wiring.Parts) -> int:
        async with parts.db.reading() as connection:
            publication = await publications.get(connection, slug)
        count = -1  # the header
        with _target(out) as write:
            async for text in exporting.lines(parts.db, publication.id):
                write(text)
                count += text.count("\n")
        return count

    count = session.play(work)
    if out:
        output.remark(f"{count} readers written to {out}")
    return 0


class _target:
    """Where an export goes: stdout, or a private file that appears when it is complete."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{os.getpid()}") if path else None

    def __enter__(self) -> output.Write:
        if self._draft is None:
            return output.write
        descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        return self._file.write

    def __exit__(self, kind: object, *_: object) -> None:
        if self._draft is None or self._path is None:
            return
        self._file.close()
        if kind is None:
            self._draft.replace(self._path)
        else:
            self._draft.unlink()


def erase(email: str, *, as_json: bool) -> int:
    # It loads all that serves the web, which takes longer than most verbs.
    from digest.web.api import once

    key = addresses.parse(email).key

    async def work(parts: wiring.Parts, connection: AsyncConnection) -> bool:
        for spelling in {email.strip(), await _spelling(connection, key)}:
            # The API may be asked for an answer once more, and shall not have this one.
            await once.forget(connection, spelling)
        return await erasing.erase(connection, parts.hasher, key, now=parts.clock())

    was_known = session.transact(work)
    text = "Erased; only a keyed hash is kept, so that no import brings the address back."
    if not was_known:
        text = "Nobody has this address. It is suppressed now, so that no import brings it in."
    output.show({"erased": was_known}, [text], as_json=as_json)
    return 0


async def _spelling(connection: AsyncConnection, key: str) -> str:
    """The address as its reader spelled it."""
    found = sa.select(models.Subscriber.email).where(models.Subscriber.key == key)
    return (await connection.execute(found)).scalar() or key


def unsubscribe(slug: str, email: str, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> leaving.Leaving:
        found = await lookup.reader(connection, slug, email)
        token = links.MailToken(found.subscription.id, found.subscription.generation, 0)
        return await leaving.leave(connection, token, door=trail.Door.CLI, now=parts.clock())

    answer = session.transact(work)
    text = "Unsubscribed." if answer is leaving.Leaving.LEFT else "Had unsubscribed already."
    output.show({"unsubscribed": answer is leaving.Leaving.LEFT}, [text], as_json=as_json)
    return 0


def suppress(email: str, *, as_json: bool) -> int:
    key = addresses.parse(email).key

    async def work(parts: wiring.Parts, connection: AsyncConnection) -> bool:
        reason = models.SuppressionReason.OPERATOR
        return await suppression.add(connection, parts.hasher, key, reason=reason, now=parts.clock())

    is_new = session.transact(work)
    text = "Suppressed: nothing is sent to this address." if is_new else "Was suppressed already."
    output.show({"suppressed": is_new}, [text], as_json=as_json)
    return 0


def unsuppress(email: str, *, as_json: bool) -> int:
    key = addresses.parse(email).key

    async def work(parts: wiring.Parts, connection: AsyncConnection) -> bool:
        return await suppression.lift(connection, parts.hasher, key)

    was_covered = session.transact(work)
    text = "Mail may go to this address again." if was_covered else "Was not suppressed."
    output.show({"unsuppressed": was_covered}, [text], as_json=as_json)
    return 0
