"""Turns what was chosen into a mail ready to be joined, and a handed-over Delivery into the bytes that leave.

Reads Articles once per variant; leaves interned Selection rows, so a doubtful mail can be sent again as it was.
Prepares before the hand-over, never between hand-over and the wire.
"""

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from digest import addresses, database, links, places, publications
from digest.editions import blocks, choose, compose, contents, look, outline
from digest.outbox import dkim, facts, headers, manners, message, selections, telling
from digest.outbox.transports import transport

# A variant is some 100 KB of prepared bytes; a Batch can hold a few hundred of them.
KEPT = 512
CONFIRM_HOURS = 72
MANAGE_HOURS = 24
# Mails with a one-click way out. Who is asked to confirm, or has left, has nothing to leave.
LEAVABLE = ("digest", "welcome", "already", "changed")

Key = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Order:
    """A mail to prepare: `chosen` afresh, or a Selection frozen earlier, or (without an Edition) a notice."""

    key: Key
    shelf: contents.Shelf
    edition: Any
    chosen: choose.Chosen | None
    selection_id: int | None
    manner: manners.Manner
    facts: outline.Facts | None = None

    @property
    def spec(self) -> publications.Spec:
        return self.manner.dress(self.shelf.spec)

    @staticmethod
    def key_of(shelf: contents.Shelf, edition: Any, reach: choose.Reach, manner: manners.Manner) -> Key:
        return ("digest", shelf.publication_id, shelf.revision, edition.id, reach, manner)

    @classmethod
    def frozen(cls, shelf: contents.Shelf, edition: Any, selection_id: int, manner: manners.Manner) -> "Order":
        key = ("frozen", shelf.publication_id, edition.id, selection_id, manner)
        return cls(key, shelf, edition, None, selection_id, manner)

    @classmethod
    def notice(
        cls,
        shelf: contents.Shelf,
        kind: str,
        facts: outline.Facts,
        manner: manners.Manner,
        selection_id: int | None = None,
    ) -> "Order":
        """A welcome may carry a Selection of stories to begin with."""
        key = (kind, shelf.publication_id, shelf.revision, facts, manner, selection_id)
        return cls(key, shelf, None, None, selection_id, manner, facts)


@dataclasses.dataclass(frozen=True)
class Ready:
    """A variant as prepared bytes, with all that its Deliveries share."""

    selection_id: int | None
    chosen: choose.Chosen | None
    spec: publications.Spec
    base_url: str
    subject: str
    message: message.PreparedMessage
    letterhead: headers.Letterhead
    sender_domain: str
    dkim_signer: dkim.Signer | None


@dataclasses.dataclass(frozen=True)
class Imprint:
    """What all mails of this installation share. `stamp` tells two installations' Message-IDs apart."""

    base_url: str
    stamp: str
    feedback_id: str = ""
    keyring: dkim.Keyring | None = None


