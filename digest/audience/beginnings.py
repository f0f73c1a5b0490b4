"""What a Subscription that comes from a list begins with: the choice, its ids, its state, and where its story starts.

Makes Cadence and TopicSet rows as they are first chosen, and remembers across slices which ids go with which choice:
readers of a list resemble each other. Leaves no Subscription itself.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors, publications
from digest.audience import lists, models, preferences, rows, start

State = models.SubscriptionState


class Beginning(NamedTuple):
    """The columns of a Subscription that differ from reader to reader of a list."""

    cadence_id: int
    topic_set_id: int | None
    locale: str | None
    layout: str | None
    paused_until: datetime | None
    state: State
    covered_to: int = 0
    confirmed_at: datetime | None = None
    left_at: datetime | None = None
    notice_due: str | None = None


class Beginnings:
    """One for each import."""

    def __init__(self, order: lists.Order, sequence: start.Sequence) -> None:
        self.order, self._sequence = order, sequence
        self.spec = publications.load(order.publication.spec)
        self._choices: dict[tuple[preferences.Wish, preferences.Choice | None], preferences.Choice | str] = {}
        self.forget()

    def forget(self) -> None:
        """The ids of rows that may be gone."""
        self._ids: dict[preferences.Choice, dict[str, Any]] = {}
        self._cadences: dict[preferences.Choice, int] = {}
        self._topic_sets: dict[tuple[str, ...] | None, int | None] = {}
        self._starts: dict[tuple[str, ...] | None, int] = {}

    def choice(self, wish: preferences.Wish, current: preferences.Choice | None) -> preferences.Choice:
        """Readers of a list resemble each other, so each wish is judged once."""
        key = (wish, current)
        choice = self._choices.get(key)
        if choice is None:
            try:
                choice = preferences.fulfil(self.spec, wish, current)
            except errors.DigestError as error:
                choice = str(error)
            self._choices[key] = choice
        if isinstance(choice, str):
            raise rows.RowError(choice)
        return choice

    async def ids(self, connection: AsyncConnection, choice: preferences.Choice) -> dict[str, Any]:
        ids = self._ids.get(choice)
        if ids is None:
            publication_id, now = self.order.publication.id, self.order.now
            timing, topics = replace(choice, topics=None), choice.topics
            if timing not in self._cadences:
                self._cadences[timing] = await preferences.cadence_id(connection, publication_id, timing, now)
            if topics not in self._topic_sets:
                self._topic_sets[topics] = await preferences.topic_set_id(connection, publication_id, topics)
            ids = {"cadence_id": self._cadences[timing], "topic_set_id": self._topic_sets[topics]}
            self._ids[choice] = ids
        return ids

    async def _covered_to(self, connection: AsyncConnection, row: rows.Row, topics: tuple[str, ...] | None) -> int:
        if seen_until := row.seen_until or self.order.seen_until:
            return self._sequence.seen_to(seen_until)
        if topics not in self._starts:
            wanted = None if topics is None else frozenset(topics)
            self._starts[topics] = await start.covered_to(
                connection, self.order.publication.id, wanted, self.spec.first_articles
            )
        return self._starts[topics]

    async def beginning(self, connection: AsyncConnection, row: rows.Row, choice: preferences.Choice) -> Beginning:
        story = await self.active(connection, row, choice) if self.is_confirmed(row) else self._past(row)
        ids = self._ids.get(choice) or await self.ids(connection, choice)
        return Beginning(locale=row.locale, layout=row.layout, paused_until=self.pause(row), **ids, **story)

    def _past(self, row: rows.Row) -> dict[str, Any]:
        if row.state is rows.Told.UNSUBSCRIBED:
            left = {"confirmed_at": row.consented_at, "left_at": row.left_at or self.order.now}
            return {"state": State.UNSUBSCRIBED, **left}
        # Who left and was asked again has still left, unless they confirm.
        left_at = row.left_at if row.state is rows.Told.PENDING else None
        return {"state": State.PENDING, "left_at": left_at, "notice_due": "confirm" if self.order.ask else None}

    def pause(self, row: rows.Row) -> datetime | None:
        """Until when there is to be no digest; of a pause that is over nothing is left."""
        return row.paused_until if row.paused_until and row.paused_until > self.order.now else None

    def is_confirmed(self, row: rows.Row) -> bool:
        return self.order.confirmed and row.state is rows.Told.ACTIVE

    async def active(self, connection: AsyncConnection, row: rows.Row, choice: preferences.Choice) -> dict[str, Any]:
        # No welcome: these are readers already, and a mail to a whole list at once is nobody's wish.
        return {
            "state": State.ACTIVE,
            "covered_to": await self._covered_to(connection, row, choice.topics),
            "confirmed_at": row.consented_at or self.order.now,
            "notice_due": None,
        }
