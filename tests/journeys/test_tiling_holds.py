"""Whatever happens, the digests of a reader tile the sequence of Articles: none lost, none twice, none unwanted.

A state machine publishes, edits, subscribes, changes minds, pauses, stops the clock's owner from running, breaks the
relay, and lets time pass, in any order; welcomes may tell the newest Articles. The oracle knows only what was done and
what mail arrived; it judges a match by the Topics held at hand-over, and asks of the database only which slot a mail's
link belongs to, and which welcome was refused in the end.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings, stateful, strategies as st

from digest import addresses, links
from digest.articles import models as articles
from digest.audience import models as audience, preferences, signup, trail
from digest.editions import held, models as editions, slots
from digest.outbox import cancelled, models as outbox, prune, untold
from digest.publications import Publication
from tests.support import smtpserver, world as worlds
from tests.support.world import Mail

START = datetime(2026, 3, 20, 6, 0, tzinfo=UTC)  # both northern and southern clocks change within the next weeks
TOPICS = ("heart", "lungs", "sleep")
FREQUENCIES = ("instant", "daily", "weekdays", "weekly", "fortnightly", "monthly")
ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "America/Sao_Paulo")
TIMES = ("00:00", "02:30", "08:00", "23:45")
FIRST = 2
READERS = ("anna@example.org", "ben@example.org")
# Daily more often than the others: most of what can go wrong goes wrong between two digests of the same day.
often_daily = st.one_of(st.just("daily"), st.sampled_from(FREQUENCIES))

topic_choices = st.one_of(st.just(()), st.sets(st.sampled_from(TOPICS), min_size=1).map(lambda s: tuple(sorted(s))))
readers = st.sampled_from(READERS)


@dataclasses.dataclass
class Known:
    """What the oracle knows of one reader's present spell as a subscriber."""

    topics: frozenset[str] | None
    since: int  # the number of Articles released when it began
    may_have: set[str]  # Articles from before that its first digests may bring
    must_have: set[str] = dataclasses.field(default_factory=set)
    frequency: str = "daily"
    is_active: bool = True
    paused_until: datetime | None = None
    welcomed: list[frozenset[str] | None] = dataclasses.field(default_factory=list)  # the Topics held since it began

    def matches(self, topics: frozenset[str]) -> bool:
        return _match(self.topics, topics)


def _match(held: frozenset[str] | None, topics: frozenset[str]) -> bool:
    return held is None or not held.isdisjoint(topics)