class Writer:
    """One per process; remembers the variants it prepared."""

    def __init__(
        self, db: database.Database, composer: compose.Composer, signer: links.Signer, imprint: Imprint
    ) -> None:
        self._db, self._composer, self._signer, self._imprint = db, composer, signer, imprint
        self._kept: OrderedDict[Key, Ready] = OrderedDict()
        self._expiring = {"confirm": signer.confirm_token, "manage": signer.manage_token}
        self._agreeing = {"address": signer.address_token, "moving": signer.moving_token}

    def find(self, key: Key) -> Ready | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def remembered(self, key: Key) -> choose.Chosen | None:
        """What was chosen for this key, so that choosing runs once for all readers alike."""
        ready = self._kept.get(key)
        return ready.chosen if ready else None

    async def prepared(self, orders: Mapping[Key, Order]) -> dict[Key, Ready]:
        """These mails, composed if need be; their Deliveries can be handed over afterwards."""
        made = {}
        for key, order in orders.items():
            made[key] = self.find(key) or await (
                self._digest(order) if order.edition is not None else self._notice(order)
            )
            self._kept[key] = made[key]
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def letter(self, ready: Ready, row: Any, now: datetime) -> transport.Letter:
        """The wire bytes for one reader. Raises HeaderError or AddressError for a row that cannot be mailed."""
        address = addresses.recall(row.email, row.address_key)
        token = self._token(row, now)
        personal = headers.Personal(
            recipient=address.wire,
            name=row.name,
            message_id=headers.message_id(row.id, instance=self._imprint.stamp, domain=ready.sender_domain),
            at=now,
            unsubscribe_url=f"{ready.base_url}/unsubscribe/{token}" if row.kind in LEAVABLE else "",
        )
        head = headers.write(ready.letterhead, ready.subject, personal)
        content = ready.message.render({blocks.Slot.TOKEN: token}, head)
        if ready.dkim_signer:
            content = ready.dkim_signer.seal(content, now)
        return transport.Letter(row.id, ready.letterhead.sender, address.wire, content)

    def _token(self, row: Any, now: datetime) -> str:
        """What asks for a yes, or opens more than its mail needs, has a link that expires; all others work for ever."""
        if make := self._expiring.get(row.kind):
            return make(row.subscription_id, row.reader_generation, now)
        if agree := self._agreeing.get(row.kind):
            return agree(row.address_change_id, now)
        if row.kind in facts.ELSEWHERE:
            return ""  # a stranger is given nothing by which to act for a reader
        return self._signer.mail_token(row.subscription_id, row.reader_generation, row.id)

    async def shown(self, order: Order) -> compose.Variant:
        """The digest of an Order that names what was chosen. Reads only."""
        assert order.chosen is not None
        stories, facts = await self._content(order, order.chosen)
        return await asyncio.to_thread(self.composed, order.spec, order.manner.locale, stories, order.chosen, facts)

    async def _content(self, order: Order, chosen: choose.Chosen) -> tuple[list[outline.Story], outline.Facts]:
        site = self._site(order.shelf.spec)
        async with self._db.reading() as connection:
            stories = await selections.load_stories(connection, chosen, site=site)
            return stories, await telling.edition(connection, order.edition)

    def composed(
        self,
        spec: publications.Spec,
        locale: str | None,
        stories: list[outline.Story],
        chosen: choose.Chosen,
        facts: outline.Facts,
    ) -> compose.Variant:
        return self._prepared(spec, locale, stories, chosen, facts).variant(selections.choice(chosen), facts)

    def fitted(
        self,
        spec: publications.Spec,
        locale: str | None,
        stories: list[outline.Story],
        chosen: choose.Chosen,
        facts: outline.Facts,
    ) -> tuple[choose.Chosen, compose.Variant]:
        """What was chosen, told so that the mail does not grow too large, and that mail; before anything is frozen."""
        fit, variant = self._prepared(spec, locale, stories, chosen, facts).fitted(selections.choice(chosen), facts)
        return chosen.cut(full=len(fit.full), short=fit.short, links=len(fit.links)), variant

    def _prepared(
        self,
        spec: publications.Spec,
        locale: str | None,
        stories: list[outline.Story],
        chosen: choose.Chosen,
        facts: outline.Facts,
    ) -> compose.Prepared:
        count = len(chosen.full) + len(chosen.links) + len(chosen.more)
        dressed = look.suited(self._look(spec, locale), facts.frequency, count)
        return self._composer.prepare(dressed, stories)

    def proof(self, spec: publications.Spec, variant: compose.Variant) -> Ready:
        """A digest that belongs to no Edition, made ready to be looked at only."""
        return self._ready(spec, variant, selection_id=None, chosen=None, is_list=True)

    async def _digest(self, order: Order) -> Ready:
        """Fresh ones are made to fit and then frozen; what was frozen is told as it was, whatever has changed since."""
        selection_id = order.selection_id
        if selection_id is not None:
            async with self._db.reading() as connection:
                chosen = await selections.load_selection(connection, selection_id)
            variant = await self.shown(dataclasses.replace(order, chosen=chosen))
        else:
            chosen, variant = await self._fresh(order)
            async with self._db.transaction() as connection:
                selection_id = await selections.intern(
                    connection, order.shelf.publication_id, chosen, used_at=order.edition.planned_at
                )
        is_text = order.manner.is_text
        return self._ready(order.spec, variant, selection_id=selection_id, chosen=chosen, is_list=True, is_text=is_text)

    async def _fresh(self, order: Order) -> tuple[choose.Chosen, compose.Variant]:
        assert order.chosen is not None
        stories, facts = await self._content(order, order.chosen)
        told = order.spec, order.manner.locale, stories, order.chosen, facts
        return await asyncio.to_thread(self.fitted, *told)

    async def _notice(self, order: Order) -> Ready:
        name, spec = order.key[0], order.spec
        hours = MANAGE_HOURS if name == "manage" else CONFIRM_HOURS
        told, full = await self._to_begin_with(order)
        for in_full in (full, full // 2, full // 4, 0):
            context = {"hours": hours, "facts": order.facts, "stories": told[:in_full], "others": told[in_full:]}
            made = await asyncio.to_thread(self._composer.notice, name, self._look(spec, order.manner.locale), context)
            if compose.html_bytes(made.html) <= compose.HTML_BUDGET:
                break
        is_text = order.manner.is_text
        return self._ready(spec, made, selection_id=None, chosen=None, is_list=False, is_text=is_text)

    async def _to_begin_with(self, order: Order) -> tuple[tuple[outline.Story, ...], int]:
        """The stories of a welcome, best first, and how many of them it tells in full."""
        if order.selection_id is None:
            return (), 0
        async with self._db.reading() as connection:
            chosen = await selections.load_selection(connection, order.selection_id)
            site = self._site(order.shelf.spec)
            found = {story.id: story for story in await selections.load_stories(connection, chosen, site=site)}
        # One that was taken back meanwhile may be forgotten.
        full, links = (
            [self._composer.cleaned(found[pick.article_id]) for pick in picks if pick.article_id in found]
            for picks in (chosen.full, chosen.links)
        )
        return (*full, *links), len(full)

    def _ready(
        self,
        spec: publications.Spec,
        variant: compose.Variant,
        *,
        selection_id: int | None,
        chosen: choose.Chosen | None,
        is_list: bool,
        is_text: bool = False,
    ) -> Ready:
        sender = addresses.parse(spec.sender_address)
        return Ready(
            selection_id,
            chosen,
            spec,
            self._site(spec),
            "".join(variant.subject),
            message.prepare_text(variant.text) if is_text else message.prepare(variant.html, variant.text),
            self._letterhead(spec, is_list),
            sender.domain,
            self._imprint.keyring.signer(sender.domain) if self._imprint.keyring else None,
        )

    def _site(self, spec: publications.Spec) -> str:
        return spec.base_url or self._imprint.base_url.rstrip("/")

    def _letterhead(self, spec: publications.Spec, is_list: bool) -> headers.Letterhead:
        sender = addresses.parse(spec.sender_address)
        return headers.Letterhead(
            sender_name=spec.sender_name,
            sender=sender.wire,
            reply_to=addresses.parse(spec.reply_to).wire if spec.reply_to else "",
            list_id=f"{spec.slug}.{sender.domain}" if is_list else "",
            list_name=spec.name if is_list else "",
            archive_url=places.archive(self._site(spec), spec.slug) if is_list and spec.has_archive else "",
            feedback_id=f"digest:{spec.slug}:{self._imprint.feedback_id}" if self._imprint.feedback_id else "",
        )

    def _look(self, spec: publications.Spec, locale: str | None) -> look.Look:
        found = look.of(spec, self._imprint.base_url)
        return dataclasses.replace(found, locale=locale) if locale else found
