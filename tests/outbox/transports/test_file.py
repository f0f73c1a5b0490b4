"""Mails into a folder: whole or not at all, and a full disk is a reply."""

import asyncio
import resource
import signal

import pytest

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import file
from digest.outbox.transports.transport import Letter
from tests.support import lines


def a_letter(number=7, content=b"X: 1\r\n\r\nHello\r\n"):
    return Letter(number, "a@example.org", "b@example.com", content)


def used(folder, *letters):
    async def run():
        transport = file.FileTransport(folder, connections=2)
        await transport.open()
        replies = await asyncio.gather(*(lines.send(transport, letter) for letter in letters))
        await transport.close()
        return replies

    return asyncio.run(run())


def test_a_mail_becomes_a_file_named_after_its_delivery(tmp_path):
    (reply,) = used(tmp_path / "deep" / "out", a_letter())
    assert (reply.code, reply.stage) == (250, Stage.CONTENT)
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["7.eml"]
    assert (tmp_path / "deep" / "out" / "7.eml").read_bytes() == a_letter().content


def test_a_second_try_replaces_the_first(tmp_path):
    used(tmp_path, a_letter(content=b"old\r\n"))
    used(tmp_path, a_letter(content=b"new\r\n"))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new\r\n"]


def test_many_mails_at_once_are_many_files(tmp_path):
    replies = used(tmp_path, *(a_letter(number) for number in range(30)))
    assert {reply.code for reply in replies} == {250}
    assert len(list(tmp_path.glob("*.eml"))) == 30


def test_a_folder_that_cannot_be_is_told_at_the_start(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(file.FolderError, match=r"taken/out: Not a directory\. Check smtp\.url"):
        used(tmp_path / "taken" / "out")


def test_a_folder_that_vanishes_is_a_reply(tmp_path):
    async def run():
        transport = file.FileTransport(tmp_path / "out")
        await transport.open()
        (tmp_path / "out").rmdir()
        return await lines.send(transport, a_letter()), await transport.probe()

    sent, probed = asyncio.run(run())
    assert (sent.code, sent.stage, sent.lost) == (0, Stage.CONNECT, False)
    assert "No such file or directory" in sent.text
    assert probed == Reply(250, f"written to {tmp_path / 'out'}", Stage.CONNECT)


def test_a_full_disk_is_a_reply_and_leaves_no_half_mail(tmp_path):
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        small, big = used(tmp_path, a_letter(1), a_letter(2, b"x" * 20_000 + b"\r\n"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (small.code, big.code, big.stage) == (250, 0, Stage.CONNECT)
    assert [path.name for path in tmp_path.iterdir()] == ["1.eml"]


def test_a_folder_that_fails_is_trouble_until_it_can_be_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "LOOK_AGAIN_SECONDS", 0.05)

    async def run():
        transport = file.FileTransport(tmp_path / "out")
        await transport.open()
        (tmp_path / "out").rmdir()
        (tmp_path / "out").write_text("in the way")
        line = transport.take()
        await line.announce(a_letter())
        poured, following = line.pour(a_letter(8))
        replies = [lines.told(reply) for reply in (await poured, await following)]
        transport.give_back(line)
        assert "Not a directory" in transport.trouble().text
        assert transport.take() is None
        (tmp_path / "out").unlink()
        assert lines.told(await lines.send(transport, a_letter())) == lines.SENT
        assert transport.trouble() is None
        await transport.close()
        return replies

    assert asyncio.run(run()) == [(0, Stage.CONNECT, False), lines.GO_AHEAD]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["7.eml"]


def test_each_line_writes_one_mail_after_the_other_and_one_is_kept_for_the_urgent(tmp_path):
    async def run():
        transport = file.FileTransport(tmp_path, connections=3)
        await transport.open()
        one, two = transport.take(), transport.take("file")
        assert (transport.take(), transport.take("other")) == (None, None)
        assert transport.take(urgent=True) is not None
        assert await lines.mailed(one, *(a_letter(number) for number in range(5))) == [lines.SENT] * 5
        waiting = transport.changed()
        transport.give_back(two)
        await asyncio.wait_for(waiting, 5)
        await transport.close()

    asyncio.run(run())
    assert len(list(tmp_path.iterdir())) == 5


def test_an_abandoned_letter_is_not_written(tmp_path):
    async def run():
        transport = file.FileTransport(tmp_path)
        await transport.open()
        line = transport.take()
        await line.announce(a_letter())
        line.abandon()
        assert not line.is_usable
        transport.give_back(line)
        await transport.close()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_closing_waits_for_what_is_being_written(tmp_path):
    async def run():
        transport = file.FileTransport(tmp_path)
        await transport.open()
        line = transport.take()
        await line.announce(a_letter())
        poured, _ = line.pour(None)
        await transport.close()
        return lines.told(await poured)

    assert asyncio.run(run()) == lines.SENT
