"""A mail as it would go out, composed for somebody to look at: what `preview` writes and `send-test` sends.

Reads only; nothing is interned. With a reader, what that reader would get now; without, the newest Articles. The links
in it carry a token of Subscription 0, which there never is, so a click on one does nothing.
"""

import asyncio
import dataclasses
import email
import email.policy
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, errors, locales, publications, zones
from digest.audience import address_changes, preferences, start
from digest.commands import lookup
from digest.editions import cadence, choose, contents, outline, plan, typeset
from digest.outbox import manners, selections, writer
from digest.outbox.transports import transport
from digest.run import wiring


class ProofError(errors.DigestError):
    """There is nothing to show, or not so."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What was asked for; `notice` is one of typeset.NOTICES, instead of a digest."""

    frequency: str | None = None
    subscriber: str | None = None
    layout: str | None = None
    locale: str | None = None
    notice: str | None = None


@dataclasses.dataclass(frozen=True)
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


@dataclasses.dataclass(frozen=True)
class Material:
    """All that is needed to compose it, in any layout and language, without asking the database again."""

    publication_id: int
    spec: publications.Spec
    reader: Reader
    facts: outline.Facts
    at: datetime
    notice: str | None = None
    stories: tuple[outline.Story, ...] = ()
    chosen: choose.Chosen | None = None
    remark: str = ""

    @property
    def kind(self) -> str:
        return self.notice or "digest"

    def dressed(self, layout: str | None, locale: str | None) -> "Material":
        """The same in another layout or language."""
        spec = self.spec.model_copy(update={"layout": layout}) if layout else self.spec
        reader = dataclasses.replace(self.reader, locale=locale) if locale else self.reader
        return dataclasses.replace(self, spec=spec, reader=reader)


@dataclasses.dataclass(frozen=True)
class Proof:
    html: str
    text: str
    letter: transport.Letter
    subject: str


async def gather(parts: wiring.Parts, slug: str, wish: Wish) -> Material:
    """Raises Proof-, Locale-, Publication-, Preference-, Reader- or LayoutError for what there is not."""
    now, locale = parts.clock(), wish.locale and locales.parse(wish.locale)
    layouts = typeset.layouts(*wiring.mail_folders(parts.home).roots(slug))
    if wish.layout is not None and wish.layout not in layouts:
        raise typeset.LayoutError(f"no mail layout '{wish.layout}'; there are: {', '.join(layouts)}")
    if wish.notice is not None and wish.notice not in typeset.NOTICES:
        raise ProofError(f"'{wish.notice}' is no notice; there are: {', '.join(typeset.NOTICES)}")
    async with parts.db.reading() as connection:
        row = await publications.get(connection, slug)
        spec = publications.load(row.spec)
        reader = await _reader(connection, spec, wish)
        bare = Material(row.id, spec, reader, _facts(spec, reader.choice, now, wish.notice), now, wish.notice)
        full = (
            bare
            if wish.notice
            else await _with_stories(connection, row, bare, spec.base_url or parts.settings.base_url)
        )
    return full.dressed(wish.layout, locale)


async def compose(scribe: writer.Writer, material: Material, *, id_: int = 0, mark: str = "") -> Proof:
    """The mail itself. `id_` makes its Message-ID, `mark` goes before the subject."""
    ready = await (_notice if material.notice else _digest)(scribe, material)
    ready = dataclasses.replace(ready, subject=mark + ready.subject)
    reader = material.reader
    addressed = SimpleNamespace(
        id=id_,
        kind=material.kind,
        email=reader.email,
        address_key=addresses.parse(reader.email).key,
        name=reader.name,
        subscription_id=0,
        reader_generation=0,
        address_change_id=0,
    )
    letter = scribe.letter(ready, addressed, material.at)
    message = email.message_from_bytes(letter.content, policy=email.policy.default)
    return Proof(_body(message, "html"), _body(message, "plain"), letter, ready.subject)


