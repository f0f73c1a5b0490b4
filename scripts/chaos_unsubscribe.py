"""Readers leave by one click, at random moments of a running Edition: does it take effect at once?

An Edition goes out while a thousand readers who have no mail yet post to their own unsubscribe page, each at a random
moment; half of them are just next in line. Triggers in the database note every hand-over and every leaving with its
place in the order of commits, which neither the process clock nor the SMTP server could tell. What must not be: a
hand-over committed after the leaving was, and so none after the answer, which comes later still.
"""

import asyncio
import dataclasses
import re
import time
from collections import defaultdict
from typing import Any

import chaos_run
import httpx
import sqlalchemy as sa
from chaos_house import KEY, House
from chaos_scenarios import Scenario

from digest import database, links
from digest.outbox import models as outbox
from tests.support.rudeness import Rudeness

TRIALS = 1000
# A reply takes so long that the Edition lasts while all of them leave, and mails are on every connection all the time.
SCENARIO = Scenario("unsubscribe", rude=Rudeness(delay=0.01))
# The last readers are left to the Edition, so that there is always somebody to choose.
UNTIL = 0.95
NEXT_IN_LINE = 64
# Content leaves at once after its hand-over; what comes later than this was not on its way any more.
CONTENT_SECONDS = 1.0
READY_SECONDS = 60
_SIGNER = links.Signer([KEY])
_SQLITE = (
    "CREATE TABLE chaos_order (moment INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT, subscription_id INTEGER)",
    "CREATE TRIGGER chaos_handed AFTER UPDATE OF state ON deliveries WHEN NEW.state = 'sending' BEGIN"
    " INSERT INTO chaos_order (what, subscription_id) VALUES ('handed', NEW.subscription_id); END",
    "CREATE TRIGGER chaos_left AFTER UPDATE OF state ON subscriptions WHEN NEW.state = 'unsubscribed' BEGIN"
    " INSERT INTO chaos_order (what, subscription_id) VALUES ('left', NEW.id); END",
)
_POSTGRES = (
    "CREATE TABLE chaos_order (what text, subscription_id bigint, xid xid8 DEFAULT pg_current_xact_id())",
    "CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF TG_TABLE_NAME = 'deliveries' THEN"
    " INSERT INTO chaos_order (what, subscription_id) VALUES ('handed', NEW.subscription_id);"
    " ELSE INSERT INTO chaos_order (what, subscription_id) VALUES ('left', NEW.id); END IF; RETURN NULL; END $$",
    "CREATE TRIGGER chaos_handed AFTER UPDATE OF state ON deliveries FOR EACH ROW"
    " WHEN (NEW.state = 'sending') EXECUTE FUNCTION chaos_note()",
    "CREATE TRIGGER chaos_left AFTER UPDATE OF state ON subscriptions FOR EACH ROW"
    " WHEN (NEW.state = 'unsubscribed') EXECUTE FUNCTION chaos_note()",
)
# On SQLite one writes at a time, so the order of rows is that of commits; PostgreSQL keeps the instant of each commit.
_ORDER = {True: "moment", False: "extract(epoch FROM pg_xact_commit_timestamp(xid::xid))"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """To one POST. The instants are taken before it was sent and after all of the answer was there."""

    address: str
    status: int
    asked_at: float
    at: float
    wall_at: float


@dataclasses.dataclass
class Leaving(chaos_run.Run):
    """A run in which nothing is hurt, but readers leave."""

    answers: list[Answer] = dataclasses.field(default_factory=list)

    async def play(self) -> dict[str, Any]:
        await _prepare(self.house)
        figures = await super().play()
        async with self.house.opened() as db:
            found = await self._judge(db)
        wrong = ("not_answered", "handed_over_after_leaving", "handed_over_after_answer", "content_after_leaving")
        figures["broken"] += [f"{found[name]} {name.replace('_', ' ')}" for name in wrong if found[name]]
        return {**found, **figures}

    async def _hurt(self) -> None:
        url = await self._url()
        moments = sorted(self.random.uniform(0, UNTIL) for _ in range(min(TRIALS, len(self.readers) // 4)))
        async with httpx.AsyncClient(base_url=url, timeout=30) as client, asyncio.TaskGroup() as group:
            for moment in moments:
                while 1 - self.left / len(self.readers) < moment:
                    await asyncio.sleep(chaos_run.LOOK_SECONDS)
                    self._look()
                address = self._pick()
                self.gone.add(address)
                group.create_task(self._leave(client, address))
                self._look()

    async def _url(self) -> str:
        async with asyncio.timeout(READY_SECONDS):
            while not (found := re.search(r"serving at (http://\S+);", self.nodes[0].said)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return found[1]

    def _pick(self) -> str:
        """Somebody without a mail yet: anybody, or one of those right behind the latest who got one."""
        taken = self.ledger.accepted | self.gone
        if self.ledger.copies and self.random.random() < 0.5:
            latest = _number(self.random.choice(self.ledger.copies[-32:]).recipient)
            near = {latest + step for step in range(1, NEXT_IN_LINE)}
            if found := sorted(one for one in self.readers - taken if _number(one) in near):
                return self.random.choice(found)
        return self.random.choice(sorted(self.readers - taken))

    async def _leave(self, client: httpx.AsyncClient, address: str) -> None:
        token = _SIGNER.mail_token(_number(address), 1, 1)
        asked_at = time.monotonic()
        response = await client.post(f"/unsubscribe/{token}", data={"List-Unsubscribe": "One-Click"})
        self.answers.append(Answer(address, response.status_code, asked_at, time.monotonic(), time.time()))

    async def _judge(self, db: database.Database) -> dict[str, Any]:
        order, clocks = await _order(db), await _clocks(db)
        contents = defaultdict(list)
        for copy in self.ledger.copies:
            contents[copy.recipient].append(copy.began)
        later: list[float] = []
        found: dict[str, int] = defaultdict(int)
        for answer in self.answers:
            id_ = _number(answer.address)
            left, handed = order["left", id_], order["handed", id_]
            late = [began - answer.at for began in contents[answer.address] if began > answer.at]
            later += late
            is_late = bool(left) and any(moment > left[0] for moment in handed)
            found["not_answered"] += answer.status != 200 or not left
            found["handed_over_before_leaving"] += bool(handed) and not is_late
            found["handed_over_after_leaving"] += is_late
            found["handed_over_after_answer"] += clocks.get(id_, 0.0) > answer.wall_at
            found["content_after_answer"] += bool(late)
            # The one that was on a connection is allowed, if it was handed over before and left at once.
            found["content_after_leaving"] += len(late) > 1 or any(one > CONTENT_SECONDS for one in late)
        waited = sorted(answer.at - answer.asked_at for answer in self.answers)
        return {
            "trials": len(self.answers),
            **found,
            "latest_content_after_answer_seconds": round(max(later, default=0.0), 3),
            "answered_after_seconds": {"median": round(waited[len(waited) // 2], 3), "longest": round(waited[-1], 3)},
        }


def _number(address: str) -> int:
    """The Subscription of one of our readers."""
    return int(address.partition("@")[0].removeprefix("reader"))


async def _prepare(house: House) -> None:
    async with house.opened() as db, db.transaction() as connection:
        for statement in _SQLITE if db.is_sqlite else _POSTGRES:
            await connection.exec_driver_sql(statement)


async def _order(db: database.Database) -> dict[tuple[str, int], list[float]]:
    """When each reader left and was handed a mail: instants, or places in the order of commits."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    async with db.reading() as connection:
        rows = await connection.execute(
            sa.text(f"SELECT what, subscription_id, {_ORDER[db.is_sqlite]} AS moment FROM chaos_order ORDER BY 3")
        )
        for what, id_, moment in rows:
            found[what, id_].append(float(moment))
    return found


async def _clocks(db: database.Database) -> dict[int, float]:
    """When each reader's mail was last handed over by the clock of the process, which it read before the commit."""
    delivery = outbox.Delivery
    last = sa.select(delivery.subscription_id, delivery.handed_over_at).where(delivery.handed_over_at.is_not(None))
    async with db.reading() as connection:
        return {id_: at.timestamp() for id_, at in await connection.execute(last) if at}
