"""One reader's mails, as the page of all settings tells of them: the next, those before, and all of them as a feed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.archive import ahead, own
from digest.audience import models, standing
from digest.web.pages import atom
from digest.web.parts import Parts

# The feed has more.
SHOWN = 5
# Who gets mail, or got it until it could no longer be delivered.
READERS = (models.SubscriptionState.ACTIVE, models.SubscriptionState.FAILING)


@dataclass(frozen=True, slots=True)
class Before:
    """A mail that was sent; `title` is what it began with, and `token` what its links have."""

    at: datetime
    title: str
    token: str


@dataclass(frozen=True, slots=True)
class Mails:
    ahead: ahead.Ahead
    before: tuple[Before, ...]
    feed: str


async def of(connection: AsyncConnection, parts: Parts, one: standing.Standing, now: datetime) -> Mails | None:
    """None for who gets no mail."""
    if one.state not in READERS:
        return None
    row, sign = one.subscription, parts.signer.mail_token
    sent = await own.sent(connection, row, at_most=SHOWN)
    before = tuple(
        Before(mail.at, mail.leads[0].title if mail.leads else "", sign(row.id, row.generation, mail.delivery_id))
        for mail in sent
    )
    base = one.spec.base_url or parts.base_url.rstrip("/")
    feed = atom.own_url(parts.signer, base, row.id, row.generation)
    return Mails(await ahead.of(connection, one, now), before, feed)
