"""Whatever a server does, what a line tells of each letter agrees with what the server took."""

import asyncio
import random
from collections import Counter

import pytest

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import pace
from digest.outbox.transports.relay import Timeouts
from digest.outbox.transports.transport import Letter, Line, Transport
from tests.support import rawsmtp
from tests.support.lines import a_letter, pool, relay_of
from tests.support.rawsmtp import CLOSE, KEEP_AND_CLOSE, RESET, STALL, THEN_CLOSE, THEN_RESET, RawServer

LETTERS, LINES = 150, 4
RUDE = (
    "450 4.7.1 later",
    "550-5.1.1 no\r\n550 5.1.1 such user",
    "421 4.3.2 closing",
    "421 4.3.2 closing" + THEN_CLOSE,
    CLOSE,
    RESET,
    "what is this",
    "\x00\xff",
)
FRIENDLY = {
    "mail": ("250 ok", "250-2.1.0 o\r\n250 2.1.0 k"),
    "rcpt": ("250 ok", "251 will forward"),
    "data": ("354 go", "354-go\r\n354 on"),
    "content": ("250 2.0.0 taken", "250-taken\r\n250 indeed", "250 bye" + THEN_CLOSE, "250 bye" + THEN_RESET),
}
WANTON = {"mail": ("354 go",), "rcpt": (STALL,), "data": ("250 ok",), "content": (KEEP_AND_CLOSE, STALL)}


class Moody(RawServer):
    """One reply in six is rude."""

    chance = random.Random()

    def next_reply(self, step: str) -> str:
        if step not in FRIENDLY:
            return super().next_reply(step)
        if self.chance.random() < 1 / 6:
            return self.chance.choice((*RUDE, *WANTON[step]))
        return self.chance.choice(FRIENDLY[step])


async def deliver(transport: Transport, letters: list[Letter]) -> dict[int, Reply]:
    """The last word on each letter. As the Batch does: what was lost before its content is announced again."""
    todo, last_words = list(reversed(letters)), {}

    def settle(letter: Letter, reply: Reply) -> None:
        if reply.lost and reply.stage is not Stage.CONTENT:
            todo.append(letter)
        else:
            last_words[letter.delivery_id] = reply

    async def work() -> None:
        while len(last_words) < len(letters):
            if not todo or (line := transport.take(urgent=True)) is None:
                await asyncio.sleep(0.005)
                continue
            await use(line)
            transport.give_back(line)

    async def use(line: Line) -> None:
        letter = todo.pop() if todo else None
        announced = line.announce(letter) if letter else None
        while letter and announced:
            reply = await announced
            if reply.code != 354:
                settle(letter, reply)
                return
            following = todo.pop() if todo and random.random() < 0.8 else None
            poured, announced = line.pour(following)
            settle(letter, await poured)
            letter = following

    await asyncio.gather(*(work() for _ in range(LINES)))
    return last_words


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "stepwise"])
@pytest.mark.parametrize("seed", range(3))
def test_every_word_about_a_letter_is_true(run, monkeypatch, extensions, seed):
    monkeypatch.setattr(pace, "LONGEST_REST", 0.01)
    monkeypatch.setattr(rawsmtp, "RawServer", Moody)
    Moody.chance = random.Random(seed)

    async def talk():
        settings = {"extensions": extensions, "pieces": (0, 0, 5)[seed], "gathers": seed == 1}
        async with rawsmtp.running(**settings) as server:
            timeouts = Timeouts(connect=5, command=0.15, content=0.15)
            async with pool(relay_of(server), connections=LINES, timeouts=timeouts) as transport:
                return server, await deliver(transport, [a_letter(number) for number in range(LETTERS)])

    server, last_words = run(talk())
    assert server.chance is Moody.chance
    taken = Counter(recipient for recipient in server.recipients())
    for number in range(LETTERS):
        reply, times = last_words[number], taken[f"reader{number}@example.com"]
        if reply.lost:
            assert reply.stage is Stage.CONTENT
            assert times <= 1
        else:
            assert times == (reply.code // 100 == 2), reply
    outcomes = Counter(reply.code // 100 for reply in last_words.values())
    assert min(outcomes[code] for code in (0, 2, 4, 5)) > 0