class Tiling(stateful.RuleBasedStateMachine):
    """One life of a Publication."""

    make_url: Callable[[Path], contextlib.AbstractContextManager[str]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = contextlib.ExitStack()
        self.async_stack = contextlib.AsyncExitStack()
        home = Path(tempfile.mkdtemp(prefix="digest-tiling-"))
        self.stack.callback(shutil.rmtree, home, ignore_errors=True)
        url = self.stack.enter_context(type(self).make_url(home))
        self.released: list[str] = []
        self.topics_of: dict[str, frozenset[str]] = {}
        self.ids: dict[str, int] = {}
        self.known: dict[str, Known] = {}
        self.got: dict[str, dict[str, str]] = {reader: {} for reader in READERS}
        self.dates: dict[str, dict[str, str]] = {reader: {} for reader in READERS}
        self.instants: dict[str, list[tuple[datetime, str]]] = {reader: [] for reader in READERS}
        self.answered: set[str] = set()
        self.paused: set[int] = set()  # Editions
        self.cancelled: set[int] = set()
        self.judged = 0
        self.numbers = itertools.count(1)
        self.url, self.home = url, home

    @stateful.initialize(
        min_items=st.integers(1, 3), max_items=st.integers(1, 4), welcome=st.sampled_from((False, "stories"))
    )
    def begin(self, min_items: int, max_items: int, welcome: bool | str) -> None:
        spec = {
            "frequencies": [{"frequency": frequency} for frequency in FREQUENCIES],
            "first_articles": FIRST,
            "min_items": min_items,
            "max_items": max_items,
            "max_links": 200,
            "max_wait_days": 3,
            "welcome": welcome,
        }
        opened = worlds.a_world(self.url, self.home, START, **spec)
        self.world = self.do(self.async_stack.enter_async_context(opened))
        # Everybody is there from the start; who leaves may come back.
        for reader, frequency in zip(READERS, FREQUENCIES, strict=False):
            self.subscribe(reader, frequency, (), ZONES[0])

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    # What a publisher does

    @stateful.rule(topics=st.sets(st.sampled_from(TOPICS)), hours=st.integers(-48, 48))
    def publish(self, topics: set[str], hours: int) -> None:
        self.do(self._publish(topics, hours))

    @stateful.rule(many=st.lists(st.sets(st.sampled_from(TOPICS)), min_size=2, max_size=5))
    def publish_from_several_nodes_at_once(self, many: list[set[str]]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self._publish(topics, 0) for topics in many))
            await asyncio.gather(*(self.world.release() for _ in many))

        self.do(all_at_once())
        self._note_released()

    async def _publish(self, topics: set[str], hours: int) -> None:
        name = f"a{next(self.numbers)}"
        self.topics_of[name] = frozenset(topics)
        self.ids[name] = await self.world.publish(name, *topics, at=self.world.now + timedelta(hours=hours))

    @stateful.precondition(lambda self: self.released)
    @stateful.rule(data=st.data(), hours=st.integers(-72, 72))
    def edit_and_redate(self, data: st.DataObject, hours: int) -> None:
        name = data.draw(st.sampled_from(self.released))
        row = articles.Article
        values = {"version": row.version + 1, "title": f"Title of {name}, corrected"}
        moved = {"published_at": self.world.now + timedelta(hours=hours)}

        async def edit() -> None:
            async with self.world.parts.db.transaction() as connection:
                await connection.execute(sa.update(row).where(row.id == self.ids[name]).values(**values, **moved))
                await connection.execute(sa.update(Publication).values(revision=Publication.revision + 1))

        self.do(edit())

    # What readers do

    @stateful.rule(reader=readers, frequency=often_daily, topics=topic_choices, zone=st.sampled_from(ZONES))
    def subscribe(self, reader: str, frequency: str, topics: tuple[str, ...], zone: str) -> None:
        known = self.known.get(reader)
        if known and known.is_active:
            return
        self._note_released()
        wish = preferences.Wish(frequency, None, "08:00", zone, topics)
        self.do(self._sign_up(reader, wish))
        held = frozenset(topics) or None
        matching = [name for name in self.released if held is None or not held.isdisjoint(self.topics_of[name])]
        # From the n-th newest that matches on. Others from there on may come too if the reader widens their Topics.
        start = self.released.index(matching[-FIRST]) if len(matching) >= FIRST else 0
        must = set() if known is None else known.must_have & set(self.got[reader])
        known = Known(held, len(self.released), set(self.released[start:]), must, frequency, welcomed=[held])
        self.known[reader] = known

    async def _sign_up(self, reader: str, wish: preferences.Wish) -> None:
        """Ask and confirm, as the pages do. Also how somebody comes back."""
        parts, world = self.world.parts, self.world
        spec = worlds.publications.load(world.publication.spec)
        request = signup.Request(world.publication.id, addresses.parse(reader), preferences.fulfil(spec, wish))
        async with parts.db.transaction() as connection:
            id_ = await signup.ask(connection, parts.hasher, request, door=trail.Door.PAGE, now=world.now)
            generation = await connection.scalar(
                sa.select(audience.Subscription.generation).where(audience.Subscription.id == id_)
            )
        token = links.ConfirmToken(id_, generation or 0, world.now)
        async with parts.db.transaction() as connection:
            answer = await signup.confirm(connection, parts.hasher, token, now=world.now)
        assert answer is signup.Confirming.CONFIRMED

    @stateful.rule(reader=readers, topics=topic_choices)
    def choose_topics(self, reader: str, topics: tuple[str, ...]) -> None:
        if known := self._active(reader):
            self.do(self.world.change(reader, topics=topics))
            known.topics = frozenset(topics) or None
            known.welcomed.append(known.topics)
            # What waits and does not match any more may be settled before the reader changes their mind again.
            known.must_have = {n for n in known.must_have if n in self.got[reader] or known.matches(self.topics_of[n])}

    @stateful.rule(reader=readers, frequency=often_daily)
    def choose_frequency(self, reader: str, frequency: str) -> None:
        if known := self._active(reader):
            self.do(self.world.change(reader, frequency=frequency))
            known.frequency = frequency

    @stateful.rule(reader=readers, zone=st.sampled_from(ZONES), send_at=st.sampled_from(TIMES), day=st.integers(0, 6))
    def choose_time_and_zone(self, reader: str, zone: str, send_at: str, day: int) -> None:
        if (known := self._active(reader)) and known.frequency != "instant":
            self.do(self.world.change(reader, timezone=zone, send_at=send_at, weekday=day))

    @stateful.rule(reader=readers, hours=st.integers(1, 6))
    def ask_for_a_later_time_today(self, reader: str, hours: int) -> None:
        """Perhaps just after the digest of the day: there must not be another one for the same date."""
        known = self._active(reader)
        if known and known.frequency != "instant":
            later = self.world.now + timedelta(hours=hours)
            self.do(self.world.change(reader, frequency="daily", timezone="UTC", send_at=f"{later:%H:%M}"))
            known.frequency = "daily"
            self.do(self._publish(set(TOPICS), 0))
            for _ in range(hours + 1):
                self._run(timedelta(hours=1))

    @stateful.rule(reader=readers, days=st.integers(0, 10))
    def pause(self, reader: str, days: int) -> None:
        """Zero days is to resume."""
        if known := self._active(reader):
            until = self.world.now + timedelta(days=days) if days else None
            self.do(self._pause(reader, until))
            known.paused_until = until

    async def _pause(self, reader: str, until: datetime | None) -> None:
        row = await self.world.subscription(reader)
        async with self.world.parts.db.transaction() as connection:
            if until is None:
                await preferences.resume(connection, row, door=trail.Door.PAGE, now=self.world.now)
            else:
                await preferences.pause(connection, row, until, door=trail.Door.PAGE, now=self.world.now)

    @stateful.rule(reader=readers)
    def leave(self, reader: str) -> None:
        if known := self._active(reader):
            self.do(self.world.leave(reader))
            known.is_active = False

    def _active(self, reader: str) -> Known | None:
        known = self.known.get(reader)
        return known if known and known.is_active else None

    # What the operator does

    @stateful.rule(data=st.data(), after=st.integers(0, 30))
    def pause_an_edition(self, data: st.DataObject, after: int) -> None:
        """Also while it is being sent: some mails of it have left, others wait for a retry."""
        self._tell(held.pause, data, self.paused, after)

    @stateful.rule(data=st.data(), after=st.integers(0, 30))
    def cancel_a_running_edition(self, data: st.DataObject, after: int) -> None:
        edition = self._tell(held.cancel, data, self.cancelled, after)
        if edition:
            self.paused.discard(edition)
            self.do(cancelled.roll(self.world.parts.db, edition, self.world.now))

    def _tell(self, verb: Any, data: st.DataObject, told: set[int], after: int) -> int:
        """Queue what is due, so that there is something to decide about, and tell one Edition that is under way."""
        self.do(self.world.queue(after=timedelta(minutes=after)))
        self._note_released()
        under_way = [id_ for id_ in self.do(self._under_way()) if id_ not in told]
        if not under_way:
            return 0
        edition: int = data.draw(st.sampled_from(under_way))
        self.do(self._act(verb, edition))
        told.add(edition)
        return edition

    async def _under_way(self) -> list[int]:
        row = editions.Edition
        async with self.world.parts.db.reading() as connection:
            return list(await connection.scalars(sa.select(row.id).where(row.state.in_(held.RUNNING))))

    async def _act(self, verb: Any, edition: int) -> None:
        async with self.world.parts.db.transaction() as connection:
            await verb(connection, edition, self.world.now)

    @stateful.precondition(lambda self: self.paused)
    @stateful.rule(data=st.data())
    def resume_an_edition(self, data: st.DataObject) -> None:
        edition = data.draw(st.sampled_from(sorted(self.paused)))
        self.paused.remove(edition)
        if edition in self.do(self._under_way()):
            self.do(self._act(held.resume, edition))

    @stateful.rule(days=st.integers(0, 3))
    def forget_what_is_over(self, days: int) -> None:
        """Much sooner than anybody would."""
        self.do(prune.run(self.world.parts.db, timedelta(days=days), self.world.now))

    # What the world does

    @stateful.rule(
        reader=readers,
        stage=st.sampled_from(("mail", "rcpt", "content")),
        reply=st.sampled_from(
            ("451 4.3.0 try later", "452 4.2.2 full", "554 5.6.0 we do not like it", smtpserver.DROP,
             smtpserver.DROP_AFTER_KEEPING)
        ),
        times=st.integers(1, 3),
    )  # fmt: skip
    def the_relay_misbehaves(self, reader: str, stage: str, reply: str, times: int) -> None:
        if reply == smtpserver.DROP_AFTER_KEEPING and stage != "content":
            return
        self.world.server.answer(stage, reply, address="" if stage == "mail" else reader, times=times)

    @stateful.rule(moments=st.lists(st.sets(st.sampled_from(TOPICS)), max_size=6), looks=st.integers(1, 8))
    def hours_pass(self, moments: list[set[str]], looks: int) -> None:
        """A look every three hours; before some of them an Article came out."""
        for number in range(looks):
            if number < len(moments):
                self.do(self._publish(moments[number], 0))
            self._run(timedelta(hours=3))

    @stateful.rule(days=st.integers(2, 5), step=st.sampled_from((5, 12)))
    def days_pass(self, days: int, step: int) -> None:
        for _ in range(0, 24 * days, step):
            self._run(timedelta(hours=step))

    @stateful.rule(minutes=st.integers(1, 50))
    def a_little_time_passes(self, minutes: int) -> None:
        self._run(timedelta(minutes=minutes))

    @stateful.rule(hours=st.integers(1, 400))
    def nobody_runs_it(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)
        for known in self.known.values():
            if known.paused_until and known.paused_until <= self.world.now:
                known.paused_until = None

    def _run(self, after: timedelta) -> None:
        self.do(self.world.run(after=after, may_lose_relay=True))
        self._note_released()
        self._judge_new_mails()

    # What the oracle makes of it

    def _note_released(self) -> None:
        """Articles with a position, in order; who is a reader now must get those that match."""

        async def look() -> list[str]:
            row = articles.Article
            statement = sa.select(row.guid).where(row.position.is_not(None)).order_by(row.position)
            async with self.world.parts.db.reading() as connection:
                return [str(name) for name in (await connection.execute(statement)).scalars()]

        now_released = self.do(look())
        assert now_released[: len(self.released)] == self.released, "a position was changed"
        new = now_released[len(self.released) :]
        for known in self.known.values():
            if known.is_active:
                known.must_have.update(name for name in new if known.matches(self.topics_of[name]))
        self.released = now_released

    def _judge_new_mails(self) -> None:
        for mail in self.world.mails[self.judged :]:
            if mail.is_digest:
                self._judge(mail)
            elif mail.articles:
                self._judge_welcome(mail)
        self.judged = len(self.world.mails)
        for reader, names in self.do(self._refused_behind_a_digest()):
            self.known[reader].must_have -= names

    def _judge(self, mail: Mail) -> None:
        known, identity = self.known[mail.to], _message_id(mail)
        assert not known.paused_until or known.paused_until <= mail.at, f"{mail.to} had paused"
        assert mail.articles, "a digest without an Article"
        is_repeated = identity in self.got[mail.to].values()
        self._judge_articles(mail, identity, [known.topics])
        self._judge_pace(mail, identity, is_repeated=is_repeated)

    def _judge_welcome(self, mail: Mail) -> None:
        """It tells what was chosen when it was queued, a moment after the reader confirmed."""
        self._judge_articles(mail, _message_id(mail), self.known[mail.to].welcomed)

    def _judge_articles(self, mail: Mail, identity: str, held: list[frozenset[str] | None]) -> None:
        known = self.known[mail.to]
        assert known.is_active, f"{mail.to} had left and still got {mail.subject}"
        for name in mail.articles:
            earlier = self.got[mail.to].get(name)
            if earlier == identity:
                continue  # a doubtful mail sent again as it was
            # Only doubt can repeat an Article: we were never told that any copy of the earlier mail was taken.
            assert earlier not in self.answered, f"{name} came twice to {mail.to}"
            self.got[mail.to][name] = identity
            assert any(_match(topics, self.topics_of[name]) for topics in held), f"{name} is not of {mail.to}'s topics"
            is_new = self.released.index(name) >= known.since
            assert is_new or name in known.may_have, f"{name} is from before"
        if mail.is_answered:
            self.answered.add(identity)

    async def _refused_behind_a_digest(self) -> list[tuple[str, set[str]]]:
        """What is lost by design: a welcome that was refused in the end, after a digest had gone on from its range."""
        delivery, subscription, person = outbox.Delivery, audience.Subscription, audience.Subscriber
        statement = (
            sa.select(person.email, delivery.covered_from, delivery.upto)
            .join(subscription, subscription.id == delivery.subscription_id)
            .join(person, person.id == subscription.subscriber_id)
            .where(delivery.kind == "welcome", delivery.state.in_(untold.ENDED), delivery.upto.is_not(None))
        )
        async with self.world.parts.db.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [(row.email, set(self.released[row.covered_from : row.upto])) for row in rows]

    def _judge_pace(self, mail: Mail, identity: str, *, is_repeated: bool) -> None:
        slot, frequency, edition = self.do(self._slot(mail))
        assert edition not in self.paused, "its Edition is paused"
        # What was handed over before ends as it ends, also if that takes another copy.
        assert is_repeated or edition not in self.cancelled, "its Edition was cancelled"
        if slots.local_date(slot):
            first = self.dates[mail.to].setdefault(slot, identity)
            assert first == identity, f"two digests for {slot} to {mail.to}"
        elif frequency == "instant":
            for at, other in self.instants[mail.to]:
                assert other == identity or mail.at - at >= timedelta(minutes=30), f"too soon after {at}"
            self.instants[mail.to].append((mail.at, identity))

    async def _slot(self, mail: Mail) -> tuple[str, str, int]:
        token = self.world.parts.signer.read_mail_token(mail.token)
        assert token is not None
        statement = (
            sa.select(editions.Edition.slot, audience.Cadence.frequency, editions.Edition.id)
            .join(outbox.Delivery, outbox.Delivery.edition_id == editions.Edition.id)
            .join(audience.Cadence, audience.Cadence.id == editions.Edition.cadence_id)
            .where(outbox.Delivery.id == token.delivery_id)
        )
        async with self.world.parts.db.reading() as connection:
            slot, frequency, edition = (await connection.execute(statement)).one()
        return slot, frequency, edition

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self._settle()
        finally:
            self.do(self.async_stack.aclose())
            self.stack.close()
            self.loop.close()

    def _settle(self) -> None:
        """Mend the relay, let every pause and month end, publish something for everybody: nothing may be missing."""
        self.world.server.behave()
        for edition in self.paused & set(self.do(self._under_way())):
            self.do(self._act(held.resume, edition))
        self.paused.clear()
        for known in self.known.values():
            known.paused_until = (
                None if known.paused_until and known.paused_until < self.world.now else known.paused_until
            )
        for _ in range(14):
            self._run(timedelta(days=3))
            for known in self.known.values():
                if known.paused_until and known.paused_until <= self.world.now:
                    known.paused_until = None
        for _ in range(4):
            self.do(self._publish(set(TOPICS), 0))
            self._run(timedelta(hours=1))
        for _ in range(20):
            self._run(timedelta(days=2))
        for reader, known in self.known.items():
            missing = known.must_have - set(self.got[reader]) if known.is_active else set()
            assert not missing, f"{reader} never got {sorted(missing)}"


