"""The pool of lines: opened slowly, shared between relays, kept for the urgent, closed when nobody needs them."""

import asyncio

import pytest

from digest.outbox.replies import Stage
from digest.outbox.transports import smtp, trunk
from digest.outbox.transports.relay import Relay, Tls
from digest.outbox.transports.smtp import SmtpTransport
from tests.support import rawsmtp
from tests.support.lines import SENT, WATCHFUL, a_letter, a_line, lines, mailed, pool, relay_of, told, until
from tests.support.rawsmtp import STALL

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("impatient")]


async def test_nothing_is_opened_before_somebody_asks():
    async with rawsmtp.running() as server, pool(relay_of(server)):
        await asyncio.sleep(0.1)
        assert server.connections == 0


async def test_lines_are_opened_two_at_a_time_at_first():
    async with rawsmtp.running(script={"greeting": [STALL] * 20}) as server, pool(relay_of(server)) as transport:
        for _ in range(20):
            assert transport.take() is None
        await until(lambda: server.connections)
        await asyncio.sleep(0.1)
        assert server.connections == 2


async def test_all_lines_come_up_but_no_more_and_some_are_kept_for_the_urgent():
    async with rawsmtp.running() as server, pool(relay_of(server), connections=16) as transport:
        found = await lines(transport)
        assert (len(found), transport.take()) == (14, None)
        urgent = await lines(transport, urgent=True)
        assert (len(urgent), transport.take(urgent=True)) == (2, None)
        assert server.most_open == 16
        transport.give_back(urgent[0])
        assert transport.take() is None
        for line in (*found, urgent[1]):
            transport.give_back(line)
        assert len(await lines(transport)) == 14
        assert server.connections == 16


@pytest.mark.parametrize(("connections", "everybody"), [(1, 1), (2, 1), (3, 2), (8, 7), (15, 14), (16, 14), (32, 28)])
async def test_one_line_in_eight_is_kept_if_there_are_two(connections, everybody):
    async with rawsmtp.running() as server, pool(relay_of(server), connections=connections) as transport:
        assert len(await lines(transport)) == everybody
        assert len(await lines(transport, urgent=True)) == connections - everybody


async def test_the_line_given_back_last_is_taken_first():
    async with rawsmtp.running() as server, pool(relay_of(server)) as transport:
        one, two = await a_line(transport), await a_line(transport)
        transport.give_back(one)
        transport.give_back(two)
        assert transport.take() is two
        assert transport.take() is one


async def test_everybody_who_waits_hears_of_a_change():
    async with rawsmtp.running() as server, pool(relay_of(server), connections=1) as transport:
        line = await a_line(transport)
        waiting = [asyncio.create_task(transport.changed()) for _ in range(3)]
        called = transport.changed()
        transport.give_back(line)
        await asyncio.wait_for(asyncio.gather(*waiting, called), 5)


async def test_a_waiter_that_gives_up_takes_nothing_from_the_others():
    async with rawsmtp.running() as server, pool(relay_of(server), connections=1) as transport:
        line = await a_line(transport)
        waiting = asyncio.create_task(transport.changed())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transport.changed(), 0.01)
        assert not waiting.done()
        transport.give_back(line)
        await asyncio.wait_for(waiting, 5)


async def test_a_server_that_closes_after_some_mails_is_no_trouble():
    async with rawsmtp.running(close_after=3) as server, pool(relay_of(server), connections=2) as transport:
        told_, waiting = [], [a_letter(number) for number in range(10)]
        while waiting:
            line = await a_line(transport)
            replies = await mailed(line, *waiting)
            transport.give_back(line)
            assert transport.trouble() is None
            told_ += [reply for reply in replies if reply == SENT]
            # A goodbye at MAIL, and lines lost after it, say nothing about their letters.
            waiting = [letter for letter, reply in zip(waiting, replies, strict=True) if reply[2]]
        assert len(told_) == 10
        assert sorted(server.recipients()) == sorted(f"reader{number}@example.com" for number in range(10))
        assert transport._trunks[f"127.0.0.1:{server.port}"].pace.allowed == 2


async def test_idle_lines_are_closed_with_a_goodbye(monkeypatch):
    monkeypatch.setattr(trunk, "IDLE_SECONDS", 0.1)
    async with rawsmtp.running() as server, pool(relay_of(server)) as transport:
        line = await a_line(transport)
        await asyncio.sleep(0.3)
        assert await mailed(line, a_letter()) == [SENT]
        transport.give_back(line)
        await until(lambda: not server.open)
        assert server.said.count("QUIT") == server.connections
        assert await mailed(await a_line(transport), a_letter()) == [SENT]


async def test_a_line_that_died_while_idle_is_not_handed_out():
    async with (
        rawsmtp.running(script={"content": ["250 ok" + rawsmtp.THEN_CLOSE]}) as server,
        pool(relay_of(server), connections=1) as transport,
    ):
        line = await a_line(transport)
        assert await mailed(line, a_letter()) == [SENT]
        transport.give_back(line)
        await until(lambda: not line.is_usable)
        assert await mailed(await a_line(transport), a_letter()) == [SENT]
        assert server.connections == 2


async def test_silence_is_noticed_by_one_timer_for_all():
    async with rawsmtp.running(script={"rcpt": [STALL] * 3}) as server, pool(relay_of(server)) as transport:
        found = [await a_line(transport) for _ in range(3)]
        replies = await asyncio.gather(*(line.announce(a_letter(number)) for number, line in enumerate(found)))
        assert [told(reply) for reply in replies] == [(0, Stage.RCPT, True)] * 3


async def test_closing_hears_out_content_and_cuts_what_is_only_announced():
    async with rawsmtp.running() as server:
        transport = SmtpTransport([relay_of(server)], 3, WATCHFUL)
        await transport.open()
        under_way, announced = await a_line(transport), await a_line(transport)
        await under_way.announce(a_letter(1))
        await announced.announce(a_letter(2))
        poured, following = under_way.pour(a_letter(3))
        await transport.close()
        assert told(poured.result()) == SENT
        assert following.done()
        assert told(await announced.pour(None)[0]) == (0, Stage.DATA, True)
        assert server.recipients() == ["reader1@example.com"]
        with pytest.raises(RuntimeError):
            transport.take()


async def test_closing_does_not_wait_for_lines_that_are_still_being_opened():
    async with rawsmtp.running(script={"greeting": [STALL] * 2}) as server, pool(relay_of(server)) as transport:
        transport.take()
        await until(lambda: server.connections)
        async with asyncio.timeout(2):
            await transport.close()


async def test_a_probe_tells_of_every_relay_and_one_is_enough():
    async with (
        rawsmtp.running() as up,
        rawsmtp.running(script={"greeting": ["554 5.7.1 go away"] * 9}) as down,
        pool(relay_of(up), relay_of(down)) as transport,
    ):
        reply = await transport.probe()
        assert (reply.code, reply.stage) == (250, Stage.CONNECT)
        assert f"127.0.0.1:{up.port} is ready; 5.7.1 go away" in reply.text
        async with pool(relay_of(down)) as transport:
            assert (await transport.probe()).code == 554


async def test_certificates_are_read_when_the_pool_opens(tmp_path):
    transport = SmtpTransport([Relay("relay.example.org", 465, Tls.IMPLICIT, ca_file=tmp_path / "none.pem")], 1)
    with pytest.raises(smtp.CertificateError):
        await transport.open()
