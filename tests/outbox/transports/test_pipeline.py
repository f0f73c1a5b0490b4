"""The hot exchange with a server that really pipelines: what is written, and how replies are read."""

import asyncio
import gc

import pytest

from digest.outbox.replies import Stage
from digest.outbox.transports.relay import Tls
from tests.support import certificates
from tests.support.lines import CONTENT, GO_AHEAD, SENT, a_letter, heard, mailed, talking, told, until
from tests.support.rawsmtp import STALL


def test_an_announcement_is_one_write_and_so_are_content_and_the_next(run):
    async def talk():
        async with talking() as (server, line):
            assert await mailed(line, a_letter(1), a_letter(2), a_letter(3)) == [SENT] * 3
            return server

    server = run(talk())
    flights = [
        b"MAIL FROM:<bounce@example.org> SIZE=30\r\nRCPT TO:<reader%d@example.com>\r\nDATA\r\n" % number
        for number in (1, 2, 3)
    ]
    dot = CONTENT + b".\r\n"
    assert server.arrived[1:] == [flights[0], dot + flights[1], dot + flights[2], dot]
    assert server.mails == [("bounce@example.org", f"reader{number}@example.com", CONTENT) for number in (1, 2, 3)]


@pytest.mark.parametrize("tls", list(Tls))
@pytest.mark.parametrize("size", [1, 11_000, 300_000])
def test_all_bytes_arrive_as_they_are_over_every_kind_of_transport(run, tls, size, tmp_path_factory):
    certificate = certificates.make(tmp_path_factory.mktemp("tls"))
    content = b"X: 1\r\n\r\n" + b"0123456789 =20\t.\r\n" * (size // 18 + 1)

    async def talk():
        async with talking(tls=tls, certificate=certificate) as (server, line):
            letters = [a_letter(number, content=content) for number in range(4)]
            assert await mailed(line, *letters) == [SENT] * 4
            return server

    assert [content for _, _, content in run(talk()).mails] == [content] * 4


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("gathers", [True, False])
def test_replies_may_come_in_any_pieces(run, pieces, gathers):
    many_lines = "250-2.0.0 one\r\n250-2.0.0 two\r\n250 2.0.0 three"
    script = {
        "mail": ["", "250-a\r\n250 b", "250"],
        "rcpt": ["", "550-5.1.1 no\r\n550 5.1.1 such user", ""],
        "content": [many_lines, "", "\n".join(["250-x"] * 50) + "\r\n250 y"],
    }

    async def talk():
        async with talking(pieces=pieces, gathers=gathers, script=script) as (server, line):
            first = await line.announce(a_letter(1))
            poured, announced = line.pour(a_letter(2))
            second = await poured, await announced
            third = await mailed(line, a_letter(3))
            return server, [told(first), *map(told, second), *third], second

    server, replies, second = run(talk())
    assert replies == [GO_AHEAD, SENT, (550, Stage.RCPT, False), SENT]
    assert second[0].text == "2.0.0 one\n2.0.0 two\n2.0.0 three"
    assert second[1].text == "5.1.1 no\n5.1.1 such user"
    assert server.recipients() == ["reader1@example.com", "reader3@example.com"]


def test_an_abandoned_letter_does_not_leave(run):
    async def talk():
        async with talking() as (server, line):
            await line.announce(a_letter(1))
            line.abandon()
            await until(lambda: not server.open)
            return server.said[-1], server.mails, line.is_usable

    assert run(talk()) == ("DATA", [], False)


def test_what_was_poured_before_an_abandoned_letter_is_heard_out(run):
    async def talk():
        async with talking() as (server, line):
            await line.announce(a_letter(1))
            poured, _ = line.pour(a_letter(2))
            line.abandon()
            assert not line.is_usable
            sent = await heard(poured)
            await asyncio.wait_for(line.gone, 5)
            return sent, server.recipients()

    assert run(talk()) == ([SENT], ["reader1@example.com"])


def test_leaving_hears_out_the_content_and_says_goodbye(run):
    async def talk():
        async with talking() as (server, line):
            await line.announce(a_letter(1))
            poured, _ = line.pour(None)
            await line.leave()
            assert poured.done()
            return server.said[-1], server.recipients()

    assert run(talk()) == ("QUIT", ["reader1@example.com"])


def test_a_goodbye_is_not_waited_for_long(run, monkeypatch):
    monkeypatch.setattr("digest.outbox.transports.pipeline.QUIT_SECONDS", 0.1)

    async def talk():
        async with talking(script={"quit": [STALL]}) as (_, line):
            await asyncio.wait_for(line.leave(), 5)

    run(talk())


def test_extensions_are_used_only_as_offered(run):
    utf8 = a_letter(7, recipient="jörg+x=1@xn--bcher-kva.example")

    async def talk(*extensions):
        async with talking(extensions=("PIPELINING", *extensions)) as (server, line):
            sent = await mailed(line, a_letter(7), utf8)
            return sent, [text for text in server.said if text[:4] in ("MAIL", "RCPT")]

    sent, said = run(talk())
    assert sent == [SENT, (550, Stage.RCPT, False)]
    assert said == ["MAIL FROM:<bounce@example.org>", "RCPT TO:<reader7@example.com>"]
    sent, said = run(talk("SMTPUTF8", "8BITMIME", "SIZE", "DSN"))
    assert sent == [SENT, SENT]
    assert said == [
        "MAIL FROM:<bounce@example.org> SIZE=30 RET=HDRS ENVID=7",
        "RCPT TO:<reader7@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;reader7@example.com",
        "MAIL FROM:<bounce@example.org> SIZE=30 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=7",
        "RCPT TO:<jörg+x=1@xn--bcher-kva.example> NOTIFY=FAILURE,DELAY",
    ]


def test_a_line_end_in_an_address_is_a_bug_and_rises(run):
    async def talk():
        async with talking() as (server, line):
            for letter in (a_letter(recipient="a@b>\r\nRSET"), a_letter(sender="a@b\n"), a_letter(content=b"no end")):
                with pytest.raises(ValueError, match=r"line end|CRLF"):
                    line.announce(letter)
            return await mailed(line, a_letter(1)), server.said[1:]

    sent, said = run(talk())
    assert sent == [SENT]
    assert len(said) == 4


def test_words_of_a_server_cannot_harm_logs_and_databases(run):
    async def talk():
        async with talking(script={"content": ["550 5.6.0 \x1b[31m\x00bell\x07 caf\xe9"]}) as (_, line):
            await line.announce(a_letter(1))
            return (await line.pour(None)[0]).text

    assert run(talk()) == "5.6.0 \ufffd[31m\ufffdbell\ufffd café"


def test_pour_without_go_ahead_is_a_bug_and_rises(run):
    async def talk():
        async with talking() as (_, line):
            with pytest.raises(RuntimeError):
                line.pour(None)
            line.announce(a_letter(1))
            with pytest.raises(RuntimeError):
                line.announce(a_letter(2))
            with pytest.raises(RuntimeError):
                line.pour(None)

    run(talk())


def test_mails_cost_no_task_and_no_timer(run):
    async def talk():
        async with talking() as (_, line):
            before = len(asyncio.all_tasks())
            await line.announce(a_letter(0))
            for number in range(1, 20):
                poured, announced = line.pour(a_letter(number))
                assert len(asyncio.all_tasks()) == before
                await poured
                await announced
            gc.collect()
            return len(asyncio.all_tasks()) - before

    assert run(talk()) == 0


def test_futures_nobody_waits_for_any_more_are_no_trouble(run):
    async def talk():
        async with talking() as (server, line):
            line.announce(a_letter(1)).cancel()
            await asyncio.sleep(0.05)
            poured, announced = line.pour(a_letter(2))
            poured.cancel()
            await announced
            return await heard(line.pour(None)[0]), server.recipients()

    assert run(talk()) == ([SENT], ["reader1@example.com", "reader2@example.com"])
