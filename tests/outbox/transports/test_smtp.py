"""The SMTP transport against a real server that misbehaves in every way we know of."""

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator

import pytest

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import urls
from digest.outbox.transports.relay import Timeouts
from digest.outbox.transports.transport import Letter, Transport
from tests.support import lines, smtpserver
from tests.support.smtpserver import SmtpServer

CONTENT = b"From: a@example.org\r\n\r\nHello\r\n"
# Long enough for a busy machine, short enough to wait for in a test.
QUICK = Timeouts(connect=5, command=5, content=5)


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


def a_letter(number: int = 1, **changes) -> Letter:
    letter = Letter(number, "bounce@example.org", f"reader{number}@example.com", CONTENT)
    return dataclasses.replace(letter, **changes)


def sent(url: str, *letters: Letter, connections: int = 1, timeouts: Timeouts = QUICK, **settings) -> list[Reply]:
    """The replies to letters sent one after the other over one transport."""

    async def one_by_one(transport: Transport) -> list[Reply]:
        return [await lines.send(transport, letter) for letter in letters]

    return used(url, one_by_one, connections=connections, timeouts=timeouts, **settings)


def used(url: str, work: Callable, *, connections: int = 1, timeouts: Timeouts = QUICK, **settings):
    async def run():
        transport = urls.from_url(url, connections=connections, timeouts=timeouts, **settings)
        await transport.open()
        try:
            return await work(transport)
        finally:
            await transport.close()

    return asyncio.run(run())


def test_a_mail_arrives_byte_for_byte(server):
    (reply,) = sent(server.url, a_letter())
    assert reply == Reply(250, "2.0.0 OK 1", Stage.CONTENT)
    (mail,) = server.received
    assert (mail.sender, mail.recipient, mail.content) == ("bounce@example.org", "reader1@example.com", CONTENT)


@pytest.mark.parametrize(
    "content",
    [
        b"X: 1\r\n\r\n  white  space \r\n\r\n\r\n",
        b"X: 1\r\n\r\n" + b"a" * 998 + b"\r\n",
        b"X: 1\r\n\r\n" + b"line\r\n" * 50_000,
    ],
)
def test_our_bytes_are_not_rewritten(server, content):
    sent(server.url, a_letter(content=content))
    assert server.received[0].content == content


def test_content_without_an_end_is_a_bug_and_rises(server):
    with pytest.raises(ValueError, match="CRLF"):
        sent(server.url, a_letter(content=b"X: 1\r\n\r\nno end"))


def test_one_connection_serves_many_mails(server):
    replies = sent(server.url, *(a_letter(number) for number in range(20)))
    assert {reply.code for reply in replies} == {250}
    assert server.connections == 1


def test_connections_are_used_side_by_side_and_no_more_than_allowed(server):
    server.answer("content", "", delay=0.05)

    async def all_at_once(transport):
        return await asyncio.gather(*(lines.send(transport, a_letter(number)) for number in range(12)))

    replies = used(server.url, all_at_once, connections=3)
    assert {reply.code for reply in replies} == {250}
    assert server.most_at_once == 3
    assert len(set(server.recipients())) == 12


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content"])
@pytest.mark.parametrize("code", [421, 450, 550])
def test_a_refusal_is_a_reply_with_its_stage(server, stage, code):
    server.answer(stage, f"{code} {code // 100}.3.0 not now", times=2)
    replies = sent(server.url, a_letter(1))
    # A goodbye before the recipient was named is not about this letter.
    is_lost = (code, stage) == (421, "mail")
    assert replies == [Reply(code, f"{code // 100}.3.0 not now", Stage(stage), lost=is_lost)]
    assert server.received == []


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content"])
def test_a_refused_mail_does_not_harm_the_next(server, stage):
    server.answer(stage, "550 5.3.0 no", times=1)
    replies = sent(server.url, a_letter(1), a_letter(2), a_letter(3))
    assert [reply.code for reply in replies] == [550, 250, 250]
    assert server.recipients() == ["reader2@example.com", "reader3@example.com"]
    assert server.connections == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content"])
def test_after_a_421_a_new_connection_is_used(server, stage):
    server.answer(stage, "421 4.3.2 shutting down", times=1)
    replies = sent(server.url, a_letter(1), a_letter(2))
    assert [reply.code for reply in replies] == ([250, 250] if stage == "mail" else [421, 250])
    assert server.connections == 2


def test_a_421_about_a_recipient_is_not_answered_with_a_second_try(server):
    async def refuse_the_second(transport):
        first = await lines.send(transport, a_letter(1))
        server.answer("rcpt", "421 4.7.28 unusual rate", times=1)
        return [first, await lines.send(transport, a_letter(2))]

    assert [reply.code for reply in used(server.url, refuse_the_second)] == [250, 421]


def test_one_address_may_be_refused(server):
    server.answer("rcpt", "550 5.1.1 user unknown", address="reader2@example.com")
    replies = sent(server.url, *(a_letter(number) for number in range(1, 4)))
    assert [reply.code for reply in replies] == [250, 550, 250]


def test_greylisting_lets_the_second_try_in(server):
    server.greylists = True
    replies = sent(server.url, a_letter(1), a_letter(1))
    assert [reply.code for reply in replies] == [451, 250]


@pytest.mark.parametrize("politely", [True, False])
def test_a_server_that_closes_after_some_mails_loses_none(server, politely):
    server.close_after, server.closes_politely = 3, politely
    replies = sent(server.url, *(a_letter(number) for number in range(10)))
    assert {reply.code for reply in replies} == {250}
    assert server.recipients() == [f"reader{number}@example.com" for number in range(10)]
    assert server.connections == 4


