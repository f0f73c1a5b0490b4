"""Readers of a Publication, one by one: brought in, found, got, changed, let go, forgotten.

Named by the number of their Subscription, for an address in a URL ends up in logs.
"""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from digest import addresses, errors, links, publications
from digest.audience import erase as erasing, joining, models, preferences, signup, standing, trail, unsubscribe
from digest.web.api import answers, once, problems, shapes
from digest.web.api.doors import reader_shapes as readers
from digest.web.api.route import Call, Calling

DOOR = trail.Door.API
# Where what is wrong stands in a body, by the error that says it.
_AT = {"topic": "#/topics", "frequency": "#/frequency"}


async def listing(
    call: Calling,
    publication: shapes.Slug,
    state: Annotated[models.SubscriptionState | None, Query()] = None,
    limit: shapes.Limit = shapes.PAGE,
    cursor: shapes.Cursor = None,
) -> Response:
    """Readers, the newest first."""
    subscription = models.Subscription
    statement = standing.query().order_by(subscription.id.desc()).limit(limit + 1)
    if state is not None:
        statement = statement.where(subscription.state == state)
    if after := answers.after(cursor):
        statement = statement.where(subscription.id < after)
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        rows = (await connection.execute(statement.where(subscription.publication_id == row.id))).all()
    return answers.page(call.request, [readers.listed(one) for one in rows], [one.id for one in rows], limit)


async def create(call: Calling, publication: shapes.Slug, given: readers.SubscriberGiven) -> Response:
    """Bring a reader in. With a consent they are readers at once; without one they are asked by mail to confirm.

    Who is a reader already stays as they are. A consent from before a reader left or was erased does not bring them
    back.
    """
    address = _address(given.email)
    if given.consent and given.consent.at > call.now:
        raise problems.refuse("the consent lies in the future", "#/consent/at")
    agreement = joining.Agreement(given.consent.at, given.consent.source) if given.consent else None
    async with call.parts.db.transaction() as connection:
        row = await call.publication(connection, publication)
        choice = _fulfilled(publications.load(row.spec), given.wish(), None)
        wish = signup.Request(row.id, address, choice, given.name, given.locale)
        joined = await joining.join(connection, call.parts.hasher, wish, agreement, now=call.now)
        shown = await _shown(connection, row.id, joined.subscription_id)
    where = f"{call.request.app.state.root}/publications/{publication}/subscribers/{joined.subscription_id}"
    return answers.of(shown, 201 if joined.is_new else 200, {"Location": where})


async def lookup(call: Calling, publication: shapes.Slug, given: readers.AddressGiven) -> Response:
    """Find a reader by address. A POST, so that the address stands in no log."""
    address = _address(given.email)
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        found = sa.select(models.Subscriber.id).where(models.Subscriber.key == address.key).scalar_subquery()
        theirs = sa.select(models.Subscription.id).where(
            models.Subscription.subscriber_id == found, models.Subscription.publication_id == row.id
        )
        return answers.of(await _shown(connection, row.id, await connection.scalar(theirs) or 0))


async def get(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """One reader, and what they agreed to."""
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        return answers.of(await _shown(connection, row.id, id))


async def change(call: Calling, publication: shapes.Slug, id: shapes.Id, given: readers.Changes) -> Response:
    """Change what a reader chose; what is left out stays. It counts from the next mail that is handed over."""
    async with call.parts.db.transaction() as connection:
        found = await _found(call, connection, publication, id)
        if found.state is models.SubscriptionState.UNSUBSCRIBED:
            raise problems.Problem("conflict", "this reader has left; only they can come back")
        said = given.model_fields_set
        if said & readers.WISHED:
            choice = _fulfilled(found.spec, given.wish(), found.choice)
            tell = found.spec.settings_changed and found.state is models.SubscriptionState.ACTIVE
            await preferences.change(connection, found.subscription, choice, door=DOOR, now=call.now, tell=tell)
        if "locale" in said:
            await preferences.speak(connection, found.subscription, given.locale, door=DOOR, now=call.now)
        if "layout" in said:
            await preferences.lay_out(connection, found.subscription, given.layout, door=DOOR, now=call.now)
        if "paused_until" in said:
            await _pause(call, connection, found, given)
        return answers.of(await _shown(connection, found.subscription.publication_id, id))


async def _pause(call: Call, connection: AsyncConnection, found: standing.Standing, given: readers.Changes) -> None:
    if given.paused_until is None:
        await preferences.resume(connection, found.subscription, door=DOOR, now=call.now)
        return
    if given.paused_until <= call.now:
        raise problems.refuse("a pause ends in the future; null ends it now", "#/paused_until")
    await preferences.pause(connection, found.subscription, given.paused_until, door=DOOR, now=call.now)


async def leave(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """End a subscription, as the reader's own click would. Nothing that is not handed over yet is sent."""
    async with call.parts.db.transaction() as connection:
        found = await _found(call, connection, publication, id)
        token = links.MailToken(id, found.subscription.generation, 0)
        await unsubscribe.leave(connection, token, door=DOOR, now=call.now)
        return answers.of(await _shown(connection, found.subscription.publication_id, id))


async def erase(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """Forget a person, in every publication. A keyed hash stays, so that no import brings the address back."""
    async with call.parts.db.transaction() as connection:
        found = await _found(call, connection, publication, id)
        subscriber_id = found.subscription.subscriber_id
        if call.key.publication and await _others(connection, subscriber_id, id):
            raise problems.Problem("conflict", "this person reads other publications too, which this key cannot touch")
        await erasing.erase(connection, call.parts.hasher, found.address_key, now=call.now)
        await once.forget(connection, found.email)
    return Response(status_code=204)


async def _others(connection: AsyncConnection, subscriber_id: int, id_: int) -> bool:
    subscription = models.Subscription
    theirs = sa.select(subscription.id).where(subscription.subscriber_id == subscriber_id, subscription.id != id_)
    return (await connection.execute(theirs.limit(1))).first() is not None


async def _found(call: Call, connection: AsyncConnection, slug: str, id_: int) -> standing.Standing:
    """The Subscription, locked, as If-Match wants it. Raises Problem."""
    row = await call.publication(connection, slug)
    found = await standing.find(connection, id_, lock=True)
    if found is None or found.subscription.publication_id != row.id:
        raise _unknown(id_)
    answers.check(call.request, await _shown(connection, row.id, id_))
    return found


async def _shown(connection: AsyncConnection, publication_id: int, id_: int) -> readers.SubscriberShape:
    subscription, consent = models.Subscription, models.Consent
    statement = standing.query().where(subscription.id == id_, subscription.publication_id == publication_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise _unknown(id_)
    agreed = sa.select(consent).where(consent.subscription_id == id_).order_by(consent.id)
    return readers.whole(row, (await connection.execute(agreed)).all())


def _unknown(id_: int) -> problems.Problem:
    which = f"of the number {id_}" if id_ else "with this address"
    return problems.Problem("not-found", f"there is no reader {which}")


def _address(text: str) -> addresses.EmailAddress:
    try:
        return addresses.parse(text)
    except addresses.AddressError as error:
        raise problems.refuse(str(error), "#/email") from None


def _fulfilled(
    spec: publications.Spec, wish: preferences.Wish, current: preferences.Choice | None
) -> preferences.Choice:
    try:
        return preferences.fulfil(spec, wish, current)
    except errors.DigestError as error:
        words = str(error)
        place = next((at for word, at in _AT.items() if word in words.partition("'")[0]), "#/timezone")
        raise problems.refuse(words, place) from None
