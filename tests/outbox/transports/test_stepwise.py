"""Lines to servers without PIPELINING: one command, one reply, and the same truths told."""

import pytest

from digest.outbox.replies import Stage
from digest.outbox.transports.relay import Timeouts
from digest.outbox.transports.stepwise import StepwiseLine
from tests.support.lines import CONTENT, DOUBT, GO_AHEAD, SENT, a_letter, heard, mailed, talking, told, until
from tests.support.rawsmtp import CLOSE, RESET, STALL, THEN_CLOSE

PLAIN = {"extensions": ("SIZE 1000000",)}


def test_each_command_waits_for_the_reply_before_it(run):
    async def talk():
        async with talking(**PLAIN) as (server, line):
            assert isinstance(line, StepwiseLine)
            assert await mailed(line, a_letter(1), a_letter(2)) == [SENT, SENT]
            return server

    server = run(talk())
    assert server.arrived[1:6] == [
        b"MAIL FROM:<bounce@example.org> SIZE=30\r\n",
        b"RCPT TO:<reader1@example.com>\r\n",
        b"DATA\r\n",
        CONTENT + b".\r\n",
        b"MAIL FROM:<bounce@example.org> SIZE=30\r\n",
    ]
    assert [content for _, _, content in server.mails] == [CONTENT, CONTENT]


@pytest.mark.parametrize(
    ("script", "refusal", "reset"),
    [
        ({"mail": ["450 4.7.1 no"]}, (450, Stage.MAIL), False),
        ({"rcpt": ["550 5.1.1 no"]}, (550, Stage.RCPT), True),
        ({"data": ["451 4.3.0 no"]}, (451, Stage.DATA), True),
    ],
)
def test_a_refusal_ends_the_flight_and_the_line_is_free_again(run, script, refusal, reset):
    async def talk():
        async with talking(script=script, **PLAIN) as (server, line):
            return await heard(line.announce(a_letter(1))), await mailed(line, a_letter(2)), server.said

    refused, sent, said = run(talk())
    assert refused == [(*refusal, False)]
    assert sent == [SENT]
    assert ("RSET" in said) == reset


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "content"])
@pytest.mark.parametrize(
    ("reply", "code"), [("421 4.3.2 closing", 421), (CLOSE, 0), (RESET, 0), ("what is this", 0), ("x" * 100_000, 0)]
)
def test_what_ends_the_line_is_told_with_its_stage(run, step, reply, code):
    async def talk():
        async with talking(script={step: ["", reply]}, **PLAIN) as (_, line):
            await line.announce(a_letter(1))
            first, following = line.pour(a_letter(2))
            replies = await heard(first, following)
            if step == "content":
                replies += await heard(*line.pour(a_letter(3)))
            return replies, line.is_usable

    replies, is_usable = run(talk())
    lost = code == 0 or step == "mail"
    assert replies[-2 if step == "content" else -1] == (code, Stage(step), lost)
    assert replies[0] == SENT
    if step == "content":
        assert replies[1:] == [GO_AHEAD, (code, Stage.CONTENT, lost), (0, Stage.MAIL, True)]
    assert not is_usable


@pytest.mark.parametrize(
    ("step", "reply"), [("mail", "354 go"), ("rcpt", "354 go"), ("data", "250 ok"), ("content", "354 go")]
)
def test_a_reply_that_answers_another_question_ends_the_line(run, step, reply):
    async def talk():
        async with talking(script={step: [reply]}, **PLAIN) as (_, line):
            first = line.announce(a_letter(1))
            if step != "content":
                return await heard(first), line.is_usable
            await first
            return await heard(line.pour(None)[0]), line.is_usable

    assert run(talk()) == ([(0, Stage(step), True)], False)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "content"])
def test_a_server_that_falls_silent_is_given_up_in_time(run, step):
    async def talk():
        async with talking(Timeouts(5, 0.1, 0.1), script={step: [STALL]}, **PLAIN) as (_, line):
            first = line.announce(a_letter(1))
            if step != "content":
                return await heard(first)
            await first
            return await heard(line.pour(None)[0])

    assert run(talk()) == [(0, Stage(step), True)]


def test_a_connection_lost_after_go_ahead_sends_nothing(run):
    async def talk():
        async with talking(script={"data": ["354 go on" + THEN_CLOSE]}, **PLAIN) as (server, line):
            await line.announce(a_letter(1))
            await until(lambda: not line.is_usable)
            return await heard(*line.pour(a_letter(2))), server.said[-1]

    assert run(talk()) == ([(0, Stage.DATA, True), (0, Stage.MAIL, True)], "DATA")


def test_an_abandoned_letter_does_not_leave(run):
    async def talk():
        async with talking(**PLAIN) as (server, line):
            await line.announce(a_letter(1))
            line.abandon()
            await until(lambda: not server.open)
            return server.said[-1], server.mails, line.is_usable

    assert run(talk()) == ("DATA", [], False)


def test_what_was_poured_before_an_abandoned_letter_is_heard_out(run):
    async def talk():
        async with talking(**PLAIN) as (server, line):
            await line.announce(a_letter(1))
            poured, following = line.pour(a_letter(2))
            line.abandon()
            replies = await heard(poured, following)
            await until(lambda: not server.open)
            return replies, server.recipients()

    assert run(talk()) == ([SENT, (0, Stage.MAIL, True)], ["reader1@example.com"])


def test_leaving_hears_out_the_content_and_says_goodbye(run):
    async def talk():
        async with talking(**PLAIN) as (server, line):
            await line.announce(a_letter(1))
            poured, _ = line.pour(None)
            await line.leave()
            return told(poured.result()), server.said[-1], line.is_over

    assert run(talk()) == (SENT, "QUIT", True)


def test_an_abandoned_content_does_not_leave_after_all(run):
    """A closed transport would still send what is buffered, and complete a mail that was given up."""

    async def talk():
        async with talking(Timeouts(5, 5, 0.2), script={"data": ["354 go on" + THEN_CLOSE]}, **PLAIN) as (server, line):
            await line.announce(a_letter(1, content=b"x" * 70 + b"\r\n"))
            poured, _ = line.pour(None)
            return await heard(poured), server.mails

    replies, mails = run(talk())
    assert replies[0] in (DOUBT, (0, Stage.DATA, True))
    assert mails == []


def test_letters_that_cannot_be_right_and_pours_without_go_ahead_are_bugs_and_rise(run):
    async def talk():
        async with talking(**PLAIN) as (_, line):
            with pytest.raises(ValueError, match="line end"):
                line.announce(a_letter(recipient="a@b>\r\nRSET"))
            with pytest.raises(RuntimeError):
                line.pour(None)
            sent = await mailed(line, a_letter(1))
            with pytest.raises(RuntimeError):
                line.pour(None)
            return sent

    assert run(talk()) == [SENT]


def test_smtputf8_is_used_only_as_offered(run):
    letter = a_letter(recipient="jörg@example.com")

    async def talk(*extensions):
        async with talking(extensions=extensions) as (_, line):
            return await mailed(line, letter, a_letter(2))

    assert run(talk()) == [(550, Stage.RCPT, False), SENT]
    assert run(talk("SMTPUTF8", "8BITMIME")) == [SENT, SENT]