def _message_id(mail: Mail) -> str:
    found = re.search(rb"^Message-ID:\s*(\S+)", mail.content, re.M)
    assert found
    return found[1].decode()


EXAMPLES = int(os.environ.get("DIGEST_TEST_EXAMPLES", "0"))


def _settings(examples: int) -> settings:
    # Without a wish for more the same examples run each time: chance finds bugs, but must not stop a release.
    return settings(
        max_examples=EXAMPLES or examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=not EXAMPLES,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        print_blob=True,
    )


@pytest.fixture
def make_url(request: pytest.FixtureRequest, db_url: str) -> Callable[[Path], contextlib.AbstractContextManager[str]]:
    """Fresh databases, as many as hypothesis asks for."""
    if db_url.startswith("sqlite"):
        template: Path = request.getfixturevalue("sqlite_template")
        return lambda home: _sqlite(template, home)
    made = request.getfixturevalue("postgres_clones")
    return lambda _home: made.one()


@contextlib.contextmanager
def _sqlite(template: Path, home: Path) -> Any:
    shutil.copyfile(template, home / "tiling.db")
    yield f"sqlite:///{home / 'tiling.db'}"


def test_nothing_is_lost_repeated_or_unwanted(
    make_url: Callable[[Path], contextlib.AbstractContextManager[str]], db_url: str
) -> None:
    machine = type("TilingOnThisDatabase", (Tiling,), {"make_url": staticmethod(make_url)})
    examples = 20 if db_url.startswith("sqlite") else 8
    stateful.run_state_machine_as_test(machine, settings=_settings(examples))  # type: ignore[arg-type]
