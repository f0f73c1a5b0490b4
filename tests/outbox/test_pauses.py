"""When a destination turns us away: who is paused, how long, and who knocks first."""

from datetime import datetime, timedelta

import pytest

from digest import database
from digest.outbox import pauses
from digest.outbox.pauses import FIRST
from digest.outbox.replies import Reply, Stage
from digest.outbox.windows import Signal

pytestmark = pytest.mark.anyio

GMAIL, OTHER = ("main", "gmail"), ("main", "news.example")
ACCEPTED = Reply(250, "ok", Stage.CONTENT)
BUSY = Reply(421, "4.7.0 too many connections, try again later", Stage.RCPT)
UNUSUAL = Reply(421, "4.7.28 Gmail has detected an unusual rate of mail from reader@example.org", Stage.CONTENT)


@pytest.mark.parametrize(
    ("reply", "signal", "is_strike"),
    [
        (ACCEPTED, Signal.ACCEPTED, False),
        (BUSY, Signal.SINGLE, True),
        (UNUSUAL, Signal.SINGLE, True),
        (Reply(450, "4.7.28 unusual rate", Stage.RCPT), Signal.SINGLE, True),
        (Reply(451, "4.7.1 greylisted, come back later", Stage.RCPT), Signal.SLOWER, False),
        (Reply(421, "4.7.0 [TSS04] temporarily deferred due to unexpected volume", Stage.CONTENT), Signal.SINGLE, True),
        (Reply(452, "4.7.650 rate limited", Stage.RCPT), Signal.SLOWER, True),
        (Reply(550, "5.7.606 banned sending IP", Stage.RCPT), Signal.SLOWER, True),
        (Reply(550, "5.7.515 does not meet the required authentication level", Stage.CONTENT), Signal.NEUTRAL, True),
        (Reply(451, "4.3.0 local error", Stage.RCPT), Signal.SLOWER, False),
        (Reply(550, "5.1.1 no such user", Stage.RCPT), Signal.NEUTRAL, False),
        (Reply(452, "4.2.2 mailbox full", Stage.RCPT), Signal.NEUTRAL, False),
        (Reply(421, "4.2.2 mailbox full", Stage.RCPT), Signal.NEUTRAL, False),
        (Reply(554, "5.6.0 content rejected", Stage.CONTENT), Signal.NEUTRAL, False),
        # What a relay says before it knows where the mail is going is about us and it.
        (Reply(421, "4.7.0 too many messages on this connection", Stage.MAIL), Signal.NEUTRAL, False),
        (Reply(0, "connection lost", Stage.CONTENT, lost=True), Signal.NEUTRAL, False),
    ],
)
def test_replies_are_read_as_what_they_say_of_the_way(reply: Reply, signal: Signal, is_strike: bool) -> None:
    verdict = pauses.read(reply)
    assert (verdict.signal, verdict.is_strike) == (signal, is_strike)


@pytest.mark.parametrize(
    ("level", "chance", "length"),
    [
        (0, 0.0, timedelta(minutes=10)),
        (0, 1.0, timedelta(minutes=12.5)),
        (3, 0.0, timedelta(minutes=80)),
        (9, 0.0, timedelta(hours=4)),
        (10**6, 1.0, timedelta(hours=5)),
    ],
)
def test_pauses_grow_up_to_a_limit(level: int, chance: float, length: timedelta) -> None:
    assert pauses._length(level, chance) == length


class Node:
    """One process, and its database."""

    def __init__(self, db: database.Database) -> None:
        self.db, self.pauses = db, pauses.Pauses(lambda: 0.0)

    def hears(self, reply: Reply, times: int = 1, key: pauses.Key = GMAIL) -> None:
        for _ in range(times):
            self.pauses.hear(key, reply, pauses.read(reply))

    async def settles(self, now: datetime) -> set[pauses.Key]:
        async with self.db.transaction() as connection:
            return await self.pauses.settle(connection, now)

    async def looks(self, now: datetime) -> set[pauses.Key]:
        async with self.db.reading() as connection:
            return await self.pauses.refresh(connection, now)

    def until(self, now: datetime, key: pauses.Key = GMAIL) -> datetime | None:
        return self.pauses.until(key, now)


@pytest.fixture
def nodes(db: database.Database) -> tuple[Node, Node]:
    return Node(db), Node(db)