async def _digest(scribe: writer.Writer, material: Material) -> writer.Ready:
    spec, chosen = material.spec, material.chosen
    assert chosen is not None
    _, variant = await asyncio.to_thread(
        scribe.fitted, spec, material.reader.locale, list(material.stories), chosen, material.facts
    )
    return scribe.proof(spec, variant)


async def _notice(scribe: writer.Writer, material: Material) -> writer.Ready:
    spec, kind = material.spec, material.kind
    shelf = contents.Shelf(material.publication_id, spec.slug, spec, head=0, revision=0, floor=0, candidates=())
    order = writer.Order.notice(shelf, kind, material.facts, manners.Manner(material.reader.locale))
    # What is sent knows a Publication's notices by its revision; here one revision is shown in several layouts.
    order = dataclasses.replace(order, key=(*order.key, spec.layout))
    return (await scribe.prepared({order.key: order}))[order.key]


def _body(message: email.message.EmailMessage, kind: str) -> str:
    """As a mail program finds it, but with the line ends of a file."""
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


async def _reader(connection: AsyncConnection, spec: publications.Spec, wish: Wish) -> Reader:
    wanted = preferences.Wish(frequency=wish.frequency)
    if wish.subscriber is None:
        # A mail needs somebody to be to; the sender will not be surprised.
        return Reader(preferences.fulfil(spec, wanted), addresses.parse(spec.sender_address).spelling)
    found = await lookup.reader(connection, spec.slug, wish.subscriber)
    choice = preferences.fulfil(spec, wanted, found.choice)
    row = found.subscription
    return Reader(choice, found.email, locale=row.locale, covered_to=row.covered_to)


async def _with_stories(connection: AsyncConnection, row: sa.Row[Any], material: Material, site: str) -> Material:
    chosen, remark = await _chosen(connection, row, material.spec, reader=material.reader, now=material.at)
    stories = await selections.load_stories(connection, chosen, site=site)
    return dataclasses.replace(material, stories=tuple(stories), chosen=chosen, remark=remark)


async def _chosen(
    connection: AsyncConnection, row: sa.Row[Any], spec: publications.Spec, *, reader: Reader, now: datetime
) -> tuple[choose.Chosen, str]:
    """What waits for the reader, else the newest Articles of the Topics chosen. Raises ProofError for none at all."""
    # As it happens, one Article is what most mails bring.
    count = 1 if reader.choice.frequency == "instant" else spec.max_items + spec.max_links
    newest = await start.covered_to(connection, row.id, reader.topics, count)
    for covered_to, remark in ((reader.covered_to, ""), (newest, "nothing new waits; this shows the newest articles")):
        if covered_to is None:
            continue
        verdict = await lookup.waiting(connection, row, reader.topics, covered_to=covered_to, now=now)
        if isinstance(verdict, choose.Chosen):
            return verdict, remark if reader.covered_to is not None else ""
    raise ProofError(f"{spec.slug} has no article to show; bring some with: digest ingest {spec.slug} URL-OR-FILE")


def _facts(spec: publications.Spec, choice: preferences.Choice, now: datetime, notice: str | None) -> outline.Facts:
    """As the Edition that is due about now would say it; a notice names the day of the next one."""
    rule = plan.rule_of(choice, spec)
    zone = zones.get(choice.timezone)
    is_instant, since, upto = choice.frequency == "instant", None, now.astimezone(zone).date()
    if notice:
        first = cadence.next_due(rule, now)
        upto = first.astimezone(zone).date() if first else date.max
    elif not is_instant:
        earlier = cadence.latest_due(rule, since=now - cadence.LONGEST_GAP[rule.frequency], now=now)
        since = earlier.slot if earlier else None
    return outline.Facts(
        frequency=choice.frequency,
        upto=upto,
        since=since,
        weekday=choice.weekday,
        send_at=rule.send_at,
        timezone=choice.timezone,
        until=(now + address_changes.LASTS).astimezone(zone) if notice else None,
    )
