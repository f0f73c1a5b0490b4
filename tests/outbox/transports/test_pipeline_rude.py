"""The hot exchange with servers that refuse, close, fall silent or talk nonsense: who is told what."""

import asyncio

import pytest

from digest.outbox.replies import Stage
from digest.outbox.transports.relay import Timeouts
from tests.support.lines import CONTENT, DOUBT, SENT, a_letter, heard, mailed, talking, until
from tests.support.rawsmtp import CLOSE, RESET, STALL, THEN_CLOSE, THEN_RESET


def test_a_recipient_refused_but_asked_for_content_gets_a_lone_dot(run):
    async def talk():
        script = {"rcpt": ["550 5.1.1 unknown"], "content": ["250 2.0.0 an empty mail, why not"]}
        async with talking(script=script) as (server, line):
            return server, await heard(line.announce(a_letter(1))), await mailed(line, a_letter(2))

    server, refused, sent = run(talk())
    assert refused == [(550, Stage.RCPT, False)]
    assert sent == [SENT]
    assert server.said[4:8] == [
        "content 0",
        "MAIL FROM:<bounce@example.org> SIZE=30",
        "RCPT TO:<reader2@example.com>",
        "DATA",
    ]
    assert [(recipient, content) for _, recipient, content in server.mails] == [
        ("", b""),
        ("reader2@example.com", CONTENT),
    ]


@pytest.mark.parametrize(
    ("script", "refusal", "reset"),
    [
        ({"mail": ["450 4.7.1 no"], "rcpt": ["503 5.5.1 MAIL"], "data": ["503 5.5.1 RCPT"]}, (450, Stage.MAIL), False),
        ({"mail": ["550 5.7.1 no"], "rcpt": ["503 5.5.1 MAIL"]}, (550, Stage.MAIL), False),
        ({"rcpt": ["450 4.2.0 no"], "data": ["554 5.5.1 no valid recipients"]}, (450, Stage.RCPT), True),
        ({"data": ["451 4.3.0 no"]}, (451, Stage.DATA), True),
    ],
)
def test_a_refusal_is_told_once_all_replies_are_in_and_the_line_is_free_again(run, script, refusal, reset):
    async def talk():
        async with talking(script=script) as (server, line):
            refused = await heard(line.announce(a_letter(1)))
            return server, refused, await mailed(line, a_letter(2), a_letter(3))

    server, refused, sent = run(talk())
    assert refused == [(*refusal, False)]
    assert sent == [SENT, SENT]
    assert server.recipients()[-2:] == ["reader2@example.com", "reader3@example.com"]
    assert ("RSET" in server.said) == reset


@pytest.mark.parametrize("code", [452, 554])
def test_refused_content_harms_nobody_else(run, code):
    async def talk():
        async with talking(script={"content": [f"{code} 5.6.0 no", ""]}) as (server, line):
            return await mailed(line, a_letter(1), a_letter(2)), server.said

    replies, said = run(talk())
    assert replies == [(code, Stage.CONTENT, False), SENT]
    assert "RSET" not in said


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("ends", ["421 4.3.2 closing", "421 4.3.2 closing" + THEN_CLOSE])
def test_421_ends_the_line_at_any_step(run, step, ends):
    async def talk():
        async with talking(script={step: ["", ends]}) as (_, line):
            await line.announce(a_letter(1))
            return await heard(*line.pour(a_letter(2))), line.is_usable

    replies, is_usable = run(talk())
    # Before the recipient is named it is about the connection, and the letter is as good as before.
    assert replies == [SENT, (421, Stage(step), step == "mail")]
    assert not is_usable


def test_421_to_the_content_is_a_refusal_and_the_following_was_not_sent(run):
    async def talk():
        async with talking(script={"content": ["421 4.3.0 no room"]}) as (_, line):
            await line.announce(a_letter(1))
            return await heard(*line.pour(a_letter(2)))

    assert run(talk()) == [(421, Stage.CONTENT, False), (0, Stage.MAIL, True)]


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_a_connection_lost_while_announced_is_told_with_its_stage(run, step, how):
    async def talk():
        async with talking(script={step: [how]}) as (server, line):
            return await heard(line.announce(a_letter(1))), line.is_usable, server.mails

    assert run(talk()) == ([(0, Stage(step), True)], False, [])


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_content_taken_and_the_following_lost_are_two_truths(run, step, how):
    async def talk():
        async with talking(script={step: ["", how]}) as (server, line):
            await line.announce(a_letter(1))
            return await heard(*line.pour(a_letter(2))), server.recipients()

    assert run(talk()) == ([SENT, (0, Stage(step), True)], ["reader1@example.com"])


@pytest.mark.parametrize("how", [THEN_CLOSE, THEN_RESET])
@pytest.mark.parametrize("gathers", [True, False])
def test_the_reply_before_a_server_closes_is_heard(run, how, gathers):
    async def talk():
        async with talking(script={"content": ["250 2.0.0 taken, bye" + how]}, gathers=gathers) as (_, line):
            await line.announce(a_letter(1))
            return await heard(*line.pour(a_letter(2)))

    assert run(talk()) == [SENT, (0, Stage.MAIL, True)]


