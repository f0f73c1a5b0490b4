"""Relays in trouble, and several of them: rests, failover, weights, limits, and lines that are pinned to one."""

import asyncio

import pytest

from digest.outbox.replies import Stage
from digest.outbox.transports import pace
from tests.support import rawsmtp
from tests.support.lines import SENT, a_letter, a_line, lines, mailed, pool, relay_of, told, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("impatient")]


def by_relay(found) -> dict[str, int]:
    names = [line.relay for line in found]
    return {name: names.count(name) for name in sorted(set(names))}


async def test_a_relay_that_is_down_is_trouble_and_is_asked_less_and_less(monkeypatch):
    monkeypatch.setattr(pace, "LONGEST_REST", 30)
    refusals = ["554 5.3.2 not today" + rawsmtp.THEN_CLOSE] * 100
    async with rawsmtp.running(script={"greeting": refusals}) as server, pool(relay_of(server)) as transport:
        assert transport.trouble() is None
        while transport.trouble() is None:
            assert transport.take() is None
            await transport.changed()
        assert told(transport.trouble()) == (554, Stage.CONNECT, False)
        for _ in range(100):
            assert transport.take() is None
            await asyncio.sleep(0.01)
        assert 3 <= server.connections <= 10


async def test_a_relay_that_comes_back_is_found_without_being_asked_again():
    async with (
        rawsmtp.running(script={"greeting": ["421 4.3.2 restarting"] * 4}) as server,
        pool(relay_of(server)) as transport,
    ):
        assert transport.take() is None
        async with asyncio.timeout(5):
            while transport.trouble() is None:
                await transport.changed()
            while transport.trouble() is not None:
                await transport.changed()
        assert await mailed(transport.take(), a_letter()) == [SENT]


async def test_nobody_there_is_trouble_with_the_place_named():
    async with rawsmtp.running() as gone:
        pass
    async with pool(relay_of(gone)) as transport:
        while transport.trouble() is None:
            transport.take()
            await transport.changed()
        reply = transport.trouble()
        assert told(reply) == (0, Stage.CONNECT, True)
        assert str(gone.port) in reply.text


async def test_a_relay_that_turns_new_lines_away_at_their_first_mail_rests():
    async with (
        rawsmtp.running(script={"mail": ["421 4.7.0 try later"] * 2}) as server,
        pool(relay_of(server), connections=1) as transport,
    ):
        line = await a_line(transport)
        assert told(await line.announce(a_letter())) == (421, Stage.MAIL, True)
        transport.give_back(line)
        assert transport.trouble().code == 421
        assert transport.take() is None
        assert server.connections == 1
        assert told(await (await a_line(transport)).announce(a_letter())) == (421, Stage.MAIL, True)


async def test_too_many_connections_halve_the_lines_and_they_grow_again(monkeypatch):
    monkeypatch.setattr(pace, "GROW_SECONDS", 0.3)
    monkeypatch.setattr(pace, "BURST_SECONDS", 0.2)
    async with rawsmtp.running(most=6) as server, pool(relay_of(server), connections=12) as transport:
        (trunk,) = transport._trunks.values()
        found = []
        while trunk.pace.allowed == 12:
            found.append(await a_line(transport, urgent=True)) if len(found) < 6 else transport.take(urgent=True)
            await asyncio.sleep(0.01)
        assert trunk.pace.allowed == 3
        # Those at work beyond the limit are not wanted any more, and end when they come back.
        await until(lambda: sum(line.is_usable for line in found) == 3)
        for line in found:
            transport.give_back(line)
        await until(lambda: server.open <= trunk.pace.allowed)
        server.most = 100
        await until(lambda: trunk.pace.allowed >= 6)
        assert transport.trouble() is None


async def test_weights_share_the_lines():
    async with rawsmtp.running() as one, rawsmtp.running() as two:
        relays = relay_of(one, "one", weight=3), relay_of(two, "two")
        async with pool(*relays, connections=8) as transport:
            found = [*await lines(transport), *await lines(transport, urgent=True)]
            assert by_relay(found) == {"one": 6, "two": 2}
            assert transport.relays == ("one", "two")


async def test_each_relay_has_its_own_limit_and_others_get_what_is_left():
    async with (
        rawsmtp.running() as one,
        rawsmtp.running() as two,
        pool(relay_of(one, "one", connections=2), relay_of(two, "two"), connections=8) as transport,
    ):
        assert by_relay(await lines(transport, urgent=True)) == {"one": 2, "two": 6}
        assert (one.most_open, two.most_open) == (2, 6)


async def test_limits_of_relays_bound_the_lines_of_all():
    async with rawsmtp.running() as one, pool(relay_of(one, connections=3), connections=16) as transport:
        assert transport.connections == 3


async def test_a_relay_in_trouble_leaves_its_share_to_the_others_and_gets_it_back():
    async with (
        rawsmtp.running() as one,
        rawsmtp.running(script={"greeting": ["554 5.3.2 down"] * 1000}) as two,
        pool(relay_of(one, "one"), relay_of(two, "two"), connections=8) as transport,
    ):
        found = await lines(transport, urgent=True)
        assert by_relay(found) == {"one": 7}
        assert transport.trouble() is None
        assert transport.trouble("two").code == 554
        two.script.clear()
        await until(lambda: transport.trouble("two") is None)
        # Half of those at work are wanted back.
        await until(lambda: sum(line.is_usable for line in found) == 4)
        for line in found:
            transport.give_back(line)
        assert by_relay(await lines(transport, urgent=True)) == {"one": 4, "two": 4}


async def test_a_pinned_letter_gets_a_line_of_its_relay_or_none():
    async with (
        rawsmtp.running() as one,
        rawsmtp.running() as two,
        pool(relay_of(one, "one"), relay_of(two, "two"), connections=4) as transport,
    ):
        line = await a_line(transport, "two")
        assert line.relay == "two"
        assert (one.connections, two.connections) == (0, 2)
        assert transport.take("three") is None
        assert transport.trouble("three") is None
        assert "three" not in transport.relays