async def test_many_refusals_in_a_row_pause_a_destination_for_everybody(
    nodes: tuple[Node, Node], now: datetime
) -> None:
    one, two = nodes
    one.hears(BUSY, 4)
    await one.settles(now)
    assert one.until(now) is None
    one.hears(BUSY)
    await one.settles(now)
    await two.looks(now)
    assert one.until(now) == two.until(now) == now + FIRST
    assert one.until(now, OTHER) is None


async def test_an_acceptance_between_them_makes_refusals_harmless(nodes: tuple[Node, Node], now: datetime) -> None:
    one, _ = nodes
    for _ in range(5):
        one.hears(BUSY, 4)
        one.hears(ACCEPTED)
        await one.settles(now)
    assert one.until(now) is None


async def test_gmails_unusual_rate_pauses_at_once_and_names_no_address(
    nodes: tuple[Node, Node], db: database.Database, now: datetime
) -> None:
    one, _ = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    async with db.reading() as connection:
        [row] = await pauses.listing(connection)
    assert (row.until, row.level) == (now + FIRST, 0)
    assert row.reason == "421 4.7.28 Gmail has detected an unusual rate of mail from <…>"


async def test_what_was_under_way_when_the_pause_began_does_not_lengthen_it(
    nodes: tuple[Node, Node], now: datetime
) -> None:
    one, two = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    later = now + timedelta(seconds=30)
    one.hears(BUSY, 20)
    two.hears(BUSY, 20)
    await one.settles(later)
    await two.settles(later)
    assert one.until(later) == two.until(later) == now + FIRST


async def test_one_process_knocks_first_and_the_others_wait_for_it(nodes: tuple[Node, Node], now: datetime) -> None:
    one, two = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    later = now + FIRST
    await two.looks(later)
    assert (one.until(later), two.until(later)) == (later, later)
    assert await two.settles(later) == {GMAIL}
    assert await one.settles(later) == set()
    assert two.until(later) is None
    assert one.until(later) == later + pauses.KNOCK
    await one.looks(later)
    assert one.until(later) == later + pauses.KNOCK


async def test_a_knock_that_was_refused_pauses_for_twice_as_long(nodes: tuple[Node, Node], now: datetime) -> None:
    one, _ = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    for length in (20, 40):
        now = one.until(now) or now
        one.until(now)
        assert await one.settles(now) == {GMAIL}
        one.hears(BUSY)
        await one.settles(now)
        assert one.until(now) == now + timedelta(minutes=length)


async def test_a_knock_that_was_answered_ends_the_pause_for_all(nodes: tuple[Node, Node], now: datetime) -> None:
    one, two = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    await two.looks(now)
    later = now + FIRST
    one.until(later)
    await one.settles(later)
    one.hears(Reply(550, "5.1.1 no such user", Stage.RCPT))
    one.hears(ACCEPTED)
    await one.settles(later)
    assert await two.looks(later) == {GMAIL}
    assert (one.until(later), two.until(later)) == (None, None)


async def test_who_knocks_and_is_not_heard_of_again_is_replaced(nodes: tuple[Node, Node], now: datetime) -> None:
    one, two = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    later = now + FIRST
    one.until(later)
    await one.settles(later)
    later += pauses.TRY
    await two.looks(later)
    two.until(later)
    assert await two.settles(later) == {GMAIL}
    assert await one.settles(later) == set()
    assert one.until(later) is not None


async def test_the_operator_may_lift_a_pause(nodes: tuple[Node, Node], db: database.Database, now: datetime) -> None:
    one, _ = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    async with db.transaction() as connection:
        assert await pauses.lift(connection, "gmail", now) == 0
        with pytest.raises(pauses.PauseError, match="'gmail' is not paused"):
            await pauses.lift(connection, "gmail", now)
    assert await one.looks(now) == {GMAIL}
    assert one.until(now) is None


async def test_pauses_nobody_has_mail_for_are_forgotten(
    nodes: tuple[Node, Node], db: database.Database, now: datetime
) -> None:
    one, _ = nodes
    one.hears(UNUSUAL)
    await one.settles(now)
    for days, count in ((1, 1), (2, 0)):
        async with db.transaction() as connection:
            await pauses.prune(connection, now + timedelta(days=days))
            assert len(await pauses.listing(connection)) == count
