"""`preview`: a digest as .html, .txt and .eml files, to be looked at. Reads only; nothing is interned, nothing sent.

With a reader, what that reader would get now; without, the newest Articles. The links in it carry a token of
Subscription 0, which there never is, so a click on one does nothing.
"""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, errors, publications, zones
from digest.audience import preferences, start
from digest.commands import lookup, output, session
from digest.editions import blocks, cadence, choose, outline, plan
from digest.outbox import selections
from digest.run import wiring


class PreviewError(errors.DigestError):
    """There is nothing to show."""


@dataclass(frozen=True)
class Wish:
    frequency: str | None = None
    subscriber: str | None = None


@dataclass(frozen=True)
class Reader:
    """For whom: somebody of the list, or anybody."""

    choice: preferences.Choice
    email: str
    name: str = ""
    locale: str | None = None
    covered_to: int | None = None

    @property
    def topics(self) -> frozenset[str] | None:
        return None if self.choice.topics is None else frozenset(self.choice.topics)


@dataclass(frozen=True)
class Proof:
    html: str
    text: str
    content: bytes
    subject: str
    remark: str


def write(slug: str, folder: Path, wish: Wish, *, now: str | None) -> int:
    async def work(parts: wiring.Parts) -> Proof:
        return await _proof(parts, slug, wish, parts.clock())

    proof = session.play(work, at=session.clock_of(now))
    folder.mkdir(parents=True, exist_ok=True)
    name = slug + (f"-{wish.frequency}" if wish.frequency else "")
    written = [
        _write(folder / f"{name}.html", proof.html.encode()),
        _write(folder / f"{name}.txt", proof.text.encode()),
        _write(folder / f"{name}.eml", proof.content),
    ]
    if proof.remark:
        output.remark(proof.remark)
    print(proof.subject)
    for path in written:
        print(f"  {path}")
    return 0


def _write(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    return draft.replace(path)


async def _proof(parts: wiring.Parts, slug: str, wish: Wish, now: datetime) -> Proof:
    async with parts.db.reading() as connection:
        row = await publications.get(connection, slug)
        spec = publications.load(row.spec)
        reader = await _reader(connection, spec, wish)
        chosen, remark = await _chosen(connection, row, spec, reader=reader, now=now)
        site = spec.base_url or parts.settings.base_url
        stories = await selections.load_stories(connection, chosen, site=site)
    facts = _facts(spec, reader.choice, now)
    variant = await asyncio.to_thread(parts.writer.composed, spec, reader.locale, stories, chosen, facts)
    ready = parts.writer.proof(spec, variant)
    token = parts.signer.mail_token(0, 0, 0)
    addressed = SimpleNamespace(
        id=0,
        kind="digest",
        email=reader.email,
        address_key=addresses.parse(reader.email).key,
        name=reader.name,
        subscription_id=0,
        reader_generation=0,
    )
    letter = parts.writer.letter(ready, addressed, now)
    return Proof(_filled(variant.html, token), _filled(variant.text, token), letter.content, ready.subject, remark)


async def _reader(connection: AsyncConnection, spec: publications.Spec, wish: Wish) -> Reader:
    wanted = preferences.Wish(frequency=wish.frequency)
    if wish.subscriber is None:
        # A mail needs somebody to be to; the sender will not be surprised.
        return Reader(preferences.fulfil(spec, wanted), addresses.parse(spec.sender_address).spelling)
    found = await lookup.reader(connection, spec.slug, wish.subscriber)
    choice = preferences.fulfil(spec, wanted, found.choice)
    row = found.subscription
    return Reader(choice, found.email, locale=row.locale, covered_to=row.covered_to)


async def _chosen(
    connection: AsyncConnection, row: sa.Row[Any], spec: publications.Spec, *, reader: Reader, now: datetime
) -> tuple[choose.Chosen, str]:
    """What waits for the reader, else the newest Articles of the Topics chosen. Raises PreviewError for none at all."""
    newest = await start.covered_to(connection, row.id, reader.topics, spec.max_items + spec.max_links)
    for covered_to, remark in ((reader.covered_to, ""), (newest, "nothing new waits; this shows the newest articles")):
        if covered_to is None:
            continue
        verdict = await lookup.waiting(connection, row, reader.topics, covered_to=covered_to, now=now)
        if isinstance(verdict, choose.Chosen):
            return verdict, remark if reader.covered_to is not None else ""
    raise PreviewError(f"{spec.slug} has no article to show; bring some with: digest ingest {spec.slug} URL-OR-FILE")


def _facts(spec: publications.Spec, choice: preferences.Choice, now: datetime) -> outline.Facts:
    """As the Edition that is due about now would say it."""
    rule = plan.rule_of(choice, spec)
    zone = zones.get(choice.timezone)
    earlier = None
    if choice.frequency != "instant":
        earlier = cadence.latest_due(rule, since=now - cadence.LONGEST_GAP[rule.frequency], now=now)
    return outline.Facts(
        frequency=choice.frequency,
        upto=now.astimezone(zone).date(),
        since=earlier.slot if earlier else None,
        weekday=choice.weekday,
        send_at=rule.send_at,
        timezone=choice.timezone,
    )


def _filled(segments: tuple[blocks.Segment, ...], token: str) -> str:
    return "".join(token if part is blocks.Slot.TOKEN else part for part in segments)