@pytest.mark.parametrize("how", [CLOSE, RESET])
def test_a_connection_lost_after_the_final_dot_is_doubt_for_one_and_none_for_the_following(run, how):
    async def talk():
        async with talking(script={"content": [how]}) as (_, line):
            await line.announce(a_letter(1))
            return await heard(*line.pour(a_letter(2)))

    assert run(talk()) == [DOUBT, (0, Stage.MAIL, True)]


def test_a_connection_lost_after_go_ahead_sends_nothing(run):
    async def talk():
        async with talking(script={"data": ["354 go on" + THEN_CLOSE]}) as (server, line):
            await line.announce(a_letter(1))
            await asyncio.wait_for(line.gone, 5)
            poured = await heard(*line.pour(a_letter(2)))
            return poured, await heard(line.announce(a_letter(3))), server.said

    poured, announced, said = run(talk())
    assert poured == [(0, Stage.DATA, True), (0, Stage.MAIL, True)]
    assert announced == [(0, Stage.MAIL, True)]
    assert said[-1] == "DATA"


@pytest.mark.parametrize(
    "gibberish",
    [
        "what is this",
        "25 0 short",
        "2500",
        "999 5.0.0 no such code",
        "-50 negative",
        "²50 superscript",
        "250_OK",
        "",
        "\t250 OK",
        "x" * 100_000,
        "\r\n".join(["250-more"] * 5_000),
        "\x00\x01\x02",
    ],
)
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "content"])
def test_gibberish_ends_the_line_and_is_no_reply(run, step, gibberish):
    async def talk():
        async with talking(script={step: [gibberish or "\r\n"]}) as (_, line):
            first = line.announce(a_letter(1))
            if step != "content":
                return await heard(first), line.is_usable
            await first
            return await heard(*line.pour(a_letter(2))), line.is_usable

    replies, is_usable = run(talk())
    assert replies[0] == (0, Stage(step), True)
    assert replies[1:] in ([], [(0, Stage.MAIL, True)])
    assert not is_usable


@pytest.mark.parametrize(
    ("step", "reply"), [("mail", "354 go"), ("rcpt", "354 go"), ("data", "250 ok"), ("content", "354 go")]
)
def test_a_reply_that_answers_another_question_ends_the_line(run, step, reply):
    async def talk():
        async with talking(script={step: [reply]}) as (_, line):
            if step == "content":
                await line.announce(a_letter(1))
                return await heard(*line.pour(a_letter(2)))
            return await heard(line.announce(a_letter(1)))

    assert run(talk())[0] == (0, Stage(step), True)


@pytest.mark.parametrize("surplus", ["250 2.0.0 once more", "421 4.4.2 idle for too long"])
def test_a_reply_nobody_asked_for_ends_the_line(run, surplus):
    async def talk():
        async with talking(script={"content": ["250 2.0.0 taken\r\n" + surplus]}) as (_, line):
            sent = await mailed(line, a_letter(1))
            await asyncio.wait_for(line.gone, 5)
            return sent, await heard(line.announce(a_letter(2)))

    assert run(talk()) == ([SENT], [(0, Stage.MAIL, True)])


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "content"])
def test_a_server_that_falls_silent_is_given_up_in_time(run, step):
    async def talk():
        timeouts = Timeouts(connect=5, command=0.1, content=0.1)
        async with talking(timeouts, script={step: [STALL]}) as (_, line):
            first = line.announce(a_letter(1))
            if step != "content":
                return await heard(first)
            await first
            return await heard(*line.pour(a_letter(2)))

    replies = run(talk())
    assert replies[0] == (0, Stage(step), True)
    assert replies[1:] in ([], [(0, Stage.MAIL, True)])


def test_content_has_more_time_than_commands(run):
    async def talk():
        timeouts = Timeouts(connect=5, command=0.1, content=5)
        async with talking(timeouts, script={"content": [STALL]}) as (_, line):
            await line.announce(a_letter(1))
            poured, announced = line.pour(a_letter(2))
            await asyncio.sleep(0.4)
            return poured.done(), announced.done(), line.is_usable

    assert run(talk()) == (False, False, True)


def test_an_idle_line_and_one_asked_for_content_have_all_time(run):
    async def talk():
        timeouts = Timeouts(connect=5, command=0.1, content=0.1)
        async with talking(timeouts) as (_, line):
            await asyncio.sleep(0.3)
            await line.announce(a_letter(1))
            await asyncio.sleep(0.3)
            return await heard(line.pour(None)[0])

    assert run(talk()) == [SENT]


def test_go_ahead_after_a_refused_sender_is_not_even_answered_by_a_dot(run):
    async def talk():
        async with talking(script={"mail": ["450 4.7.1 no"]}) as (server, line):
            refused = await heard(line.announce(a_letter(1)))
            await until(lambda: not server.open)
            return refused, line.is_usable, server.mails

    assert run(talk()) == ([(450, Stage.MAIL, False)], False, [])