def test_a_connection_that_died_while_idle_is_replaced(server):
    async def with_a_pause(transport):
        first = await lines.send(transport, a_letter(1))
        server.hang_up()
        return [first, await lines.send(transport, a_letter(2))]

    assert [reply.code for reply in used(server.url, with_a_pause)] == [250, 250]
    assert server.connections == 2


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_connection_lost_before_the_content_is_told_and_the_next_mail_gets_another(server, stage):
    async def lose_the_second(transport):
        first = await lines.send(transport, a_letter(1))
        server.answer(stage, smtpserver.DROP, times=1)
        line = await lines.a_line(transport)
        second = await line.announce(a_letter(2))
        transport.give_back(line)
        return [lines.told(reply) for reply in (first, second, await lines.send(transport, a_letter(3)))]

    assert used(server.url, lose_the_second) == [lines.SENT, (0, Stage(stage), True), lines.SENT]
    assert server.recipients() == ["reader1@example.com", "reader3@example.com"]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_fresh_connection_lost_before_the_content_is_not_sent_and_no_doubt(server, stage):
    server.answer(stage, smtpserver.DROP)
    (reply,) = sent(server.url, a_letter())
    assert (reply.code, reply.stage, reply.lost) == (0, Stage(stage), True)
    assert len([command for command in server.commands if f" {stage}" in command]) == (2 if stage == "mail" else 1)


@pytest.mark.parametrize(("what", "kept"), [(smtpserver.DROP, 0), (smtpserver.DROP_AFTER_KEEPING, 1)])
def test_a_connection_lost_after_the_final_dot_is_doubt_and_never_tried_again_here(server, what, kept):
    server.answer("content", what, address="reader2@example.com")
    replies = sent(server.url, a_letter(1), a_letter(2), a_letter(3))
    assert [(reply.code, reply.stage, reply.lost) for reply in replies] == [
        (250, Stage.CONTENT, False),
        (0, Stage.CONTENT, True),
        (250, Stage.CONTENT, False),
    ]
    assert server.recipients().count("reader2@example.com") == kept


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content"])
def test_a_server_that_falls_silent_is_given_up_in_time(server, stage):
    server.answer(stage, smtpserver.STALL)
    (reply,) = sent(server.url, a_letter(), timeouts=Timeouts(connect=5, command=0.2, content=0.2))
    assert (reply.code, reply.stage, reply.lost) == (0, Stage(stage), True)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "content"])
def test_gibberish_is_no_reply(server, stage):
    server.answer(stage, "what is this", times=2 if stage == "mail" else 1)
    replies = sent(server.url, a_letter(1), a_letter(2))
    assert (replies[0].code, replies[0].stage, replies[0].lost) == (0, Stage(stage), True)
    assert replies[1].code == 250


def test_a_cancelled_mail_leaves_no_half_spoken_connection(server):
    server.answer("rcpt", smtpserver.STALL, times=1)

    async def cancel_the_first(transport):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lines.send(transport, a_letter(1)), 0.2)
        return await lines.send(transport, a_letter(2))

    assert used(server.url, cancel_the_first).code == 250
    assert server.recipients() == ["reader2@example.com"]


def test_closing_waits_for_the_mail_under_way():
    arrived = threading.Event()

    async def close_at_once(url):
        transport = urls.from_url(url, connections=2, timeouts=QUICK)
        await transport.open()
        under_way = asyncio.create_task(lines.send(transport, a_letter()))
        await asyncio.to_thread(arrived.wait, 5)
        await transport.close()
        assert under_way.done()
        with pytest.raises(RuntimeError):
            await lines.send(transport, a_letter(2))
        return await under_way

    with SmtpServer(on_received=lambda _: arrived.set()) as server:
        server.answer("content", "", delay=0.3)
        assert asyncio.run(close_at_once(server.url)).code == 250
    assert len(server.received) == 1


def test_nobody_there_is_a_reply():
    with SmtpServer() as gone:
        port = gone.port
    (reply,) = sent(f"smtp://127.0.0.1:{port}", a_letter())
    assert (reply.code, reply.stage) == (0, Stage.CONNECT)
    assert str(port) in reply.text


def test_smtputf8_is_asked_for_only_when_the_local_part_needs_it(server):
    utf8 = a_letter(2, recipient="jörg@xn--bcher-kva.example", content="To: <jörg@x>\r\n\r\nx\r\n".encode())
    assert [reply.code for reply in sent(server.url, a_letter(1), utf8)] == [250, 250]
    assert ["SMTPUTF8" in mail.options for mail in server.received] == [False, True]
    assert server.recipients()[1] == "jörg@xn--bcher-kva.example"


def test_a_relay_without_smtputf8_refuses_for_good_and_says_why():
    with SmtpServer(offers_smtputf8=False) as server:
        replies = sent(server.url, a_letter(1, recipient="jörg@example.com"), a_letter(2))
    assert (replies[0].code, replies[0].stage) == (550, Stage.RCPT)
    assert "SMTPUTF8" in replies[0].text
    assert replies[1].code == 250


def test_a_mail_too_big_is_told_before_it_is_sent():
    with SmtpServer(max_bytes=1000) as server:
        replies = sent(server.url, a_letter(1, content=CONTENT + b"x\r\n" * 500), a_letter(2))
    assert [(reply.code, reply.stage) for reply in replies] == [(552, Stage.MAIL), (250, Stage.CONTENT)]


def test_a_probe_sends_nothing(server):
    reply = used(server.url, lambda transport: transport.probe())
    assert (reply.code, reply.stage) == (250, Stage.CONNECT)
    assert server.received == []
    assert used("smtp://127.0.0.1:1", lambda transport: transport.probe()).code == 0
